"""A SQLite file copied to a PostgreSQL server, whole or not at all."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection, Table, inspect, select, text
from sqlalchemy import func as sql

from labelmend_core.errors import WorkspaceError
from labelmend_core.ledger._faults import raise_explained
from labelmend_core.ledger._rows import driver_cursor
from labelmend_core.ledger.engine import open_engine
from labelmend_core.ledger.postgresql import ServerDatabase, engine_on_server, lock_schema, make_schema
from labelmend_core.ledger.schema import metadata, schema_version
from labelmend_core.ledger.versions import create

_BLOCK = 20_000
_WAIT_SECONDS = 2  # for who has the file open

Progress = Callable[[str, int, int], None]  # what is copied, rows done, rows of all tables


@contextmanager
def copied(source: Path, target: ServerDatabase, progress: Progress | None = None) -> Iterator[dict[str, int]]:
    """Copy a database and give how many rows each table has; nobody else can open the file until the block ends.

    All rows go in one transaction, which is committed when their numbers agree. The file is only read; one of an older
    version is first migrated in its place, with a copy kept beside it.

    Raises:
        WorkspaceError: something else has the file open, or the target holds anything already.
    """
    open_engine(source, make=False).dispose()
    with _alone(source) as file:
        tables = [table for table in metadata.sorted_tables if table is not schema_version]
        counts = {table.name: int(file.execute(f"SELECT count(*) FROM {table.name}").fetchone()[0]) for table in tables}
        _fill(file, target, tables, counts, progress or (lambda *_: None))
        yield counts


@contextmanager
def _alone(source: Path) -> Iterator[sqlite3.Connection]:
    """Open a file that nobody else has open: what they would write to it later would never reach the server."""
    with closing(sqlite3.connect(source, timeout=_WAIT_SECONDS, isolation_level=None)) as file:
        file.execute("PRAGMA locking_mode=EXCLUSIVE")
        try:
            file.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
                raise WorkspaceError(
                    f"Expected nobody to have {source} open while it is copied, but another process has; nothing was "
                    "changed. End the review and the trainings of this workspace and do it again."
                ) from error
            raise_explained(error, str(source))
            raise
        yield file
        file.execute("ROLLBACK")


def _fill(
    file: sqlite3.Connection, target: ServerDatabase, tables: list[Table], counts: dict[str, int], progress: Progress
) -> None:
    total, before = sum(counts.values()), 0
    engine = engine_on_server(target)
    try:
        with engine.execution_options(isolation_level="READ COMMITTED").begin() as connection:
            _make_anew(connection, target)
            for table in tables:
                for n in _copy(file, connection, table):
                    progress(table.name, before + n, total)
                before += counts[table.name]
                _check(connection, table, counts[table.name])
            _continue_ids(file, connection, tables)
            connection.execute(text("ANALYZE"))
    finally:
        engine.dispose()


def _make_anew(connection: Connection, target: ServerDatabase) -> None:
    lock_schema(connection, target.schema)
    there = inspect(connection).get_table_names(schema=target.schema)
    if there:
        raise WorkspaceError(
            f"Expected {target} to be empty or not there, but it holds {len(there)} tables; nothing was changed. "
            "Choose another name with --schema."
        )
    make_schema(connection, target.schema)
    create(connection)


def _copy(file: sqlite3.Connection, connection: Connection, table: Table) -> Iterator[int]:
    """Copy a table and give after each block how many of its rows are there."""
    names = ", ".join(column.name for column in table.columns)
    rows = file.execute(f"SELECT {names} FROM {table.name}")
    n = 0
    with driver_cursor(connection) as cursor, cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
        while block := rows.fetchmany(_BLOCK):
            for row in block:
                copy.write_row(row)
            n += len(block)
            yield n


def _check(connection: Connection, table: Table, expected: int) -> None:
    found = connection.execute(select(sql.count()).select_from(table)).scalar_one()
    if found != expected:
        raise WorkspaceError(
            f"Expected {expected:,} rows of {table.name} on the server after copying them, found {found:,}; nothing "
            "was kept there. Is the file damaged?"
        )


def _continue_ids(file: sqlite3.Connection, connection: Connection, tables: list[Table]) -> None:
    """Let the server give out ids above all that the file ever gave out, those of rows that are gone included."""
    given = dict(file.execute("SELECT name, seq FROM sqlite_sequence").fetchall())
    for table in tables:
        if given.get(table.name):
            key = table.primary_key.columns.values()[0].name
            query = text("SELECT setval(pg_get_serial_sequence(:table, :key), :last)")
            connection.execute(query, {"table": table.name, "key": key, "last": given[table.name]})
