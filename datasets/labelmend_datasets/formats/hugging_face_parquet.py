"""Parquet as Hugging Face's `datasets` writes it: the schema's metadata names the classes of a list of labels.

A column is a list of `ClassLabel`; the image is a column `file_name`, or the path in a column of type `Image`. The
library is not needed. The list cannot say that a class is absent: a verified negative is written as no label.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from labelmend_core.types import AnnotatedDataset, LabelMatrix
from labelmend_datasets.formats._changes import changes_by_image, require_other_place, require_same_source
from labelmend_datasets.formats._collected import Collected
from labelmend_datasets.formats._format import AnnotationFormat
from labelmend_datasets.formats._parquet import batches, rewrite, schema_of, texts
from labelmend_datasets.formats._source import class_index, fault, read_class_names, shown

_METADATA = b"huggingface"
_FILE_NAMES = ("file_name", "image", "image_path", "path", "image_id")


class _Columns(NamedTuple):
    """The column of the labels with the names of its classes; the column of the image, and where its path is in it."""

    labels: str
    class_names: list[str]
    image: str
    path: str


def read(source: Path, *, classes: Path | None = None) -> AnnotatedDataset:
    """Return the images of a Parquet file of Hugging Face, in its order, and their labels, 1 or 0.

    Args:
        source: the file.
        classes: the order of the classes, one name a line, at least those of the metadata; without it theirs.

    Raises:
        AnnotationError: the metadata name no classes, a label is outside them, or an image is listed twice.
    """
    columns = _columns(source)
    return _parse(source, columns, columns.class_names if classes is None else read_class_names(classes))


def write(source: Path, destination: Path, dataset: AnnotatedDataset, corrected: LabelMatrix) -> list[Path]:
    """Write the file with the corrected lists; all other cells, types, metadata and row groups stay.

    Raises:
        AnnotationError: the source has changed since `dataset` was read.
        InputError: `destination` is the source.
    """
    require_other_place(source, destination)
    columns = _columns(source)
    again = _parse(source, columns, dataset.class_names)
    require_same_source(source, dataset, list(again.image_ids), again.given_labels)
    native = {name: index for index, name in enumerate(columns.class_names)}
    changes: dict[int, tuple[set[int], list[int]]] = {}
    for image, cells in changes_by_image(dataset.given_labels, corrected).items():
        gone = {native.get(dataset.class_names[cell.class_index], -1) for cell in cells if cell.vanishes}
        names = [dataset.class_names[cell.class_index] for cell in cells if cell.appears]
        come = [class_index(name, native, source, "a label that was added") for name in names]
        if gone or come:
            changes[image] = gone, come
    schema = schema_of(source)

    def edited(table: pa.Table, first: int) -> pa.Table:
        here = [image for image in changes if first <= image < first + table.num_rows]
        if not here:
            return table
        lists = table.column(columns.labels).to_pylist()
        for image in here:
            gone, come = changes[image]
            lists[image - first] = [label for label in lists[image - first] or () if label not in gone] + come
        place = schema.get_field_index(columns.labels)
        return table.set_column(place, schema.field(place), pa.array(lists, type=schema.field(place).type))

    rewrite(source, destination, schema, edited if changes else None)
    return [destination]


def columns_of(schema: pa.Schema) -> _Columns | None:
    """Return the columns of this format, or nothing if the file is not one of it."""
    features = _features(schema)
    found = {name: names for name in schema.names if (names := _names(features.get(name)))}
    if len(found) != 1:
        return None
    labels, class_names = found.popitem()
    images = [name for name, feature in features.items() if _type(feature) == "Image" and name in schema.names]
    image = next((name for name in _FILE_NAMES if name in schema.names), images[0] if images else None)
    if image is None:
        return None
    kind = schema.field(image).type
    is_struct = pa.types.is_struct(kind) and "path" in [field.name for field in kind]
    return _Columns(labels, class_names, image, f"{image}.path" if is_struct else image)


def _features(schema: pa.Schema) -> dict[str, object]:
    try:
        features = json.loads((schema.metadata or {})[_METADATA])["info"]["features"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return {}
    return features if isinstance(features, dict) else {}


def _type(feature: object) -> object:
    return feature.get("_type") if isinstance(feature, dict) else None


def _names(feature: object) -> list[str]:
    """Return the names of a list of ClassLabel, as any version of the library describes one."""
    inner = feature.get("feature") if isinstance(feature, dict) else None
    if isinstance(feature, list) and len(feature) == 1:
        inner = feature[0]
    names = inner.get("names") if isinstance(inner, dict) and _type(inner) == "ClassLabel" else None
    is_good = isinstance(names, list) and all(isinstance(name, str) and name for name in names)
    return names if is_good and isinstance(names, list) and len(set(names)) == len(names) else []


def _columns(source: Path) -> _Columns:
    schema = schema_of(source)
    columns = columns_of(schema)
    if columns is None:
        expected = "one column that is a list of ClassLabel, and a column file_name or of type Image"
        got = shown(", ".join(f"{name} ({_type(feature) or 'list'})" for name, feature in _features(schema).items()))
        raise fault(source, "the schema", expected, got, "was the file written by Dataset.to_parquet?")
    return columns


def _parse(source: Path, columns: _Columns, class_names: Sequence[str]) -> AnnotatedDataset:
    collected = Collected(source, class_names)
    for row, image, labels in _rows(source, columns):
        present = []
        for label in labels:
            if label is None or not 0 <= label < len(columns.class_names):
                expected = f"class indices 0…{len(columns.class_names) - 1}"
                raise fault(source, f"row {row}", expected, shown(label), "were classes dropped from the metadata?")
            present.append(columns.class_names[label])
        collected.add(image, present, f"row {row}")
    return collected.dataset()


def _rows(source: Path, columns: _Columns) -> Iterator[tuple[int, str, list[int | None]]]:
    for first, batch in batches(source, [columns.path, columns.labels]):
        images = batch.column(columns.image)
        if columns.path != columns.image:
            images = images.field("path")
        names = texts(images, source, columns.path, first)
        lists = batch.column(columns.labels).to_pylist()
        for row, (image, labels) in enumerate(zip(names, lists, strict=True), start=first):
            yield row, image, labels or []


HUGGING_FACE_PARQUET = AnnotationFormat(
    name="hf-parquet",
    title="Hugging Face dataset (Parquet)",
    description="Parquet whose metadata describe a list of ClassLabel, and a column file_name or of type Image.",
    read=read,
    write=write,
    suffix=".parquet",
)
