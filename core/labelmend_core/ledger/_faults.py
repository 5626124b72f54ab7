"""What SQLite can say of its file, as one sentence with a cure."""

import sqlite3

from labelmend_core.errors import WorkspaceError

_READ_ONLY = (
    "Expected to be able to write {database}, but it is read-only; nothing was changed there. "
    "Copy the workspace to a folder of your own or mend its permissions."
)
_DAMAGED = "Expected {database} to be a labelmend database, but it is damaged; restore it from a backup."
_FULL = (
    "Expected room to write {database}, but the disk is full; nothing was changed there. "
    "Free some space and do it again."
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
    sqlite3.SQLITE_BUSY: (
        "Expected {database} to be free, but another process has been writing to it for too long; "
        "nothing was changed there. Wait for it to end and do it again."
    ),
}


def raise_explained(error: BaseException | None, database: str | None) -> None:
    """Raise a `WorkspaceError` where the database file is what is wrong; return where it is not."""
    code = getattr(error, "sqlite_errorcode", 0)
    sentence = _SENTENCES.get(code) or _SENTENCES.get(code & 0xFF)  # an extended code refines its low byte
    if sentence is not None:
        raise WorkspaceError(sentence.format(database=database)) from error
