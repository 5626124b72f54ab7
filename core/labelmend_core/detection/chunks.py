"""Probabilities a chunk at a time: dense or sparse, in memory or in a file, by image or by class.

A chunk is a run of *lines*: images where the array is row-major or sparse, classes where it is column-major, so that
a chunk of a file is read in one piece. A cell of a chunk is told by its key: line within the chunk x width + place.
"""

import mmap
from functools import cached_property
from threading import Lock
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from labelmend_core.detection.bins import N_BINS, bins_of, cells_of, count_bins, least_p
from labelmend_core.errors import InputError
from labelmend_core.top_scores import TopScores
from labelmend_core.types import IntArray

CHUNK = 1 << 21  # cells
_TILE = 1 << 18  # cells whose bins are in memory at a time
_CLASSES = 128  # of a tile: their counters stay in the cache
_ONE_HALF = np.float16(1).view(np.uint16)
_FLOATS = (np.float16, np.float32, np.float64)


class Chunk(Protocol):
    """Some lines of the probabilities."""

    def check(self) -> None:
        """Raise an `InputError` for what is no probability."""

    def add_up(self, shown: NDArray[np.float64], lock: Lock) -> None:
        """Add the probabilities of each image to `shown`, (N,), which `lock` guards."""

    def count(self, total: IntArray, lock: Lock) -> None:
        """Add how often each class has each probability to `total`, (K, N_BINS), which `lock` guards."""

    def count_beside(self, shown: NDArray[np.float64], total: IntArray, lock: Lock) -> None:
        """Add how often each probability is beside how many others to `total`, (N_OTHERS x N_BINS,).

        Args:
            shown: (N,), what `add_up` makes of all chunks.
            total: as `cells_of` numbers them; `lock` guards it.
        """

    def at(self, keys: IntArray) -> NDArray[np.floating]:
        """Return the probabilities of cells, in rising order of keys."""

    def at_least(self, bins: IntArray) -> IntArray:
        """Return the keys, rising, of the cells whose bin is at least `bins[class]`, and perhaps some just below."""

    def release(self) -> None:
        """Let go of memory that a file can give again."""


class Probabilities(Protocol):
    """All lines; `by_class` says what a line is, `width` how many cells it has."""

    shape: tuple[int, int]
    by_class: bool
    width: int

    def ranges(self, cells: int) -> list[tuple[int, int]]:
        """Return first and last + 1 line of each chunk of about so many cells."""

    def chunk(self, start: int, stop: int) -> Chunk:
        """Return some lines."""


def probabilities(pred_probs: ArrayLike | sparse.sparray | sparse.spmatrix | TopScores) -> Probabilities:
    """Return probabilities as chunks; nothing is copied except a sparse matrix that is not CSR."""
    if isinstance(pred_probs, TopScores):
        return _Sparse(pred_probs)
    if sparse.issparse(pred_probs):
        return _Sparse(sparse.csr_array(pred_probs))
    array = np.asarray(pred_probs)
    if array.ndim != 2 or array.dtype.kind not in "fiub":
        raise InputError(f"Expected pred_probs as numbers of shape (N, K), got {array.dtype} of shape {array.shape}")
    return _Dense(array)


