"""What the database can say of itself, as one sentence with a cure."""

import sqlite3

from sqlalchemy import Engine, ExceptionContext, event

from labelmend_core.errors import InputError, LabelmendError, WorkspaceError

_READ_ONLY = (
    "Expected to be able to write {database}, but it is read-only; nothing was changed there. "
    "Copy the workspace to a folder of your own or mend its permissions."
)
_DAMAGED = "Expected {database} to be a labelmend database, but it is damaged; restore it from a backup."
_FULL = (
    "Expected room to write {database}, but the disk is full; nothing was changed there. "
    "Free some space and do it again."
)
_BUSY = (
    "Expected {database} to be free, but another process has been writing to it for too long; "
    "nothing was changed there. Wait for it to end and do it again."
)
_SENTENCES = {
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: _READ_ONLY,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_IOERR_SHMSIZE: _FULL,  # no room for the index of the write-ahead log
    sqlite3.SQLITE_IOERR: (
        "Expected to read and write {database}, but its disk reports an error; nothing was changed there. "
        "Is the disk full, or was it taken away?"
    ),
    sqlite3.SQLITE_BUSY: _BUSY,
}

_SERVER_READ_ONLY = (
    "Expected to be able to write {database}, but the server takes no changes; nothing was changed there. "
    "Is it a standby? Name the primary in LABELMEND_DATABASE_URL."
)
_NO_RIGHT = (
    "Expected the right to use {database}, but the server refuses it; nothing was changed there. "
    "Ask who looks after the server for the rights that the page on PostgreSQL lists."
)
_NO_LOGIN = (
    "Expected to be let into {database}, but the server refuses user, password or database; "
    "correct LABELMEND_DATABASE_URL."
)
_SERVER_FULL = (
    "Expected room to write {database}, but the server's disk is full; nothing was changed there. "
    "Free some space there and do it again."
)
_CROWDED = (
    "Expected a connection to {database}, but the server has no more to give; nothing was changed there. "
    "Raise its max_connections, or end what uses them."
)
_LOST = (
    "Expected {database} to answer, but the connection failed or was lost; what was being saved is there whole or not "
    "at all, and sending it again is harmless. Does the server run, and is the network up?"
)
_DAMAGED_ON_SERVER = (
    "Expected to read {database}, but the server says that its data are damaged; restore them from a backup."
)
_UNSUITABLE = (
    "Expected text and numbers that PostgreSQL can keep in {database}, got a NUL character or a number that is "
    "too large; nothing was changed there."
)
_SQLSTATES = {  # the longest beginning counts
    "08": _LOST,
    "22": _UNSUITABLE,
    "25006": _SERVER_READ_ONLY,
    "25P03": _LOST,  # it was idle for too long within a transaction
    "28": _NO_LOGIN,
    "3D": _NO_LOGIN,
    "42501": _NO_RIGHT,
    "53100": _SERVER_FULL,
    "53300": _CROWDED,
    "55P03": _BUSY,
    "57P": _LOST,
    "XX001": _DAMAGED_ON_SERVER,
    "XX002": _DAMAGED_ON_SERVER,
}


def explain_faults(engine: Engine, place: str) -> None:
    """Let an engine say what is wrong with its database; every other error stays as SQLAlchemy raises it."""
    engine.update_execution_options(place=place)  # for what goes to the driver itself

    def explain(context: ExceptionContext) -> None:
        if not context.is_pre_ping:  # a connection that does not answer is replaced
            raise_explained(context.original_exception, place)

    event.listen(engine, "handle_error", explain)


def raise_explained(error: BaseException | None, database: str | None) -> None:
    """Raise a `WorkspaceError` where the database is what is wrong; return where it is not."""
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", 0)
        sentence = _SENTENCES.get(code) or _SENTENCES.get(code & 0xFF)  # an extended code refines its low byte
    else:
        sentence = _of_server(error)
    if sentence is not None:
        kind: type[LabelmendError] = InputError if sentence is _UNSUITABLE else WorkspaceError
        raise kind(sentence.format(database=database)) from error


def _of_server(error: BaseException | None) -> str | None:
    """Return what an error of psycopg says of the server; told by name, for the driver may not be installed."""
    kinds = {kind.__name__ for kind in type(error).__mro__ if kind.__module__.startswith("psycopg")}
    state = getattr(error, "sqlstate", None)
    if "DataError" in kinds:
        return _UNSUITABLE
    if state is None:  # no answer came, or it is that of a login, which has no state
        said = str(error)
        if "OperationalError" not in kinds:
            return None
        refused = "authentication failed", "does not exist", "no password supplied", "no pg_hba.conf entry"
        if any(words in said for words in refused):
            return _NO_LOGIN
        return _CROWDED if "too many clients" in said or "remaining connection slots" in said else _LOST
    return next((_SQLSTATES[state[:n]] for n in (5, 3, 2) if state[:n] in _SQLSTATES), None)
