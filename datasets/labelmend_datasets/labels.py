"""Given labels from any file: the annotation formats, tables in Parquet, and arrays without names."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from labelmend_core.errors import AnnotationError, InputError
from labelmend_core.types import PRESENT, IntArray, LabelMatrix
from labelmend_datasets.arrays import read_npy, read_npz
from labelmend_datasets.formats import FORMATS, hugging_face_parquet, parquet_long, recognise
from labelmend_datasets.formats._parquet import schema_of
from labelmend_datasets.formats._source import class_index, fault, read_class_names, shown
from labelmend_datasets.formats._tri_state_columns import is_values
from labelmend_datasets.tables import Batch, Show, Table, numbers

_LONG = ({"label"}, {"label", "value"})


@dataclass(frozen=True)
class GivenLabels:
    """Labels, and the names that the file carries.

    Attributes:
        labels: (N, K).
        image_ids: length N, None where the file has none.
        class_names: length K, None likewise.
    """

    labels: LabelMatrix
    image_ids: Sequence[str] | None
    class_names: Sequence[str] | None


def read_labels(
    path: Path, *, classes: Path | None = None, format_name: str = "auto", show: Show | None = None
) -> GivenLabels:
    """Return the labels of a file: `.npy` (N, K), `.npz` sparse, `.parquet`, or any annotation format.

    A Parquet table has an image a row and a column a class (1, -1, 0 or empty); or the columns image, label and
    perhaps value, a row a label, beside which others are passed over; or it is one of Hugging Face.

    Args:
        path: the file or folder.
        classes: a file with one class name a line; gives the order of the classes, and arrays their names.
        format_name: of an annotation format; "auto" tells by the file.
        show: told how far a table is read.

    Raises:
        AnnotationError: the file is not there, damaged, or holds something else.
        InputError: there is no such format.
    """
    if format_name != "auto" and format_name not in FORMATS:
        raise InputError(f"Expected a format among {', '.join(FORMATS)}, got {format_name!r}")
    if format_name == "auto" and path.suffix == ".parquet" and not _is_of_hugging_face(path):
        return _read_parquet(path, classes, show)
    if format_name == "auto" and path.suffix in (".npy", ".npz"):
        return _read_array(path, classes)
    name = recognise(path) if format_name == "auto" else format_name
    dataset = FORMATS[name].read(path, classes=classes)
    return GivenLabels(dataset.given_labels, dataset.image_ids, dataset.class_names)


def _read_array(path: Path, classes: Path | None) -> GivenLabels:
    try:
        if path.suffix == ".npz":
            labels = LabelMatrix.from_sparse(read_npz(path, "labels"))
        else:
            labels = LabelMatrix.from_dense(read_npy(path, "labels"))
    except AnnotationError:
        raise
    except InputError as error:
        raise AnnotationError(f"{path}: {error}") from error
    class_names = None if classes is None else read_class_names(classes)
    if class_names is not None and len(class_names) != labels.shape[1]:
        raise AnnotationError(
            f"Expected {labels.shape[1]} class names in {classes} for the columns of {path}, got {len(class_names)}; "
            "is it the class file of these labels?"
        )
    return GivenLabels(labels, None, class_names)


def _read_parquet(path: Path, classes: Path | None, show: Show | None) -> GivenLabels:
    table = Table(path, text=("label",))
    class_names = None if classes is None else read_class_names(classes)
    cells = _Cells(table)
    class_names = (_read_long if _is_long(table) else _read_wide)(table, cells, class_names, show)
    if not cells.images:
        raise AnnotationError(f"{path}: expected at least one image, got an empty table; is it the right one?")
    images, classes_of, values = cells.all()
    try:
        labels = LabelMatrix.from_cells(images, classes_of, values, (len(cells.images), len(class_names)))
    except InputError as error:
        raise AnnotationError(f"{path}: {error}; keep the row that is right.") from error
    return GivenLabels(labels, list(cells.images), class_names)


def _is_of_hugging_face(path: Path) -> bool:
    return path.is_file() and hugging_face_parquet.columns_of(schema_of(path)) is not None


def _is_long(table: Table) -> bool:
    """Whether a row is a label: the format of one label a row says so, or all else than the image is of a label.

    That format knows no other name of the image's column; and a column of numbers named label may be a class.
    """
    if {name.strip().lower() for name in table.names} in _LONG:
        return True
    schema = schema_of(table.path)
    columns = parquet_long.columns_of(schema)
    return columns is not None and not is_values(schema.field(columns.label).type)


class _Cells:
    """Cells in the order of the table."""

    def __init__(self, table: Table) -> None:
        self._path = table.path
        self.images: dict[str, int] = {}
        self._parts: list[tuple[IntArray, IntArray, IntArray]] = []

    def add(self, images: IntArray, classes: IntArray, values: IntArray) -> None:
        self._parts.append((images, classes, values))

    def all(self) -> list[IntArray]:
        return [np.concatenate([np.zeros(0, dtype=np.int64), *parts]) for parts in zip(*self._parts, strict=True)]

    def new(self, batch: Batch) -> IntArray:
        """Return the indices of the images of a batch, each of which must be new."""
        start = len(self.images)
        for row, name in enumerate(batch.images, start=batch.first):
            if name in self.images:
                got = f"{shown(name)} again (first in row {self.images[name] + 1})"
                raise fault(self._path, f"row {row}", "every image once", got, "merge the two rows into one")
            self.images[name] = len(self.images)
        return np.arange(start, len(self.images))

    def found(self, batch: Batch) -> IntArray:
        """Return the indices of the images of a batch, which several rows may name."""
        return np.array([self.images.setdefault(name, len(self.images)) for name in batch.images], dtype=np.int64)


def _read_wide(table: Table, cells: _Cells, class_names: list[str] | None, show: Show | None) -> list[str]:
    names = class_names or table.names
    if odd := set(names) ^ set(table.names):
        got = f"{shown(min(odd))} in one of them only"
        raise fault(table.path, "the header", "the same classes as in the class file", got, "mend the spelling")
    for batch in table.batches(show):
        images = cells.new(batch)
        values = np.nan_to_num(numbers(table, batch, names))
        _require_labels(table, batch, values, names)
        rows, columns = np.nonzero(values)
        cells.add(images[rows], columns, values[rows, columns].astype(np.int64))
    return names


def _read_long(table: Table, cells: _Cells, class_names: list[str] | None, show: Show | None) -> list[str]:
    column = {name.strip().lower(): name for name in table.names}
    indices = {name: index for index, name in enumerate(class_names or ())}
    for batch in table.batches(show):
        images = cells.found(batch)
        label = batch.columns[column["label"]]
        labelled = np.flatnonzero(label.notna() & (label != ""))
        classes = np.empty(len(labelled), dtype=np.int64)
        for place, row in enumerate(labelled):
            name = str(label.iloc[row])
            if class_names is None:
                indices.setdefault(name, len(indices))
            classes[place] = class_index(name, indices, table.path, f"row {batch.first + row}")
        values = np.full((len(images), 1), PRESENT, dtype=np.float32)
        if "value" in column:
            values = np.nan_to_num(numbers(table, batch, [column["value"]]))
            _require_labels(table, batch, values, [column["value"]])
        cells.add(images[labelled], classes, values[labelled, 0].astype(np.int64))
    if class_names is not None:
        return class_names
    if not indices:
        raise fault(table.path, "every row", "at least one label", "none", "give a class file if there is none yet")
    return _sorted(indices, cells)


def _sorted(indices: dict[str, int], cells: _Cells) -> list[str]:
    """Return the class names in order, and renumber the cells likewise, as the CSV format does."""
    names = sorted(indices)
    rank = np.empty(len(names), dtype=np.int64)
    rank[[indices[name] for name in names]] = np.arange(len(names))
    cells._parts = [(images, rank[classes], values) for images, classes, values in cells._parts]
    return names


def _require_labels(table: Table, batch: Batch, values: np.ndarray, names: Sequence[str]) -> None:
    wrong = np.argwhere(~np.isin(values, (1, 0, -1)))
    if len(wrong):
        row, column = wrong[0]
        where = f"row {batch.first + row}, column {shown(names[column])}"
        cure = "1 is present, -1 is absent because somebody looked, 0 or empty is unobserved"
        raise fault(table.path, where, "a label of 1, 0 or -1", f"{values[row, column]:g}", cure)
