"""Many rows at once: the driver's own, because SQLAlchemy would wrap each and take several times as long."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Engine

from labelmend_core.ledger._faults import raise_explained


class DriverCursor:
    """A cursor of the driver that takes every query as SQLite spells it."""

    def __init__(self, cursor: Any, dialect: str) -> None:
        self._cursor, self._dialect = cursor, dialect

    def execute(self, query: str, values: Mapping[str, Any] | Sequence[Any] = ()) -> Any:
        """Run a query with its `:names` or its `?`s, and return the driver's cursor: an iterator over its rows."""
        return self._cursor.execute(spelled(query, self._dialect), values)

    def copy(self, statement: str) -> AbstractContextManager[Any]:
        """Return psycopg's COPY, to write rows into."""
        copy: AbstractContextManager[Any] = self._cursor.copy(statement)
        return copy


@contextmanager
def driver_cursor(connection: Connection) -> Iterator[DriverCursor]:
    """Give a cursor of the driver in the connection's transaction.

    Raises:
        WorkspaceError: the database fails, as it would be of any other query.
    """
    driver = connection.dialect.loaded_dbapi
    cursor = connection.connection.cursor()
    try:
        yield DriverCursor(cursor, connection.dialect.name)
    except driver.Error as error:
        raise_explained(error, connection.get_execution_options().get("place"))
        raise
    finally:
        cursor.close()


@lru_cache(maxsize=256)
def spelled(query: str, dialect: str) -> str:
    """Return a query, in which values are `:name` or `?`, as the driver of the dialect takes it."""
    if dialect == "sqlite":
        return query
    return re.sub(r"(?<!:):([a-z_]\w*)", r"%(\1)s", query.replace("%", "%%")).replace("?", "%s")


def read_columns(engine: Engine, query: str, asked: Mapping[str, Any], columns: Sequence[str]) -> dict[str, list[Any]]:
    """Return what a query finds, a list a column."""
    with engine.connect() as connection:
        return read_rows(connection, query, asked, columns)


def read_rows(
    connection: Connection, query: str, asked: Mapping[str, Any], columns: Sequence[str]
) -> dict[str, list[Any]]:
    """Return the same in the connection's transaction."""
    with driver_cursor(connection) as cursor:
        rows = cursor.execute(query, asked).fetchall()
    return dict(zip(columns, map(list, zip(*rows, strict=True)) if rows else ([] for _ in columns), strict=True))
