"""Opening the database, a file or on a server, so that a committed decision survives a power cut."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from labelmend_core.ledger._faults import explain_faults
from labelmend_core.ledger._share import PLACE_IN_SHARE, place_in_salted_share
from labelmend_core.ledger.postgresql import ServerDatabase, engine_on_server
from labelmend_core.ledger.versions import prepare

Database = Path | ServerDatabase

_BUSY_SECONDS = 60  # saving a million suggestions holds the lock for 19 s on two busy cores
_CACHE_KIB = 64_000  # a connection at most; inserting a million suggestions takes 13 s, with the default of 2 MiB 23 s


_INSERT: dict[str, Any] = {"sqlite": sqlite_insert, "postgresql": postgresql_insert}


def open_engine(database: Database, *, make: bool = True) -> Engine:
    """Return an engine on the database, migrated as needed, and made where it is not there unless `make` is false.

    What a commit acknowledged is on the disk: SQLite gets a write-ahead log with `synchronous=FULL`, PostgreSQL
    `synchronous_commit`. Whatever the engine does later, a full disk, a damaged or a locked database or a lost
    connection is a `WorkspaceError` as well.

    Args:
        database: where the SQLite file lies, or a schema on a PostgreSQL server.
        make: whether to make what is not there.

    Raises:
        WorkspaceError: the database is read-only, damaged, locked, out of reach, not there, or of a newer version.
    """
    engine = engine_on_server(database) if isinstance(database, ServerDatabase) else _engine_on_file(database)
    with ExitStack() as on_failure:
        on_failure.callback(engine.dispose)
        prepare(writing(engine), make=make)
        on_failure.pop_all()
    return engine


def writing(engine: Engine) -> Engine:
    """Return a view of the engine whose transactions take the write lock at once, so that two never deadlock."""
    if engine.dialect.name == "sqlite":
        return engine.execution_options(immediate=True)
    # Each statement after the lock must see what was committed while it was waited for.
    return engine.execution_options(immediate=True, isolation_level="READ COMMITTED")


def insert_into(engine: Engine, table: Any) -> Any:
    """Return the INSERT of the engine's database, which knows ON CONFLICT."""
    return _INSERT[engine.dialect.name](table)


def change_stamp(engine: Engine) -> tuple[int, ...]:
    """Return numbers that are others whenever anything in the database is."""
    if engine.dialect.name == "sqlite":
        files = [Path(f"{engine.url.database}{suffix}") for suffix in ("", "-wal")]
        # The size as well: many a system gives two writes within a few milliseconds one time.
        known = [path.stat() for path in files if path.exists()]
        return tuple(number for one in known for number in (one.st_mtime_ns, one.st_size))
    with engine.connect() as connection:  # the transaction that wrote last: each takes the lock by writing this row
        return (
            int(connection.execute(text("SELECT CAST(CAST(xmin AS text) AS bigint) FROM schema_version")).scalar_one()),
        )


def _engine_on_file(database: Path) -> Engine:
    engine = create_engine(URL.create("sqlite", database=str(database)), connect_args={"timeout": _BUSY_SECONDS})
    explain_faults(engine, str(database))
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin)
    return engine


def _set_pragmas(connection: Any, _record: Any) -> None:
    connection.create_function(PLACE_IN_SHARE, 3, place_in_salted_share, deterministic=True)
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
