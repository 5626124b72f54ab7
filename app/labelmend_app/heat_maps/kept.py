"""Heat maps that were made before, in a small database of their own: `heat_maps.db` of the workspace.

It can be deleted at any time. What cannot be read or written there costs time and nothing else.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

NAME = "heat_maps.db"
LARGEST_BYTES = 256 * 1024**2

# Another number makes the maps anew.
_TABLE = "made_1"
_COLUMNS = "run TEXT, image INT, class INT, answer TEXT, UNIQUE (run, image, class)"
_CREATE = f"CREATE TABLE IF NOT EXISTS {_TABLE} ({_COLUMNS})"
_GET = f"SELECT answer FROM {_TABLE} WHERE run = ? AND image = ? AND class = ?"
_PUT = f"INSERT OR REPLACE INTO {_TABLE} VALUES (?, ?, ?, ?)"
_DROP_OLDEST = f"DELETE FROM {_TABLE} WHERE rowid <= (SELECT min(rowid) + (max(rowid) - min(rowid)) / 4 FROM {_TABLE})"


class KeptAnswers:
    """Answers by run, image and class; when there are too many, the oldest quarter goes.

    A finished run never changes, so an answer stays true.

    Args:
        folder: of the workspace.
        largest_bytes: of all answers together.
    """

    def __init__(self, folder: Path, largest_bytes: int = LARGEST_BYTES) -> None:
        self._path, self._largest = folder / NAME, largest_bytes

    def get(self, run_id: str, image: int, class_index: int) -> str | None:
        """Return an answer that was put, None where there is none."""
        if not self._path.is_file():
            return None
        try:
            with closing(self._open()) as connection:
                row = connection.execute(_GET, (run_id, image, class_index)).fetchone()
        except sqlite3.Error:
            return None
        return None if row is None else str(row[0])

    def put(self, run_id: str, image: int, class_index: int, answer: str) -> None:
        """Keep an answer."""
        try:
            with closing(self._open()) as connection, connection:
                connection.execute(_PUT, (run_id, image, class_index, answer))
                if self._bytes(connection) > self._largest:
                    connection.execute(_DROP_OLDEST)
        except sqlite3.DatabaseError as error:
            if "malformed" in str(error) or "not a database" in str(error):
                self._path.unlink(missing_ok=True)  # the next one starts it anew

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=2)
        connection.execute(_CREATE)
        return connection

    def _bytes(self, connection: sqlite3.Connection) -> int:
        pages, free, size = (
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)
