"""The same database on a PostgreSQL server, for teams: a schema a workspace, named by `LABELMEND_DATABASE_URL`."""

import hashlib
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError

from labelmend_core.errors import InputError
from labelmend_core.ledger._faults import explain_faults

URL_VARIABLE = "LABELMEND_DATABASE_URL"
_DRIVER = "postgresql+psycopg"
_DIALECTS = ("postgresql", "postgres", _DRIVER)
_EXAMPLE = "postgresql://USER:PASSWORD@HOST:5432/DATABASE"
_CONNECTION = {
    "application_name": "labelmend",
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}
_AT_ONCE = 16  # connections that are kept, and as many again in a rush; a server takes 100 unless told otherwise
_SETTINGS = {
    "synchronous_commit": "on",  # what a commit acknowledged is on the disk, whatever the server's own settings say
    "lock_timeout": "60s",
    "idle_in_transaction_session_timeout": "300s",  # a machine that vanished must not keep the write lock
    "timezone": "UTC",
}


@dataclass(frozen=True)
class ServerDatabase:
    """One workspace's place on a PostgreSQL server.

    Attributes:
        url: of the database; never shown with its password.
        schema: small letters, digits and underscores; the workspace's tables are in it and nothing else.
    """

    url: URL
    schema: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", self.schema) or self.schema.startswith("pg_"):
            raise InputError(
                "Expected a PostgreSQL schema of small letters, digits and underscores, at most 63, not beginning with "
                f"a digit or pg_, got {self.schema!r}."
            )

    def __str__(self) -> str:
        host = self.url.host or self.url.query.get("host") or "this machine"
        port = f":{self.url.port}" if self.url.port else ""
        return f"schema {self.schema} of the PostgreSQL database {self.url.database} on {host}{port}"


def server_url() -> URL | None:
    """Return the address in `LABELMEND_DATABASE_URL`, None where it is not set.

    Raises:
        InputError: it is no address of a PostgreSQL database, or its driver is not installed.
    """
    value = os.environ.get(URL_VARIABLE, "").strip()
    if not value:
        return None
    try:
        url = make_url(value)
    except (ArgumentError, ValueError):
        raise _no_address() from None  # the error repeats the address, password and all
    if url.drivername not in _DIALECTS or not url.database or "@" in f"{url.host or ''}{url.database}":
        raise _no_address()
    try:
        import psycopg.conninfo
    except ImportError as error:
        raise InputError(
            f"Expected the driver of PostgreSQL, because {URL_VARIABLE} is set, but it is not installed; "
            "run: pip install 'labelmend[postgresql]'"
        ) from error
    try:
        psycopg.conninfo.make_conninfo("", **{name: str(value) for name, value in url.query.items()})
    except psycopg.ProgrammingError:  # an option that there is not
        raise _no_address() from None
    return url.set(drivername=_DRIVER)


def new_schema(folder: Path) -> str:
    """Return a name for the schema of a new workspace: readable for who looks after the server, and unique."""
    name = re.sub(r"[^a-z0-9]+", "_", folder.absolute().name.lower()).strip("_")[:30]
    return "_".join(part for part in ("labelmend", name, secrets.token_hex(6)) if part)


def engine_on_server(database: ServerDatabase) -> Engine:
    """Return an engine whose connections see the workspace's schema and nothing else.

    Readers see the database as it was when they began. Writers take turns, as on SQLite: so the ids of decisions rise
    in the order of their commits. A connection that was lost is replaced when it is needed next.
    """
    engine = create_engine(
        database.url,
        connect_args={name: value for name, value in _CONNECTION.items() if name not in database.url.query},
        isolation_level="REPEATABLE READ",
        pool_pre_ping=True,
        pool_size=_AT_ONCE,
        max_overflow=_AT_ONCE,
        execution_options={"schema_of_workspace": database.schema},
    )

    def settle(connection: Any, _record: Any) -> None:
        settings = {"search_path": database.schema, **_SETTINGS}
        calls = ", ".join(["set_config(%s, %s, false)"] * len(settings))
        connection.execute(f"SELECT {calls}", [part for setting in settings.items() for part in setting])
        connection.commit()

    explain_faults(engine, str(database))
    event.listen(engine, "connect", settle)
    event.listen(engine, "begin", _begin)
    return engine


def _begin(connection: Connection) -> None:
    """Take the write lock: the row of the version, which so carries the number of the last transaction that wrote."""
    if connection.get_execution_options().get("immediate", False):
        connection.exec_driver_sql("UPDATE schema_version SET version = version")


def lock_schema(connection: Connection, schema: str) -> None:
    """Wait until nobody else makes the schema, which has no row to lock yet."""
    key = int.from_bytes(hashlib.blake2b(schema.encode(), digest_size=8).digest(), signed=True)
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})


def make_schema(connection: Connection, schema: str) -> None:
    """Make the schema unless somebody with more rights has."""
    if connection.execute(text("SELECT to_regnamespace(:schema) IS NULL"), {"schema": schema}).scalar_one():
        connection.execute(text(f"CREATE SCHEMA {schema}"))


def drop_schema(database: ServerDatabase) -> None:
    """Remove a workspace's tables, all of them."""
    engine = engine_on_server(database)
    try:
        with engine.begin() as connection:
            connection.execute(text(f"DROP SCHEMA IF EXISTS {database.schema} CASCADE"))
    finally:
        engine.dispose()


def _no_address() -> InputError:
    return InputError(
        f"Expected {URL_VARIABLE} to be the address of a PostgreSQL database, {_EXAMPLE}, but it cannot be read as one "
        "(not shown: it may hold a password); write @ : / in a user or password as %40 %3A %2F."
    )


# What SQLite has built in or gets from Python. Multiplication is modulo 2^64, bit operations are on signed integers.
FUNCTIONS = (
    "CREATE FUNCTION instr(whole text, part text) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE "
    "RETURN strpos(whole, part)",
    """
CREATE FUNCTION times_modulo(a bigint, b numeric) RETURNS bigint LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    product numeric := mod((CASE WHEN a < 0 THEN a + 18446744073709551616 ELSE a END) * b, 18446744073709551616);
BEGIN
    RETURN CASE WHEN product > 9223372036854775807 THEN product - 18446744073709551616 ELSE product END;
END $$
""",
    """
CREATE FUNCTION place_in_share(salt bigint, image bigint, class_index bigint) RETURNS integer
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    mixed bigint := ((image << 32) + class_index) # salt;
BEGIN
    mixed := times_modulo(mixed # ((mixed >> 30) & 17179869183), 13787848793156543929);
    mixed := times_modulo(mixed # ((mixed >> 27) & 137438953471), 10723151780598845931);
    mixed := mixed # ((mixed >> 31) & 8589934591);
    RETURN mod(CASE WHEN mixed < 0 THEN mixed + 18446744073709551616 ELSE mixed END, 100);
END $$
""",
    """
CREATE FUNCTION decisions_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'decisions are append-only' USING ERRCODE = 'integrity_constraint_violation';
END $$
""",
)
APPEND_ONLY = (
    "CREATE TRIGGER decisions_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON decisions "
    "FOR EACH STATEMENT EXECUTE FUNCTION decisions_refuse()"
)
