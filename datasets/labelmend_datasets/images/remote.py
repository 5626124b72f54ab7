"""Files behind an address, `s3://`, `gs://` or `https://`, fetched through fsspec, with little trust in who answers.

Only these kinds of address are opened, also after a redirect; a server that hangs, sends without end, or sends less
than it said makes one bad image and never stops a run. After some failures in a row nothing more is asked of a server
for a while, so that one that is gone does not cost its time limit for every image.
"""

import os
import time
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import fsspec

from labelmend_core.errors import ImageError, InputError
from labelmend_datasets.images.bounded import MOST_IMAGE_BYTES, copy_bounded

# What each kind of address needs to be installed; fsspec itself is there.
PACKAGES = {"http": "aiohttp", "https": "aiohttp", "s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "memory": ""}
CONNECT_SECONDS, SILENT_SECONDS, IMAGE_SECONDS = 15.0, 30.0, 60.0
_LEAST_SPEED = 4e6  # bytes a second that a shard of many gigabytes comes at, at least
_TRIES = 2
_FAILURES, _REST_SECONDS = 5, 60.0


def is_address(where: str) -> bool:
    """Return whether something is an address rather than a path.

    Example:
        >>> is_address("s3://bucket/photos"), is_address("/photos"), is_address("C:/photos")
        (True, False, False)
    """
    return "://" in where


class RemoteFolder:
    """A folder behind an address, from which files are fetched one by one.

    Args:
        address: such as `s3://bucket/photos`; a query behind it, as of a signed address, goes with each file.

    Raises:
        InputError: the address is of an unknown kind, holds a password, or what reads it is not installed.
    """

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        if parts.scheme not in PACKAGES:
            raise InputError(
                f"Expected an address with {', '.join(f'{name}://' for name in PACKAGES if PACKAGES[name])} or a path, "
                f"got {address!r}"
            )
        if parts.password or parts.username:
            raise InputError(
                "Expected an address without user and password, because the workspace keeps it; give the keys as the "
                "library that reads it wants them, in the environment or in its own file."
            )
        self.address, self._parts = address.rstrip("/"), parts
        self._failures, self._asked = 0, float("-inf")
        self._files: Any = None
        self._process = 0
        self._connected()  # what is not installed is said now

    def __getstate__(self) -> dict[str, Any]:
        """A DataLoader's worker connects anew."""
        return {"address": self.address}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["address"])  # type: ignore[misc]

    def file(self, name: str) -> str:
        """Return the address of a file in the folder."""
        base = self._parts.path.rstrip("/")
        if self._parts.scheme in ("http", "https"):
            parts = (self._parts.scheme, self._parts.netloc, f"{base}/{quote(name)}", self._parts.query, "")
            return urlunsplit(parts)
        return f"{self.address}/{name}"

    def names(self) -> set[str] | None:
        """Return the names of all files below the folder, None where that cannot be asked.

        Raises:
            ImageError: the folder cannot be reached.
        """
        if self._parts.scheme in ("http", "https"):
            return None
        try:
            files, root = fsspec.core.url_to_fs(self.address)
            return {str(path)[len(root) :].lstrip("/") for path in files.find(root)}
        except self._troubles() as error:
            raise self._unreachable(self.address, error) from error

    def fetch(self, name: str, destination: Path, *, most: int = MOST_IMAGE_BYTES) -> None:
        """Write a file of the folder to `destination`.

        Args:
            name: relative to the folder.
            destination: of the copy.
            most: bytes that are too many beyond.

        Raises:
            ImageError: there is no such file, it is too large, or it did not come in time or whole.
        """
        address = self.file(name)
        if self._failures >= _FAILURES and time.monotonic() < self._asked + _REST_SECONDS:
            raise ImageError(f"Expected {address}, but its server did not answer the last {self._failures} times.")
        for tries_left in reversed(range(_TRIES)):
            self._asked = time.monotonic()
            try:
                with self._open(address) as content, destination.open("wb") as output:
                    copy_bounded(content, output, address, most=most, seconds=IMAGE_SECONDS + most / _LEAST_SPEED)
            except FileNotFoundError as error:
                raise ImageError(f"Expected an image at {address}, but there is none.") from error
            except self._troubles() as error:
                if tries_left and not isinstance(error, TimeoutError):
                    continue
                self._failures += 1
                raise self._unreachable(address, error) from error
            self._failures = 0
            return

    def _open(self, address: str) -> Any:
        if self._parts.scheme in ("http", "https"):
            # A size, whatever it says, saves two questions for it; the stream is read to its end.
            return self._connected().open(address, "rb", block_size=0, size=1)
        return self._connected().open(address, "rb")

    def _connected(self) -> Any:
        if self._process != os.getpid():  # a connection is no thing to share with a forked process
            self._files, self._process = _file_system(self._parts.scheme), os.getpid()
        return self._files

    def _troubles(self) -> tuple[type[Exception], ...]:
        return _troubles(self._parts.scheme)

    def _unreachable(self, address: str, error: Exception) -> ImageError:
        why = "it took too long" if isinstance(error, TimeoutError) else f"{type(error).__name__} {error}".rstrip()
        return ImageError(f"Expected to fetch {address}, but: {why}. Is the address right, and may it be read?")


def _file_system(scheme: str) -> Any:
    try:
        if scheme not in ("http", "https"):
            return fsspec.filesystem(scheme)
        from aiohttp import ClientTimeout

        timeout = ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=SILENT_SECONDS)
        return fsspec.filesystem("https", encoded=True, client_kwargs={"timeout": timeout})
    except ImportError as error:
        raise InputError(
            f"Expected {PACKAGES[scheme]} to be installed for images at {scheme}://…, but it is not; "
            f"pip install {PACKAGES[scheme]}"
        ) from error


@cache
def _troubles(scheme: str) -> tuple[type[Exception], ...]:
    """Return what can go wrong on the way: each library has errors of its own."""
    found: list[type[Exception]] = [OSError, TimeoutError, ValueError]
    if scheme in ("http", "https"):
        from aiohttp import ClientError

        found.append(ClientError)
    elif scheme == "s3":
        from botocore import exceptions

        found += [exceptions.BotoCoreError, exceptions.ClientError]
    elif scheme in ("gs", "gcs"):
        from google.auth.exceptions import GoogleAuthError

        found.append(GoogleAuthError)
    return tuple(found)
