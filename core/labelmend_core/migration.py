"""A workspace moves from its SQLite file to the PostgreSQL server that `LABELMEND_DATABASE_URL` names."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from labelmend_core.errors import InputError, WorkspaceError
from labelmend_core.ledger import ServerDatabase
from labelmend_core.ledger.copying import Progress, copied
from labelmend_core.ledger.postgresql import URL_VARIABLE, new_schema, server_url
from labelmend_core.workspace_settings import DATABASE, SETTINGS, on_server, read_settings, write_settings


@dataclass(frozen=True)
class Migrated:
    """Where a workspace is now.

    Attributes:
        place: of its tables, in words.
        schema: their schema on the server.
        rows: copied, by table.
    """

    place: str
    schema: str
    rows: Mapping[str, int]


def migrate(folder: Path, schema: str | None = None, progress: Progress | None = None) -> Migrated:
    """Copy the database of a workspace to the server and let the workspace go on there.

    `workspace.db` stays as it was, and nothing reads it any more. When this is killed, the workspace goes on with its
    file, and a schema may be left over on the server.

    Args:
        folder: of a workspace with a `workspace.db`.
        schema: its name on the server; made up from the folder's without.
        progress: told the table, the rows done and the rows of all tables.

    Raises:
        InputError: `LABELMEND_DATABASE_URL` is not set or names no server.
        WorkspaceError: the workspace is on a server already, something has it open, the schema is not empty, or the
            server or the folder cannot be written.
    """
    settings = read_settings(folder)
    if settings.schema:
        raise WorkspaceError(
            f"Expected a workspace with a {DATABASE}, but {folder} is in the schema {settings.schema} "
            "on a server already."
        )
    url = server_url()
    if url is None:
        raise InputError(
            f"Expected {URL_VARIABLE} to say where to, postgresql://USER:PASSWORD@HOST/DATABASE, but it is not set."
        )
    if not (folder / DATABASE).is_file():
        raise WorkspaceError(f"Expected {folder / DATABASE}, but it is gone; restore it from a backup.")
    target = ServerDatabase(url, schema if schema is not None else new_schema(folder))
    stamp = (folder / SETTINGS).stat()
    with copied(folder / DATABASE, target, progress) as rows:
        write_settings(folder, on_server(settings, target.schema))
        # Open pages know the workspace by this time, and still have decisions to send.
        os.utime(folder / SETTINGS, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    return Migrated(str(target), target.schema, rows)
