"""Parquet with one label a row: columns `image`, `label` and perhaps `value`; other columns are kept.

As the CSV format of one label a row says it: `value` is 1 present, -1 absent because somebody looked, 0 or empty
unobserved; without the column every row means present. An image without a label may be listed with an empty label.
The classes are those of the class file, or the labels that occur, sorted by name.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from labelmend_core.types import AnnotatedDataset, LabelMatrix
from labelmend_datasets.formats._changes import require_other_place, require_same_source
from labelmend_datasets.formats._format import AnnotationFormat
from labelmend_datasets.formats._label_rows import ANY_VALUE, ONLY_PRESENT, Edit, LabelRows
from labelmend_datasets.formats._parquet import batches, rewrite, schema_of, texts
from labelmend_datasets.formats._source import fault, read_class_names, shown
from labelmend_datasets.formats._tri_state_columns import holds_negatives, is_values, values_of


class _Columns(NamedTuple):
    """The names of the columns."""

    image: str
    label: str
    value: str | None


def read(source: Path, *, classes: Path | None = None) -> AnnotatedDataset:
    """Return the images of a long Parquet file, in the order of their first row, and their tri-state labels.

    Args:
        source: the file.
        classes: class names, one a line; without it the labels that occur, sorted by name.

    Raises:
        AnnotationError: the columns are others, or a row contradicts another or has an unknown label.
    """
    return _parse(source, None if classes is None else read_class_names(classes))[0].dataset()


def write(source: Path, destination: Path, dataset: AnnotatedDataset, corrected: LabelMatrix) -> list[Path]:
    """Write the file with the corrected labels; rows, columns, types, metadata and row groups else stay.

    With a value column a label that goes is set to -1 or 0 in place; without one its row goes, and an image's last
    row stays with an empty label. A label that comes gets a row after its image's last one.

    Raises:
        AnnotationError: the source has changed since `dataset` was read.
        InputError: `destination` is the source.
    """
    require_other_place(source, destination)
    rows, columns = _parse(source, dataset.class_names)
    given = rows.finish()
    require_same_source(source, dataset, rows.images.image_ids, given)
    edits = rows.edits(given, corrected)

    def edited(table: pa.Table, first: int) -> pa.Table:
        here = [row - first for row in sorted(edits) if first <= row < first + table.num_rows]
        pieces, position = [], 0
        for row in here:
            pieces.append(table.slice(position, row - position))
            pieces += _edited(table.slice(row, 1), edits[first + row], columns)
            position = row + 1
        return pa.concat_tables([*pieces, table.slice(position)])

    rewrite(source, destination, schema_of(source), edited if edits else None)
    return [destination]


def columns_of(schema: pa.Schema) -> _Columns | None:
    """Return the columns of this format, or nothing if the file is not one of it."""
    names: dict[str, str] = {name.strip().lower(): name for name in schema.names}
    if len(names) != len(schema.names) or not {"image", "label"} <= set(names):
        return None
    return _Columns(names["image"], names["label"], names.get("value"))


def holds_absent(source: Path) -> bool:
    """Return whether a file has a value column that can say that a class is absent."""
    schema = schema_of(source)
    columns = columns_of(schema)
    return columns is not None and columns.value is not None and holds_negatives(schema.field(columns.value).type)


def _parse(source: Path, class_names: Sequence[str] | None) -> tuple[LabelRows, _Columns]:
    schema = schema_of(source)
    columns = columns_of(schema)
    if columns is None:
        cure = "rename the columns"
        raise fault(source, "the schema", "columns image and label", shown(",".join(schema.names)), cure)
    holds = ONLY_PRESENT
    if columns.value is not None:
        kind = schema.field(columns.value).type
        if not is_values(kind):
            raise fault(source, "the schema", "numbers in the column value", f"type {kind}", "write 1, 0 or -1")
        holds = ANY_VALUE if holds_negatives(kind) else ANY_VALUE - {-1}
    rows = LabelRows(source, class_names, holds, noun="row")
    for first, batch in batches(source, [name for name in columns if name is not None]):
        images = texts(batch.column(columns.image), source, columns.image, first)
        labels = texts(batch.column(columns.label), source, columns.label, first)
        values: Sequence[int] = np.ones(batch.num_rows, dtype=np.int8).tolist()
        if columns.value is not None:
            values = values_of(batch.column(columns.value), source, columns.value, first).tolist()
        for row, cell in enumerate(zip(images, labels, values, strict=True), start=first):
            rows.add(row, cell[0], cell[1].strip(), cell[2])
    return rows, columns


def _edited(row: pa.Table, edit: Edit, columns: _Columns) -> list[pa.Table]:
    """Return what stands in the place of one row."""
    own: dict[str, str | int] = {} if edit.label is None else {columns.label: edit.label}
    if columns.value is not None and edit.value is not None:
        own[columns.value] = edit.value
    rows = [] if edit.removed else [_with(row, own)]
    empty = {name: None for name in row.column_names if name != columns.image}
    for label, value in edit.new:
        rows.append(_with(row, {**empty, columns.label: label} | ({columns.value: value} if columns.value else {})))
    return rows


def _with(row: pa.Table, cells: Mapping[str, object]) -> pa.Table:
    """Return one row with some cells replaced."""
    for name, value in cells.items():
        place = row.schema.get_field_index(name)
        kind = row.schema.field(place).type
        plain = pa.array([value], type=kind.value_type if pa.types.is_dictionary(kind) else None)
        row = row.set_column(place, row.schema.field(place), plain.cast(kind))
    return row


PARQUET = AnnotationFormat(
    name="parquet",
    title="Parquet, one label a row",
    description="Columns image and label, perhaps value: 1 present, -1 verified absent, 0 or empty unobserved.",
    read=read,
    write=write,
    suffix=".parquet",
    holds_absent=holds_absent,
)
