"""The lock of a workspace's jobs: one process at a time starts a job or changes what waits."""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from labelmend_core.errors import WorkspaceError
from labelmend_core.files import explained
from labelmend_core.workspace import Workspace


@contextmanager
def one_at_a_time(workspace: Workspace) -> Iterator[Path]:
    """Hold a lock between processes and give the folder of the jobs.

    SQLite's lock is there on every system and falls with the process that holds it.

    Raises:
        WorkspaceError: the lock cannot be had, or its file is damaged.
    """
    folder = workspace.folder / "jobs"
    with explained(folder):
        folder.mkdir(exist_ok=True)
    lock = folder / "lock.db"
    with ExitStack() as stack:
        try:
            connection = stack.enter_context(closing(sqlite3.connect(lock, timeout=30, isolation_level=None)))
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise WorkspaceError(
                f"Expected to be able to lock {lock}, got: {error}; is the folder writable?"
            ) from error
        except sqlite3.Error as error:
            raise WorkspaceError(
                f"Expected {lock} as labelmend wrote it, got: {error}; remove it to go on, for it holds nothing."
            ) from error
        yield folder
