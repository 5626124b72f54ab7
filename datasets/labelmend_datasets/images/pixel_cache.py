"""Decoded images in one memory-mapped file, with a mark for each that says whether and from what it was decoded."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelmend_core.files import explained, replacing

_HEADER_BYTES = 32
_MARK = np.dtype("<i8")


class PixelCache:
    """Uint8 images of one shape, written once and read by any number of processes.

    The file holds a fingerprint of what it is for, one 64-bit mark an image, and the pixels. Pixels are written
    before their mark, so that a process that is killed between leaves an image that counts as not done. Writing goes
    through the file, not the memory map: a full disk is then an error and not a crash.
    """

    def __init__(self, path: Path, key: Sequence[str], n_images: int, shape: tuple[int, ...]) -> None:
        """Open the cache of images of one shape at `path`; one that was made for another key or shape is replaced.

        Raises:
            WorkspaceError: the disk is full or the folder cannot be written to.
        """
        self._path, self._n, self._shape = path, n_images, shape
        self._fingerprint = hashlib.sha256(repr((n_images, shape, *key)).encode()).digest()
        self._item_bytes = int(np.prod(shape))
        if not self._is_there():
            with replacing(path) as temporary, temporary.open("wb") as file:
                file.write(self._fingerprint)
                file.truncate(self.nbytes)
        self._open()

    @staticmethod
    def size(n_images: int, shape: tuple[int, ...]) -> int:
        """Return the bytes of a cache file."""
        return _HEADER_BYTES + n_images * (_MARK.itemsize + int(np.prod(shape)))

    @property
    def nbytes(self) -> int:
        """Bytes of the file."""
        return self.size(self._n, self._shape)

    @property
    def marks(self) -> NDArray[np.int64]:
        """The mark of each image, 0 where it was never put; a view of the file."""
        return self._marks

    def get(self, index: int) -> NDArray[np.uint8]:
        """Return a copy of an image that was put."""
        return np.array(self._pixels[index])

    def put(self, index: int, pixels: NDArray[np.uint8] | None, mark: int) -> None:
        """Keep an image, if there is one, and then its mark.

        Raises:
            WorkspaceError: the disk is full.
        """
        with explained(self._path):
            if pixels is not None:
                start = _HEADER_BYTES + self._n * _MARK.itemsize + index * self._item_bytes
                _write_all(self._file, pixels.tobytes(), start)
            _write_all(self._file, _MARK.type(mark).tobytes(), _HEADER_BYTES + index * _MARK.itemsize)

    def _is_there(self) -> bool:
        if not self._path.exists() or self._path.stat().st_size != self.nbytes:
            return False
        with self._path.open("rb") as file:
            return file.read(_HEADER_BYTES) == self._fingerprint

    def _open(self) -> None:
        with explained(self._path):
            self._file = os.open(self._path, os.O_RDWR)
        self._marks = np.memmap(self._path, _MARK, "r", _HEADER_BYTES, (self._n,))
        start = _HEADER_BYTES + self._n * _MARK.itemsize
        self._pixels = np.memmap(self._path, np.uint8, "r", start, (self._n, *self._shape))

    def __getstate__(self) -> dict[str, Any]:
        """A spawned DataLoader worker opens the file itself."""
        return {name: value for name, value in vars(self).items() if name not in ("_file", "_marks", "_pixels")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._open()

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            os.close(self._file)


def _write_all(file: int, data: bytes, position: int) -> None:
    while data:
        written = os.pwrite(file, data, position)
        data, position = data[written:], position + written