def _ranges(lines: int, width: int, cells: int) -> list[tuple[int, int]]:
    step = max(1, cells // max(1, width))
    return [(start, min(start + step, lines)) for start in range(0, lines, step)]


def _refused(value: float, image: int, k: int) -> InputError:
    cure = "fill or drop that image" if np.isnan(value) else "are these logits? Apply the sigmoid first"
    return InputError(f"Expected pred_probs in [0, 1], got {value} for image {image}, class {k}; {cure}.")


class _Dense:
    def __init__(self, array: NDArray[np.generic]) -> None:
        self.shape = (array.shape[0], array.shape[1])
        self.by_class = abs(array.strides[0]) < abs(array.strides[1])
        self._lines = array.T if self.by_class else array
        self.width = self._lines.shape[1]
        self._file = _mapped_file(array)

    def ranges(self, cells: int) -> list[tuple[int, int]]:
        return _ranges(len(self._lines), self.width, cells)

    def chunk(self, start: int, stop: int) -> "_DenseChunk":
        return _DenseChunk(self._lines[start:stop], start, self.by_class, self._file)


class _DenseChunk:
    def __init__(self, lines: NDArray[np.generic], first: int, by_class: bool, file: mmap.mmap | None) -> None:
        self._raw, self._first, self._file = lines, first, file
        self._class_axis = 0 if by_class else 1
        native = lines.dtype.newbyteorder("=")
        self._cells: NDArray[np.floating] = lines.astype(native if native in _FLOATS else np.float32, copy=False)

    def check(self) -> None:
        cells = self._cells
        if not cells.size or _all_in_range(cells):
            return
        line, place = np.argwhere(~((cells >= 0) & (cells <= 1)))[0]
        value, line = float(cells[line, place]), line + self._first
        raise _refused(value, *((place, line) if self._class_axis == 0 else (line, place)))

    @cached_property
    def _single(self) -> NDArray[np.floating]:
        """The probabilities, but not in float16, which is slow to reckon with."""
        return self._cells.astype(np.float32) if self._cells.dtype == np.float16 else self._cells

    def add_up(self, shown: NDArray[np.float64], lock: Lock) -> None:
        found = self._single.sum(axis=self._class_axis, dtype=np.float64)
        images = slice(None) if self._class_axis == 0 else slice(self._first, self._first + len(self._cells))
        with lock:
            shown[images] += found

    def count_beside(self, shown: NDArray[np.float64], total: IntArray, lock: Lock) -> None:
        by_class, (height, width) = self._class_axis == 0, self._cells.shape
        beside = (shown if by_class else shown[self._first : self._first + height, None]).astype(np.float32)
        counts = np.zeros(len(total), dtype=np.int64)
        step = max(1, _TILE // max(1, width))
        for start in range(0, height, step):
            lines = slice(start, start + step)
            cells = cells_of(self._single[lines], beside if by_class else beside[lines])
            counts += np.bincount(cells.ravel(), minlength=len(total))
        with lock:
            total += counts

    def count(self, total: IntArray, lock: Lock) -> None:
        axis, (height, width) = self._class_axis, self._cells.shape
        n_classes, n_items = (height, width) if axis == 0 else (width, height)
        for first in range(0, n_classes, _CLASSES):
            classes = slice(first, min(first + _CLASSES, n_classes))
            n = classes.stop - first
            counts = np.zeros((n, N_BINS), dtype=np.int64)
            step = max(1, _TILE // n)
            for start in range(0, n_items, step):
                items = slice(start, start + step)
                counts += count_bins(self._cells[(classes, items) if axis == 0 else (items, classes)], axis)
            begin = first + self._first if axis == 0 else first
            with lock:
                total[begin : begin + n] += counts

    def at(self, keys: IntArray) -> NDArray[np.floating]:
        if self._cells.flags.c_contiguous:
            return self._cells.reshape(-1)[keys]
        return self._cells[np.divmod(keys, max(1, self._cells.shape[1]))]

    def at_least(self, bins: IntArray) -> IntArray:
        cells = self._cells
        least = least_p(bins, cells.dtype)
        if cells.dtype == np.float16:
            # As integers they compare in the same order, and much faster; -0.0 is the least of all.
            cells = cells.view(np.int16)
            least = np.where(bins <= 0, np.int16(-0x8000), least.view(np.int16))
        if self._class_axis == 0:
            least = least[self._first : self._first + len(cells), None]
        return np.flatnonzero(cells >= least)

    def release(self) -> None:
        if self._file is not None and self._raw.size:
            _drop_pages(self._file, self._raw)


def _all_in_range(cells: NDArray[np.floating]) -> bool:
    """Whether all are in [0, 1]; quick where they are."""
    if cells.dtype == np.float16 and cells.view(np.uint16).max() <= _ONE_HALF:
        return True
    with np.errstate(invalid="ignore"):
        return bool(cells.min() >= 0 and cells.max() <= 1)


def _mapped_file(array: NDArray[np.generic]) -> mmap.mmap | None:
    """Return the mapping that an array lies in, where its pages can be dropped and read again."""
    base: object = array
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap) and base.mode == "c":
            return None  # what somebody wrote there is in no file
        base = base.base
    return base if isinstance(base, mmap.mmap) and hasattr(base, "madvise") else None


def _drop_pages(file: mmap.mmap, lines: NDArray[np.generic]) -> None:
    """Take mapped pages that have been read out of this process's memory; they count as resident otherwise."""
    begin = np.frombuffer(file, dtype=np.uint8).ctypes.data
    low, high = (address - begin for address in np.lib.array_utils.byte_bounds(lines))
    low -= low % mmap.PAGESIZE
    if 0 <= low < high <= len(file):
        file.madvise(mmap.MADV_DONTNEED, low, high - low)


class _Sparse:
    by_class = False

    def __init__(self, matrix: sparse.csr_array | TopScores) -> None:
        if not isinstance(matrix, TopScores) and matrix.ndim != 2:
            raise InputError(f"Expected pred_probs of shape (N, K), got {matrix.shape}")
        if not isinstance(matrix, TopScores) and not matrix.has_canonical_format:
            matrix = matrix.copy()
            matrix.sum_duplicates()
        self._csr = matrix
        self.shape = (int(matrix.shape[0]), int(matrix.shape[1]))
        self.width = self.shape[1]

    def ranges(self, cells: int) -> list[tuple[int, int]]:
        # An entry takes ten times the memory of a dense cell while it is counted.
        density = self._csr.nnz / max(1, self.shape[0] * self.width)
        return _ranges(self.shape[0], self.width, int(min(cells / max(10 * density, 1e-9), 16 * cells)))

    def chunk(self, start: int, stop: int) -> "_SparseChunk":
        pointers = self._csr.indptr[start : stop + 1]
        entries = slice(pointers[0], pointers[-1])
        lines = np.repeat(np.arange(stop - start, dtype=np.int64), np.diff(pointers))
        data = self._csr.data[entries]
        data = data if data.dtype in (np.float32, np.float64) else data.astype(np.float32)
        return _SparseChunk(lines * self.width + self._csr.indices[entries], data, start, stop, self.width)


class _SparseChunk:
    def __init__(self, keys: IntArray, p: NDArray[np.floating], start: int, stop: int, width: int) -> None:
        self._keys, self._p, self._start, self._stop, self._width = keys, p, start, stop, width

    def check(self) -> None:
        if self._p.size and not _all_in_range(self._p):
            wrong = np.flatnonzero(~((self._p >= 0) & (self._p <= 1)))[0]
            line, k = divmod(int(self._keys[wrong]), self._width)
            raise _refused(float(self._p[wrong]), self._start + line, k)

    def add_up(self, shown: NDArray[np.float64], lock: Lock) -> None:
        found = np.bincount(self._keys // self._width, self._p, self._stop - self._start) if self._keys.size else 0.0
        with lock:
            shown[self._start : self._stop] += found

    def count_beside(self, shown: NDArray[np.float64], total: IntArray, lock: Lock) -> None:
        beside, lines = shown[self._start : self._stop], self._keys // max(1, self._width)
        not_stored = self._width - np.bincount(lines, minlength=len(beside))
        with lock:
            np.add.at(total, cells_of(self._p, beside[lines]), 1)
            np.add.at(total, cells_of(np.zeros_like(beside), beside), not_stored)

    def count(self, total: IntArray, lock: Lock) -> None:
        classes, bins = self._keys % self._width, bins_of(self._p)
        not_stored = self._stop - self._start - np.bincount(classes, minlength=self._width)
        with lock:
            np.add.at(total, (classes, bins), 1)
            total[:, 0] += not_stored

    def at(self, keys: IntArray) -> NDArray[np.floating]:
        if not self._keys.size:
            return np.zeros(len(keys), dtype=self._p.dtype)
        place = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return np.where(self._keys[place] == keys, self._p[place], self._p.dtype.type(0))

    def at_least(self, bins: IntArray) -> IntArray:
        found = self._keys[self._p >= least_p(bins, self._p.dtype)[self._keys % self._width]]
        free = np.flatnonzero(bins <= 0)  # here what is not stored counts, too
        if not free.size:
            return found
        lines = np.arange(self._stop - self._start, dtype=np.int64)[:, None] * self._width
        return np.union1d(found, (lines + free).ravel())

    def release(self) -> None:
        pass
