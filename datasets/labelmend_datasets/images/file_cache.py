"""Files that came from far away, kept on this disk up to a size; which goes first is what was used longest ago.

Any number of processes share a cache. A file appears whole, by renaming, and one that two of them fetch at once is
simply written twice. When a file was used last is its access time, which is set here: a disk mounted with `noatime`
does the same.
"""

import hashlib
import os
import re
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

from labelmend_core.errors import InputError
from labelmend_core.files import replacing

FOLDER, LIMIT = "LABELMEND_IMAGE_CACHE", "LABELMEND_IMAGE_CACHE_GB"
_DEFAULT_GB = 20.0
_IN_USE_SECONDS = 10.0  # so long nobody takes a file away from somebody who is about to open it
_LOOK = 0.01  # of the limit: after so many bytes written, a process looks what is there
_LEAVE = 0.9  # of the limit, so that ten processes may write that much between their looks
_ODD = re.compile(r"[^\w.-]+")
_LONGEST_NAME = 60


class FileCache:
    """A folder of fetched files with a size limit.

    Args:
        folder: made when the first file comes.
        limit_bytes: of all files together.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self.folder, self.limit_bytes = folder, limit_bytes
        self._written = float("inf")  # nobody knows what is there

    def get(self, key: str, fetch: Callable[[Path], None]) -> Path:
        """Return the file kept under a key; `fetch` writes it to the path that it is given where there is none.

        Args:
            key: what the file is; the same key always means the same content.
            fetch: may raise, and then nothing is kept.

        Raises:
            WorkspaceError: the disk is full or the folder cannot be written to.
        """
        path = self._path(key)
        try:
            self._use(path)
        except FileNotFoundError:
            with replacing(path) as temporary:
                fetch(temporary)
            self._use(path)
            self._written += path.stat().st_size
            self._make_room()
        return path

    def _path(self, key: str) -> Path:
        """Return a place that no other key has; its end is that of the key, for a person who reads a message."""
        digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        name = _ODD.sub("_", key.rpartition("/")[2])[-_LONGEST_NAME:].lstrip(".") or "image"
        return self.folder / digest[:2] / digest[2:34] / name

    def _use(self, path: Path) -> None:
        # What was fetched again is the same file: its time of change must not say otherwise.
        os.utime(path, ns=(time.time_ns(), 0))

    def _make_room(self) -> None:
        if self._written < _LOOK * self.limit_bytes:
            return
        files = sorted(self._files())
        total, self._written = sum(size for _, size, _ in files), 0
        if total <= self.limit_bytes:
            return
        newest = time.time() - _IN_USE_SECONDS
        for used, size, path in files:
            if total <= _LEAVE * self.limit_bytes or used > newest:
                break
            if _used_since(path, used):
                continue
            path.unlink(missing_ok=True)
            total -= size

    def _files(self) -> list[tuple[float, int, Path]]:
        """Return when each file was used last, its bytes and its path, half-written ones of a kill too."""
        found = []
        for path in self.folder.glob("??/*/*"):
            try:
                status = path.stat()
            except FileNotFoundError:  # another process made room
                continue
            found.append((status.st_atime, status.st_size, path))
        return found


def _used_since(path: Path, used: float) -> bool:
    try:
        return path.stat().st_atime != used
    except FileNotFoundError:  # another process made room
        return False


@cache
def shared_cache() -> FileCache:
    """Return the cache of this user, in `LABELMEND_IMAGE_CACHE` and of `LABELMEND_IMAGE_CACHE_GB` (20).

    Raises:
        InputError: the size is no positive number.
    """
    text = os.environ.get(LIMIT, str(_DEFAULT_GB))
    try:
        gigabytes = float(text)
    except ValueError:
        gigabytes = 0.0
    if not 0 < gigabytes < float("inf"):
        raise InputError(f"Expected {LIMIT}, the size of the image cache in GB, as a positive number, got {text!r}")
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(os.environ.get(FOLDER) or home / "labelmend" / "images")
    return FileCache(folder, int(gigabytes * 1e9))
