"""Parquet with one image a row and one column a class: a column `image`, all others are classes.

A cell is 1 or true present, -1 absent because somebody looked, 0, false or empty unobserved. Columns of true and
false, and of numbers without a sign, cannot say that a class is absent: there a verified negative is written as
no label.
"""

from array import array
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from labelmend_core.types import AnnotatedDataset, LabelMatrix
from labelmend_datasets.formats._changes import changes_by_image, require_other_place, require_same_source
from labelmend_datasets.formats._format import AnnotationFormat
from labelmend_datasets.formats._image_index import ImageIndex
from labelmend_datasets.formats._parquet import batches, rewrite, schema_of, texts
from labelmend_datasets.formats._source import fault, read_class_names, shown
from labelmend_datasets.formats._tri_state_columns import holds_negatives, is_values, values_of, with_values


def read(source: Path, *, classes: Path | None = None) -> AnnotatedDataset:
    """Return the images of a wide Parquet file and their tri-state labels.

    Args:
        source: the file.
        classes: the order of the classes, one name a line, the same names as the columns'; without it theirs.

    Raises:
        AnnotationError: the columns are others, a cell holds something else, or an image is listed twice.
    """
    class_names = _columns(source)[1] if classes is None else read_class_names(classes)
    images, labels = _parse(source, class_names)
    return AnnotatedDataset(images.image_ids, images.paths, class_names, labels)


def write(source: Path, destination: Path, dataset: AnnotatedDataset, corrected: LabelMatrix) -> list[Path]:
    """Write the file with the corrected labels; all other cells, types, metadata and row groups stay.

    Raises:
        AnnotationError: the source has changed since `dataset` was read.
        InputError: `destination` is the source.
    """
    require_other_place(source, destination)
    images, given = _parse(source, dataset.class_names)
    require_same_source(source, dataset, images.image_ids, given)
    changes = changes_by_image(given, corrected)
    by_column: dict[str, dict[int, int]] = {}
    for image, cells in changes.items():
        for change in cells:
            by_column.setdefault(dataset.class_names[change.class_index], {})[image] = change.after
    schema = _with_room(schema_of(source), by_column)

    def edited(table: pa.Table, first: int) -> pa.Table:
        columns = dict(zip(table.column_names, table.columns, strict=True))
        for name, cells in by_column.items():
            rows = [image - first for image in sorted(cells) if first <= image < first + table.num_rows]
            values = [cells[first + row] for row in rows]
            columns[name] = with_values(columns[name], rows, values, schema.field(name).type)
        return pa.table(list(columns.values()), schema=schema)

    rewrite(source, destination, schema, edited if by_column else None)
    return [destination]


def is_wide(schema: pa.Schema) -> bool:
    """Return whether a file can be one of this format."""
    lower = [name.strip().lower() for name in schema.names]
    others = [field for field, name in zip(schema, lower, strict=True) if name != "image"]
    return lower.count("image") == 1 and bool(others) and all(is_values(field.type) for field in others)


def holds_absent(source: Path) -> bool:
    """Return whether every class column can hold -1."""
    schema = schema_of(source)
    return all(holds_negatives(field.type) for field in schema if field.name.strip().lower() != "image")


def _columns(source: Path) -> tuple[str, list[str]]:
    """Return the name of the image column and those of the classes."""
    schema = schema_of(source)
    if len(set(schema.names)) == len(schema.names) and is_wide(schema):
        image = next(name for name in schema.names if name.strip().lower() == "image")
        return image, [name for name in schema.names if name != image]
    expected = "a column image, and else only columns of numbers, one a class"
    odd = [f"{field.name} ({field.type})" for field in schema if not is_values(field.type)]
    cure = "rename the columns, and take the others out"
    raise fault(source, "the schema", expected, shown(", ".join(odd or schema.names)), cure)


def _parse(source: Path, class_names: Sequence[str]) -> tuple[ImageIndex, LabelMatrix]:
    image_column, columns = _columns(source)
    if odd := set(class_names) ^ set(columns):
        got = f"{shown(min(odd))} in one of them only"
        raise fault(source, "the schema", "the same classes as in the class file", got, "mend the spelling")
    images, rows, classes, values = ImageIndex(source), array("q"), array("q"), array("b")
    for first, batch in batches(source, [image_column, *class_names]):
        for row, name in enumerate(texts(batch.column(image_column), source, image_column, first), start=first):
            images.add(name, f"row {row}")
        for index, name in enumerate(class_names):
            cells = values_of(batch.column(name), source, name, first)
            observed = np.flatnonzero(cells)
            rows.frombytes((observed + first - 1).astype(np.int64).tobytes())
            classes.frombytes(np.full(len(observed), index, dtype=np.int64).tobytes())
            values.frombytes(cells[observed].tobytes())
    images.require_some()
    shape = len(images.image_ids), len(class_names)
    return images, LabelMatrix.from_cells(np.array(rows), np.array(classes), np.array(values), shape)


def _with_room(schema: pa.Schema, changed: Sequence[str] | dict[str, dict[int, int]]) -> pa.Schema:
    """Return the schema in which a changed column that was empty throughout, and so has no type, has one."""
    for name in changed:
        place = schema.get_field_index(name)
        if pa.types.is_null(schema.field(place).type):
            schema = schema.set(place, schema.field(place).with_type(pa.int8()))
    return schema


PARQUET_WIDE = AnnotationFormat(
    name="parquet-wide",
    title="Parquet, one column a class",
    description="A column image, all others are classes: 1 present, -1 verified absent, 0 or empty unobserved.",
    read=read,
    write=write,
    suffix=".parquet",
    holds_absent=holds_absent,
)
