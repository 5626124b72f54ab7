"""Images in zip and tar files that strangers made: one member is read at a time, and nothing is unpacked.

No path of a member is ever written to, so that a path that leads out of the archive leads nowhere. Links, devices,
encrypted members and members that are larger than an image can be are refused.
"""

import os
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import IO

from labelmend_core.errors import ImageError
from labelmend_datasets.images.bounded import MOST_IMAGE_BYTES, copy_bounded

SUFFIXES = (".zip", ".tar")
COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
_KEPT_OPEN = 64  # archives; a shard is a gigabyte as a rule
_DAMAGED = (OSError, EOFError, zipfile.BadZipFile, tarfile.TarError, zlib.error, NotImplementedError, RuntimeError)


class Archive:
    """The members of one archive, by name.

    Args:
        path: a .zip, or a .tar that is not compressed.

    Raises:
        ImageError: the file is none, or damaged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._zip: zipfile.ZipFile | None = None
        try:
            if path.suffix.lower() == ".zip":
                self._zip = zipfile.ZipFile(path)
                self._members: Mapping[str, zipfile.ZipInfo | tuple[int, int]] = {
                    name: info for info in self._zip.infolist() if not info.is_dir() and (name := _plain(info.filename))
                }
            else:
                self._members = _tar_members(path)
        except _DAMAGED as error:
            raise ImageError(
                f"Expected a zip file or an uncompressed tar file at {path}, but it cannot be read ({error}); "
                "was it cut off in a copy, or is it compressed? Then unpack it."
            ) from error

    @property
    def names(self) -> frozenset[str]:
        """The names of the members, with forward slashes."""
        return frozenset(self._members)

    def extract(self, name: str, destination: Path) -> None:
        """Write one member to a file.

        Raises:
            ImageError: there is no such member, it is damaged, encrypted, or too large for an image.
        """
        member, whole = self._members.get(name), f"{self._path}/{name}"
        if member is None:
            raise ImageError(f"Expected an image {name!r} in {self._path}, but no file of that name is in it.")
        size = member[1] if isinstance(member, tuple) else member.file_size
        if size > MOST_IMAGE_BYTES:
            raise ImageError(f"Expected an image of at most {MOST_IMAGE_BYTES:,} bytes at {whole}, got {size:,}.")
        try:
            with self._open(member) as content, destination.open("wb") as output:
                copy_bounded(content, output, whole, expected=size)
        except _DAMAGED as error:
            raise ImageError(
                f"Expected to read {name!r} in {self._path}, but it is damaged or encrypted ({error})."
            ) from error

    def _open(self, member: zipfile.ZipInfo | tuple[int, int]) -> IO[bytes]:
        if isinstance(member, zipfile.ZipInfo):
            assert self._zip is not None  # it has members
            return self._zip.open(member)
        file = self._path.open("rb")
        file.seek(member[0])
        return file


def opened(path: Path) -> Archive:
    """Return an archive with its table of members, which is kept as long as the file does not change.

    Raises:
        ImageError: there is no such file, or it is no archive.
    """
    if path.name.lower().endswith(COMPRESSED):
        raise ImageError(
            f"Expected a zip file or an uncompressed tar file, got {path}, whose images can only be reached by reading "
            "all before them; unpack it."
        )
    try:
        status = path.stat()
    except OSError as error:
        raise ImageError(f"Expected an archive at {path}, but it cannot be read ({error.strerror}).") from error
    # A process that was forked must not share the position in the file.
    return _opened(path, status.st_mtime_ns, status.st_size, os.getpid())


@lru_cache(_KEPT_OPEN)
def _opened(path: Path, changed: int, size: int, process: int) -> Archive:
    return Archive(path)


def _tar_members(path: Path) -> dict[str, tuple[int, int]]:
    """Return where the content of each file begins and how many bytes it has; links and devices are left out."""
    found = {}
    with tarfile.open(path, "r:") as archive:
        while (member := archive.next()) is not None:
            archive.members.clear()  # type: ignore[attr-defined]  # a kilobyte each; typeshed does not know them
            if member.isreg() and not member.issparse() and (name := _plain(member.name)):
                found[name] = (member.offset_data, member.size)
    return found


def _plain(name: str) -> str:
    """Return a member's name as a relative path, nothing for one that leads elsewhere."""
    path = PurePosixPath(name.replace("\\", "/"))
    return "" if path.is_absolute() or ".." in path.parts or "\0" in name else str(path)
