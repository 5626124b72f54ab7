"""Labels of N images and K classes: 1 present, -1 absent because somebody looked, 0 unobserved."""

from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from labelmend_core.errors import InputError

Int8Array = NDArray[np.int8]
IntArray = NDArray[np.int64]

PRESENT, ABSENT, UNOBSERVED = 1, -1, 0
_DENSE_CELLS = 1 << 22  # that are looked at in one go


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
        step = max(1, _DENSE_CELLS // max(1, array.shape[1]))
        blocks = [_checked_block(array[start : start + step]) for start in range(0, max(1, len(array)), step)]
        return cls(sparse.vstack(blocks, format="csr"))

    @classmethod
    def from_sparse(cls, labels: sparse.sparray | sparse.spmatrix) -> Self:
        """Return the matrix of a scipy sparse one whose entries are 1, 0 and -1; what is not stored is unobserved."""
        if labels.ndim != 2:
            raise InputError(f"Expected labels of shape (N, K), got {labels.shape}")
        csr = sparse.csr_array(labels)
        _checked_values(csr.data)
        return cls(csr)

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

    def cells(self, start: int = 0, stop: int | None = None) -> tuple[IntArray, IntArray, Int8Array]:
        """Return image indices, class indices and values of the observed cells, in row order.

        Of all images, or of `start` up to and without `stop`.
        """
        pointers = self._csr.indptr[slice(start, None if stop is None else stop + 1)]
        own = slice(pointers[0], pointers[-1])
        rows = np.repeat(np.arange(start, start + len(pointers) - 1, dtype=np.int64), np.diff(pointers))
        return rows, self._csr.indices[own].astype(np.int64), self._csr.data[own]

    def transposed(self) -> "LabelMatrix":
        """Return the same labels by class: K rows, N columns."""
        return LabelMatrix(self._csr.T.tocsr())

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


def as_labels(labels: LabelMatrix | ArrayLike | sparse.sparray | sparse.spmatrix) -> LabelMatrix:
    """Return labels (N, K), dense or sparse, as a matrix; a matrix as it is."""
    if isinstance(labels, LabelMatrix):
        return labels
    return LabelMatrix.from_sparse(labels) if sparse.issparse(labels) else LabelMatrix.from_dense(labels)


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


def _checked_block(array: NDArray[np.generic]) -> sparse.csr_array:
    """Return a few rows of dense labels as int8."""
    if not np.isin(array, (PRESENT, ABSENT, UNOBSERVED)).all():
        raise InputError("Expected labels to be 1, 0 or -1 only; are these probabilities or class indices?")
    return sparse.csr_array(array.astype(np.int8))


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
