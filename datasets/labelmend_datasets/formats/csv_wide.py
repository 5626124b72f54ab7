"""CSV with one image a row and one column a class: a header `image,<class>,<class>,…`.

A cell is 1 present, -1 absent because somebody looked, 0 or empty unobserved. (CheXpert's -1 means "uncertain":
empty those cells before reading such a file.) A new file is safe in a spreadsheet: names that look like a formula begin
with an apostrophe, which is not read as part of them.
"""

from array import array
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from labelmend_core.files import replacing
from labelmend_core.spreadsheet import escaped, unescaped
from labelmend_core.types import ABSENT, PRESENT, UNOBSERVED, AnnotatedDataset, LabelMatrix
from labelmend_datasets.formats._changes import changes_by_image, require_other_place, require_same_source
from labelmend_datasets.formats._csv_records import (
    Record,
    read_records,
    require_names_for_csv,
    same_length,
    value_like,
    value_of,
    with_fields,
    write_rows,
)
from labelmend_datasets.formats._format import AnnotationFormat, always
from labelmend_datasets.formats._image_index import ImageIndex
from labelmend_datasets.formats._source import fault, read_class_names, shown

_WRITTEN = {PRESENT: "1", ABSENT: "-1", UNOBSERVED: ""}
_BLOCK = 4096  # rows that are dense at a time


def read(source: Path, *, classes: Path | None = None) -> AnnotatedDataset:
    """Return the images of a wide CSV file and their tri-state labels.

    Args:
        source: the CSV file, UTF-8, commas.
        classes: the order of the classes, one name a line, the same names as the columns'; without it theirs.

    Raises:
        AnnotationError: the header is another one, a row is malformed, or an image is listed twice.
    """
    class_names = _header(source) if classes is None else read_class_names(classes)
    images, labels = _parse(source, class_names)
    return AnnotatedDataset(images.image_ids, images.paths, class_names, labels)


def write(source: Path, destination: Path, dataset: AnnotatedDataset, corrected: LabelMatrix) -> list[Path]:
    """Write the CSV file with the corrected labels; every row without a change is kept byte for byte.

    Raises:
        AnnotationError: the source has changed since `dataset` was read.
        InputError: `destination` is the source.
    """
    require_other_place(source, destination)
    images, given = _parse(source, dataset.class_names)
    require_same_source(source, dataset, images.image_ids, given)
    changes = changes_by_image(given, corrected)
    column_of = {name: column for column, name in enumerate(_header(source), start=1)}
    image = -2  # the header is row -1
    with replacing(destination) as temporary, temporary.open("wb") as output:
        for record in read_records(source):
            image += bool(record.fields)
            cells = changes.get(image, []) if record.fields else []
            columns = {column_of[dataset.class_names[change.class_index]]: change.after for change in cells}
            new = {column: value_like(after, record.fields[column]) for column, after in columns.items()}
            output.write(with_fields(record, new) if new else record.raw)
    return [destination]


def create(destination: Path, dataset: AnnotatedDataset) -> None:
    """Write a new CSV file: 1, -1, and empty where a cell is unobserved.

    Raises:
        InputError: a class name begins or ends with space.
    """
    require_names_for_csv(dataset.class_names)
    write_rows(destination, chain([("image", *map(escaped, dataset.class_names))], _new_rows(dataset)))


def _new_rows(dataset: AnnotatedDataset) -> Iterator[list[str]]:
    for start in range(0, len(dataset.image_ids), _BLOCK):
        block = slice(start, start + _BLOCK)
        cells = dataset.given_labels.dense(block).tolist()
        for name, row in zip(dataset.image_ids[block], cells, strict=True):
            yield [escaped(name), *(_WRITTEN[value] for value in row)]


def is_header(fields: Sequence[str]) -> bool:
    """Return whether a first record can be the header of this format."""
    return len(fields) > 1 and fields[0].strip().lower() == "image"


def _records(source: Path) -> Iterator[Record]:
    return (record for record in read_records(source) if record.fields)


def _header(source: Path) -> list[str]:
    """Return the class names that the columns carry."""
    record = next(_records(source), None)
    if record is None or not is_header(record.fields):
        got = "an empty file" if record is None else shown(",".join(record.fields))
        cure = "name the columns in the first line, separated by commas, image first"
        raise fault(source, "line 1", "a header image,<class>,<class>,…", got, cure)
    names = [unescaped(name.strip()) for name in record.fields[1:]]
    for column, name in enumerate(names, start=2):
        if not name or name in names[: column - 2]:
            got = f"{shown(name)} in column {column}"
            raise fault(source, "line 1", "every class name once", got, "rename or remove the column")
    return names


def _parse(source: Path, class_names: Sequence[str]) -> tuple[ImageIndex, LabelMatrix]:
    columns = _header(source)
    if odd := set(class_names) ^ set(columns):
        got = f"{shown(min(odd))} in one of them only"
        raise fault(source, "line 1", "the same classes as in the class file", got, "mend the spelling")
    records = _records(source)
    header = next(records)
    images, rows, classes, values = ImageIndex(source), array("q"), array("q"), array("b")
    indices = [list(class_names).index(name) for name in columns]
    for record in records:
        same_length(record, header, source)
        image = images.add(unescaped(record.fields[0]), record.place)
        for index, cell in zip(indices, record.fields[1:], strict=True):
            # Most cells are empty or 0: looking no further reads 82,081 x 80 cells in a second.
            value = UNOBSERVED if cell in ("", "0") or not cell.strip() else value_of(cell, source, record)
            if value != UNOBSERVED:
                rows.append(image)
                classes.append(index)
                values.append(value)
    images.require_some()
    shape = len(images.image_ids), len(class_names)
    return images, LabelMatrix.from_cells(np.array(rows), np.array(classes), np.array(values), shape)


CSV_WIDE = AnnotationFormat(
    name="csv-wide",
    title="CSV, one column a class",
    description="A header image,<class>,…; cells are 1 present, -1 verified absent, 0 or empty unobserved.",
    read=read,
    write=write,
    suffix=".csv",
    holds_absent=always,
    create=create,
)
