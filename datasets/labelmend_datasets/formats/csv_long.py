"""CSV with one label a row: a header `image,label` or `image,label,value`; other columns are kept.

`value` is 1 present, -1 absent because somebody looked, 0 unobserved; without the column every row means present.
An image without a label may be listed with an empty label. The classes are those of the class file, or the labels
that occur, sorted by name. A file without a value column cannot say that a class is absent: a verified negative is
written as no label. A new file is safe in a spreadsheet: names that look like a formula begin with an apostrophe, which
is not read as part of them.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from pathlib import Path

from labelmend_core.spreadsheet import escaped, unescaped
from labelmend_core.types import AnnotatedDataset, LabelMatrix
from labelmend_datasets.formats._changes import require_other_place, require_same_source
from labelmend_datasets.formats._csv_labels import Columns, Spelling, write_edited
from labelmend_datasets.formats._csv_records import (
    read_records,
    require_names_for_csv,
    same_length,
    value_of,
    write_rows,
)
from labelmend_datasets.formats._format import AnnotationFormat
from labelmend_datasets.formats._label_rows import ANY_VALUE, ONLY_PRESENT, LabelRows
from labelmend_datasets.formats._source import fault, read_class_names, shown


def read(source: Path, *, classes: Path | None = None) -> AnnotatedDataset:
    """Return the images of a long CSV file, in the order of their first row, and their tri-state labels.

    Args:
        source: the CSV file, UTF-8, commas.
        classes: class names, one a line; without it the labels that occur, sorted by name.

    Raises:
        AnnotationError: the header is another one, or a row is malformed, contradicts another or has an unknown label.
    """
    return _parse(source, None if classes is None else read_class_names(classes))[0].dataset()


def write(source: Path, destination: Path, dataset: AnnotatedDataset, corrected: LabelMatrix) -> list[Path]:
    """Write the CSV file with the corrected labels; every row of an unchanged cell is kept byte for byte.

    With a value column a label that goes is set to -1 or 0 in place; without one its row goes, and an image's last
    row stays with an empty label. A label that comes gets a row after its image's last one.

    Raises:
        AnnotationError: the source has changed since `dataset` was read.
        InputError: `destination` is the source.
    """
    require_other_place(source, destination)
    rows, columns, spelled = _parse(source, dataset.class_names)
    given = rows.finish()
    require_same_source(source, dataset, rows.images.image_ids, given)
    write_edited(source, destination, columns, rows.edits(given, corrected), Spelling(_spelling(spelled)))
    return [destination]


def create(destination: Path, dataset: AnnotatedDataset) -> None:
    """Write a new CSV file with a value column: a row for every observed cell, and for an image without any.

    A class that no row names is only known from a class file; without one the classes are read sorted by name.

    Raises:
        InputError: a class name begins or ends with space.
    """
    require_names_for_csv(dataset.class_names)
    images, classes, values = (cells.tolist() for cells in dataset.given_labels.cells())
    own: dict[int, list[tuple[str, int]]] = {}
    for image, k, value in zip(images, classes, values, strict=True):
        own.setdefault(image, []).append((escaped(dataset.class_names[k]), value))
    rows = ((escaped(name), *cell) for i, name in enumerate(dataset.image_ids) for cell in own.get(i, [("", "")]))
    write_rows(destination, chain([("image", "label", "value")], rows))


def holds_absent(source: Path) -> bool:
    """Return whether a file has a value column, which alone can say that a class is absent."""
    header = next((record.fields for record in read_records(source) if record.fields), [])
    columns = columns_of(header)
    return columns is not None and columns.value is not None


def columns_of(header: Sequence[str]) -> Columns | None:
    """Return where a header puts image, label and value, or nothing if it is not one of this format."""
    names = [name.strip().lower() for name in header]
    if len(set(names)) != len(names) or not {"image", "label"} <= set(names):
        return None
    return Columns(names.index("image"), names.index("label"), names.index("value") if "value" in names else None)


def _spelling(spelled: Mapping[str, str]) -> Callable[[str], str]:
    """Return how a new row writes a label: as the other rows do, else safe in a spreadsheet."""
    return lambda label: spelled.get(label, escaped(label))


def _parse(source: Path, class_names: Sequence[str] | None) -> tuple[LabelRows, Columns, dict[str, str]]:
    """Return the rows, where their columns are, and labels that are written otherwise than `escaped` would."""
    records = (record for record in read_records(source) if record.fields)
    header = next(records, None)
    columns = columns_of(header.fields) if header else None
    if header is None or columns is None:
        got = shown(",".join(header.fields)) if header else "an empty file"
        cure = "name the columns in the first line, separated by commas"
        raise fault(source, "line 1", "a header image,label or image,label,value", got, cure)
    rows = LabelRows(source, class_names, ONLY_PRESENT if columns.value is None else ANY_VALUE)
    spelled: dict[str, str] = {}
    for record in records:
        same_length(record, header, source)
        written = record.fields[columns.label].strip()
        label = unescaped(written)
        if written == label != escaped(label):
            spelled[label] = written
        value = "1" if columns.value is None or not label else record.fields[columns.value]
        rows.add(record.line, unescaped(record.fields[columns.image]), label, value_of(value, source, record))
    return rows, columns, spelled


CSV = AnnotationFormat(
    name="csv",
    title="CSV, one label a row",
    description="A header image,label or image,label,value; value is 1 present, -1 verified absent, 0 unobserved.",
    read=read,
    write=write,
    suffix=".csv",
    holds_absent=holds_absent,
    create=create,
)
