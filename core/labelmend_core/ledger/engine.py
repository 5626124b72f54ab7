"""Opening the database so that a committed decision survives a power cut."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, ExceptionContext, create_engine, event

from labelmend_core.ledger._faults import raise_explained
from labelmend_core.ledger.schema import prepare

_BUSY_SECONDS = 60  # saving a million suggestions holds the lock for 19 s on two busy cores
_CACHE_KIB = 64_000  # a connection at most; inserting a million suggestions takes 13 s, with the default of 2 MiB 23 s


def open_engine(database: Path) -> Engine:
    """Return an engine on the SQLite database at `database`, created or migrated as needed.

    Write-ahead log with `synchronous=FULL`: what a commit acknowledged is on the disk. Whatever the
    engine does later, a full disk, a damaged or a locked database is a `WorkspaceError` as well.

    Raises:
        WorkspaceError: the database is read-only, damaged, locked, or of a newer version.
    """
    engine = create_engine(URL.create("sqlite", database=str(database)), connect_args={"timeout": _BUSY_SECONDS})
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin)
    event.listen(engine, "handle_error", _explain)
    with ExitStack() as on_failure:
        on_failure.callback(engine.dispose)
        prepare(writing(engine))
        on_failure.pop_all()
    return engine


def writing(engine: Engine) -> Engine:
    """Return a view of the engine whose transactions take the write lock at once, so that two never deadlock."""
    return engine.execution_options(immediate=True)


def _set_pragmas(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions are begun by _begin, DDL included
    # recursive_triggers: an INSERT OR REPLACE deletes too, and the append-only trigger must see it.
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "recursive_triggers=ON",
        f"cache_size=-{_CACHE_KIB}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _explain(context: ExceptionContext) -> None:
    """Say what is wrong with the file; every other error stays as SQLAlchemy raises it."""
    raise_explained(context.original_exception, context.engine.url.database if context.engine else None)
