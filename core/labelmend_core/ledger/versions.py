"""How a database gets its tables, and how an older one becomes a newer one."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import cast

from sqlalchemy import Connection, Engine, inspect, select, text

from labelmend_core.errors import WorkspaceError
from labelmend_core.files import replacing
from labelmend_core.ledger import postgresql
from labelmend_core.ledger._faults import raise_explained
from labelmend_core.ledger.schema import metadata, schema_version

SCHEMA_VERSION = 3

_STANDING = """
CREATE VIEW standing_decisions AS
SELECT d.* FROM decisions d
WHERE d.verdict <> 'undo' AND NOT EXISTS (
    SELECT 1 FROM decisions u WHERE u.undoes_client = d.client AND u.undoes_seq = d.seq
)
"""

_APPEND_ONLY_ON_SQLITE = [
    f"CREATE TRIGGER decisions_refuse_{verb.lower()} BEFORE {verb} ON decisions "
    "BEGIN SELECT RAISE(ABORT, 'decisions are append-only'); END"
    for verb in ("UPDATE", "DELETE")
]


def _add_audit_cells(connection: Connection) -> None:
    """Version 2: the audit sample. Spelled out, because the table may look another way in a later version."""
    connection.execute(text(_AUDIT_CELLS_OF_VERSION_2))
    connection.execute(text("CREATE INDEX audit_queue ON audit_cells (run_id, kind, class_index)"))


_AUDIT_CELLS_OF_VERSION_2 = """
CREATE TABLE audit_cells (
    audit_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    run_id TEXT NOT NULL,
    image_index INTEGER NOT NULL,
    class_index INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('missing', 'spurious')),
    inclusion_probability FLOAT NOT NULL CHECK (inclusion_probability > 0 AND inclusion_probability <= 1),
    error_probability FLOAT NOT NULL,
    place INTEGER NOT NULL,
    again INTEGER NOT NULL,
    UNIQUE (run_id, image_index, class_index),
    FOREIGN KEY(run_id) REFERENCES runs (run_id),
    FOREIGN KEY(image_index) REFERENCES images (image_index),
    FOREIGN KEY(class_index) REFERENCES classes (class_index)
)
"""


def _add_adjudication(connection: Connection) -> None:
    """Version 3: answers that settle a cell, what is set for the workspace, and a faster search for two answers."""
    connection.execute(text(_ADJUDICATES_OF_VERSION_3))
    connection.execute(text("DROP INDEX decision_cell"))
    connection.execute(text("CREATE INDEX decision_cell ON decisions (class_index, image_index, reviewer)"))
    connection.execute(text("CREATE TABLE preferences (name TEXT NOT NULL PRIMARY KEY, value JSON NOT NULL)"))


_ADJUDICATES_OF_VERSION_3 = """
ALTER TABLE decisions ADD COLUMN adjudicates BOOLEAN NOT NULL DEFAULT 0
CHECK (NOT adjudicates OR verdict IN ('present', 'absent'))
"""

# MIGRATIONS[n] takes a database of version n to version n + 1, inside the transaction that records it. Versions 1 and 2
# were never on PostgreSQL.
MIGRATIONS: dict[int, Callable[[Connection], None]] = {1: _add_audit_cells, 2: _add_adjudication}


def prepare(writing: Engine, *, make: bool) -> None:
    """Create the tables in an empty database, or migrate an older one to this version in one transaction.

    Before it migrates, a copy of the database is kept: beside it, as `workspace.db.version-<n>.bak`; on PostgreSQL as
    the schema `<schema>_version_<n>`.

    Raises:
        WorkspaceError: the database is of a newer version than this program, or cannot be written, or is not there
            although it should not be made.
    """
    if writing.dialect.name == "postgresql":
        _prepare_schema(writing, make=make)
    with writing.begin() as connection:
        if not inspect(connection).has_table(schema_version.name):
            create(connection)
        # Read under the write lock: another process may just have migrated it.
        version = found_version(connection)
        # SQLite takes the write lock of a read-only file without a word, but not a write, even of no row.
        connection.execute(schema_version.update().where(schema_version.c.version < 0).values(version=0))
        if version < SCHEMA_VERSION:
            _back_up(connection, writing, version)
            for step in range(version, SCHEMA_VERSION):
                MIGRATIONS[step](connection)
            connection.execute(schema_version.update().values(version=SCHEMA_VERSION))


def found_version(connection: Connection) -> int:
    """Return the schema version of a database, refusing one that a newer labelmend wrote."""
    version = connection.execute(select(schema_version.c.version)).scalar_one()
    if version > SCHEMA_VERSION:
        raise WorkspaceError(
            f"Expected a workspace of schema version {SCHEMA_VERSION} or older, got {version}; "
            "it was written by a newer labelmend. Upgrade labelmend to open it."
        )
    return int(version)


def _prepare_schema(writing: Engine, *, make: bool) -> None:
    """Make the schema with its tables on the server where it is not there: it has no row to take the write lock on."""
    options = writing.get_execution_options()
    schema = options["schema_of_workspace"]
    with writing.execution_options(immediate=False).begin() as connection:
        if inspect(connection).has_table(schema_version.name):
            return
        if not make:
            raise WorkspaceError(
                f"Expected the workspace in {options['place']}, but it is not there; "
                f"does {postgresql.URL_VARIABLE} name the right database?"
            )
        postgresql.lock_schema(connection, schema)
        if not inspect(connection).has_table(schema_version.name):
            postgresql.make_schema(connection, schema)
            create(connection)


def create(connection: Connection) -> None:
    """Make all tables, triggers and functions where nothing is yet."""
    metadata.create_all(connection)
    connection.execute(text(_STANDING))
    on_server = connection.dialect.name == "postgresql"
    for statement in (*postgresql.FUNCTIONS, postgresql.APPEND_ONLY) if on_server else _APPEND_ONLY_ON_SQLITE:
        connection.exec_driver_sql(statement)
    connection.execute(schema_version.insert().values(version=SCHEMA_VERSION))


def _back_up(connection: Connection, engine: Engine, version: int) -> None:
    """Copy what is committed, while the caller holds the write lock."""
    if engine.dialect.name == "postgresql":
        return _copy_tables(
            connection, f"{engine.get_execution_options()['schema_of_workspace'][:50]}_version_{version}"
        )
    database = Path(str(engine.url.database))
    kept = database.with_name(f"{database.name}.version-{version}.bak")
    with (
        replacing(kept) as copy,
        closing(engine.raw_connection()) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        try:
            cast(sqlite3.Connection, source.driver_connection).backup(target)
        except sqlite3.Error as error:
            raise_explained(error, str(kept))
            raise


def _copy_tables(connection: Connection, kept: str) -> None:
    names = inspect(connection).get_table_names(schema=connection.get_execution_options()["schema_of_workspace"])
    connection.execute(text(f"DROP SCHEMA IF EXISTS {kept} CASCADE"))
    connection.execute(text(f"CREATE SCHEMA {kept}"))
    for name in names:
        connection.execute(text(f"CREATE TABLE {kept}.{name} AS TABLE {name}"))
