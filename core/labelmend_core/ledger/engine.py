"""Opening the database so that a committed decision survives a power cut."""

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError

from labelmend_core.errors import WorkspaceError
from labelmend_core.ledger.schema import prepare

_BUSY_SECONDS = 30


def open_engine(database: Path) -> Engine:
    """Return an engine on the SQLite database at `database`, created or migrated as needed.

    Write-ahead log with `synchronous=FULL`: what a commit acknowledged is on the disk.

    Raises:
        WorkspaceError: the database is read-only, damaged, or of a newer version.
    """
    engine = create_engine(f"sqlite:///{database}", connect_args={"timeout": _BUSY_SECONDS})
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin)
    try:
        prepare(writing(engine))
    except (sqlite3.DatabaseError, DatabaseError) as error:
        engine.dispose()
        if "readonly" in str(error) or "unable to open" in str(error):
            raise WorkspaceError(
                f"Expected to be able to write {database}, but it is read-only; nothing was changed there. "
                "Copy the workspace to a folder of your own or mend its permissions."
            ) from error
        if "not a database" in str(error) or "malformed" in str(error):
            raise WorkspaceError(
                f"Expected {database} to be a labelmend database, but it is damaged; restore it from a backup."
            ) from error
        raise
    except WorkspaceError:
        engine.dispose()
        raise
    return engine


def writing(engine: Engine) -> Engine:
    """Return a view of the engine whose transactions take the write lock at once, so that two never deadlock."""
    return engine.execution_options(immediate=True)


def _set_pragmas(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions are begun by _begin, DDL included
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
