"""The words of the project as types: labels of N images and K classes, suggestions and decisions about one cell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from labelmend_core.errors import InputError

Int8Array = NDArray[np.int8]
Int16Array = NDArray[np.int16]
IntArray = NDArray[np.int64]

PRESENT, ABSENT, UNOBSERVED = 1, -1, 0


class Kind(StrEnum):
    """The two kinds of label error."""

    MISSING = "missing"
    SPURIOUS = "spurious"


class Verdict(StrEnum):
    """What a reviewer says of one (image, class) cell; `UNDO` takes an earlier decision back."""

    PRESENT = "present"
    ABSENT = "absent"
    UNSURE = "unsure"
    SKIP = "skip"
    UNDO = "undo"


class LabelMatrix:
    """Tri-state labels of N images and K classes; memory grows with the observed cells, not with N x K.

    A cell is 1 (present), -1 (absent because somebody looked) or 0 (unobserved, not stored).
    Matrices are values: every method that changes a cell returns a new matrix.

    Example:
        >>> labels = LabelMatrix.from_dense([[1, 0, -1], [0, 0, 0]])
        >>> labels.shape, labels.positives_per_class().tolist()
        ((2, 3), [1, 0, 0])
        >>> labels.replace([1], [2], [1]).dense().tolist()
        [[1, 0, -1], [0, 0, 1]]
    """

    __slots__ = ("_csr",)

    def __init__(self, matrix: sparse.csr_array) -> None:
        csr = sparse.csr_array(matrix, dtype=np.int8, copy=True)
        cells = csr.nnz
        csr.sum_duplicates()
        if csr.nnz != cells:
            raise InputError("Expected each cell once, got one twice; build the matrix with LabelMatrix.from_cells")
        csr.eliminate_zeros()
        if csr.nnz and not np.isin(csr.data, (PRESENT, ABSENT)).all():
            wrong = csr.data[~np.isin(csr.data, (PRESENT, ABSENT))][0]
            raise InputError(f"Expected labels to be 1, 0 or -1, got {wrong}")
        csr.data.flags.writeable = False
        self._csr = csr

    @classmethod
    def from_dense(cls, labels: ArrayLike) -> Self:
        """Return the matrix of a dense array of 1, 0 and -1, shape (N, K)."""
        array = np.asarray(labels)
        if array.ndim != 2:
            raise InputError(f"Expected labels of shape (N, K), got {array.shape}")
        if not np.isin(array, (PRESENT, ABSENT, UNOBSERVED)).all():
            raise InputError("Expected labels to be 1, 0 or -1 only; are these probabilities or class indices?")
        return cls(sparse.csr_array(array.astype(np.int8)))

    @classmethod
    def from_cells(cls, images: ArrayLike, classes: ArrayLike, values: ArrayLike, shape: tuple[int, int]) -> Self:
        """Return the matrix whose cell (images[i], classes[i]) is values[i], all others unobserved.

        A cell that is named twice with one value counts once; with two values it is an `InputError`.
        """
        keys, data = _sorted_cells(_keys(images, classes, shape), _checked_values(values))
        twice = np.diff(keys) == 0
        if (twice & (np.diff(data) != 0)).any():
            key = keys[:-1][twice & (np.diff(data) != 0)][0]
            raise InputError(
                f"Expected one value for image {key // shape[1]} and class {key % shape[1]}, got two different ones"
            )
        once = np.append(True, ~twice) if keys.size else np.zeros(0, dtype=bool)
        return cls(_csr(keys[once], data[once], shape))

    @classmethod
    def empty(cls, shape: tuple[int, int]) -> Self:
        """Return a matrix of N images and K classes that nobody has looked at."""
        return cls(sparse.csr_array(shape, dtype=np.int8))

    @property
    def shape(self) -> tuple[int, int]:
        """N images, K classes."""
        n, k = self._csr.shape
        return int(n), int(k)

    @property
    def nbytes(self) -> int:
        """Bytes held in memory."""
        return int(self._csr.data.nbytes + self._csr.indices.nbytes + self._csr.indptr.nbytes)

    @property
    def n_observed(self) -> int:
        """Number of cells that are not 0."""
        return int(self._csr.nnz)

    def cells(self) -> tuple[IntArray, IntArray, Int8Array]:
        """Return image indices, class indices and values of the observed cells, in row order."""
        rows = np.repeat(np.arange(self.shape[0], dtype=np.int64), np.diff(self._csr.indptr))
        return rows, self._csr.indices.astype(np.int64), self._csr.data

    def dense(self, rows: slice | ArrayLike | None = None) -> Int8Array:
        """Return int8 labels of shape (B, K): of all images, a slice, or the given image indices."""
        chosen = self._csr if rows is None else self._csr[rows if isinstance(rows, slice) else np.asarray(rows)]
        return np.asarray(chosen.toarray(), dtype=np.int8)

    def column(self, class_index: int) -> Int8Array:
        """Return the int8 labels of one class, shape (N,)."""
        values = np.zeros(self.shape[0], dtype=np.int8)
        rows, columns, data = self.cells()
        here = columns == class_index
        values[rows[here]] = data[here]
        return values

    def values(self, images: ArrayLike, classes: ArrayLike) -> Int8Array:
        """Return the int8 values of the cells (images[i], classes[i]), shape (M,)."""
        wanted = _keys(images, classes, self.shape)
        rows, columns, data = self.cells()
        keys = rows * self.shape[1] + columns
        if not keys.size:
            return np.zeros(wanted.shape, dtype=np.int8)
        place = np.minimum(np.searchsorted(keys, wanted), keys.size - 1)
        return np.where(keys[place] == wanted, data[place], 0).astype(np.int8)

    def positives(self, image: int) -> IntArray:
        """Return the indices of the classes that are present in one image."""
        row = slice(self._csr.indptr[image], self._csr.indptr[image + 1])
        present: IntArray = self._csr.indices[row][self._csr.data[row] == PRESENT].astype(np.int64)
        return present

    def positives_per_class(self) -> IntArray:
        """Return how many images carry each class, int64 of shape (K,)."""
        return np.bincount(self._csr.indices[self._csr.data == PRESENT], minlength=self.shape[1])

    def negatives_per_class(self) -> IntArray:
        """Return in how many images somebody saw that the class is absent, int64 of shape (K,)."""
        return np.bincount(self._csr.indices[self._csr.data == ABSENT], minlength=self.shape[1])

    def select(self, rows: ArrayLike) -> "LabelMatrix":
        """Return the labels of the given images, in their order."""
        return LabelMatrix(self._csr[np.asarray(rows)])

    def replace(self, images: ArrayLike, classes: ArrayLike, values: ArrayLike) -> "LabelMatrix":
        """Return a copy in which the cells (images[i], classes[i]) are values[i]; a later one wins."""
        k = self.shape[1]
        rows, columns, data = self.cells()
        keys = rows * k + columns
        new_keys = _keys(images, classes, self.shape)
        new_values = _checked_values(values)
        _, last = np.unique(new_keys[::-1], return_index=True)
        last = new_keys.size - 1 - last
        kept = ~np.isin(keys, new_keys)
        keys = np.concatenate([keys[kept], new_keys[last]])
        data = np.concatenate([data[kept], new_values[last]])
        return LabelMatrix.from_cells(*np.divmod(keys, k), data, self.shape)

    def changed_cells(self, other: "LabelMatrix") -> tuple[IntArray, IntArray]:
        """Return image and class indices of the cells in which two matrices of one shape differ, in row order."""
        if self.shape != other.shape:
            raise InputError(f"Expected labels of one shape, got {self.shape} and {other.shape}")
        difference = sparse.coo_array(self._csr - other._csr)
        rows, columns = difference.coords
        differ = difference.data != 0
        rows, columns = rows[differ].astype(np.int64), columns[differ].astype(np.int64)
        order = np.lexsort((columns, rows))
        return rows[order], columns[order]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LabelMatrix):
            return NotImplemented
        return self.shape == other.shape and not self.changed_cells(other)[0].size

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        n, k = self.shape
        return f"LabelMatrix({n} images, {k} classes, {self.n_observed} observed cells)"


def _keys(images: ArrayLike, classes: ArrayLike, shape: tuple[int, int]) -> IntArray:
    """Return row-major cell numbers, refusing images and classes that there are not."""
    rows, columns = np.asarray(images, dtype=np.int64), np.asarray(classes, dtype=np.int64)
    for what, found, size in (("image", rows, shape[0]), ("class", columns, shape[1])):
        if found.size and (found.min() < 0 or found.max() >= size):
            raise InputError(f"Expected {what} indices in 0…{size - 1}, got {found.min()}…{found.max()}")
    keys: IntArray = rows * shape[1] + columns
    return keys


def _checked_values(values: ArrayLike) -> Int8Array:
    array = np.asarray(values)
    wrong = array[~np.isin(array, (PRESENT, ABSENT, UNOBSERVED))]
    if wrong.size:
        raise InputError(f"Expected labels to be 1, 0 or -1, got {wrong[0]}")
    return array.astype(np.int8)


def _sorted_cells(keys: IntArray, data: Int8Array) -> tuple[IntArray, Int8Array]:
    """Return cell keys (row-major) in rising order with their values."""
    if (np.diff(keys) >= 0).all():
        return keys, data
    order = np.argsort(keys, kind="stable")
    return keys[order], data[order]


def _csr(keys: IntArray, data: Int8Array, shape: tuple[int, int]) -> sparse.csr_array:
    """Build CSR from sorted unique cell keys; 32-bit indices, which hold 2 billion observed cells."""
    rows, columns = np.divmod(keys, shape[1])
    indptr = np.zeros(shape[0] + 1, dtype=np.int32)
    np.cumsum(np.bincount(rows, minlength=shape[0]), out=indptr[1:])
    return sparse.csr_array((data, columns.astype(np.int32), indptr), shape=shape)


@dataclass(frozen=True)
class AnnotatedDataset:
    """What an annotation file says: which images there are, which classes, and what each image was given.

    Attributes:
        image_ids: name of each image in the source, unique, length N.
        paths: where each image lies, relative to the image folder, with forward slashes, length N.
        class_names: length K; the position is the class index.
        given_labels: (N, K), 1 present, -1 absent, 0 unobserved.
    """

    image_ids: Sequence[str]
    paths: Sequence[str]
    class_names: Sequence[str]
    given_labels: LabelMatrix

    def __post_init__(self) -> None:
        expected = (len(self.image_ids), len(self.class_names))
        if self.given_labels.shape != expected or len(self.paths) != expected[0]:
            raise InputError(
                f"Expected given_labels of shape {expected} and {expected[0]} paths, "
                f"got {self.given_labels.shape} and {len(self.paths)}"
            )
        if len(set(self.image_ids)) != len(self.image_ids):
            raise InputError("Expected every image_id once; was an image listed twice?")
        if len(set(self.class_names)) != len(self.class_names):
            raise InputError("Expected every class name once; does the class file repeat a line?")


@dataclass(frozen=True, eq=False)
class Dynamics:
    """What was recorded of every cell while a network learned; arrays of shape (N, K).

    Attributes:
        mean, variance: of p over the epochs, NaN where an image was never seen.
        last: p of the last epoch, NaN likewise.
        flip_epoch: int16, first epoch (0-based) at which an unobserved cell had p > tau, -1 for never.
        flips: int16, how often the cell crossed tau between one epoch and the next.
    """

    mean: NDArray[np.floating]
    variance: NDArray[np.floating]
    last: NDArray[np.floating]
    flip_epoch: Int16Array
    flips: Int16Array


@dataclass(frozen=True)
class Suggestion:
    """One cell that looks wrong.

    Attributes:
        label_quality: in [0, 1], low = suspicious.
        error_probability: in [0, 1], with the interval low … high.
        rank: 1 is the most likely error of its kind.
        reason: what spoke for it, as named numbers (out-of-sample p, mean p over epochs, flip epoch, …).
    """

    suggestion_id: int
    run_id: str
    image: int
    class_index: int
    kind: Kind
    rank: int
    label_quality: float
    error_probability: float
    low: float
    high: float
    reason: Mapping[str, float | int | str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Decision:
    """One event of the ledger: what a reviewer said of one cell, or that an earlier decision is taken back.

    Attributes:
        client, seq: who sent it and its running number there; together unique, so resending is harmless.
        undoes: for `Verdict.UNDO`, client and seq of the decision that no longer counts.
    """

    client: str
    seq: int
    image: int
    class_index: int
    verdict: Verdict
    reviewer: str
    decided_at: datetime
    suggestion_id: int | None = None
    undoes: tuple[str, int] | None = None
