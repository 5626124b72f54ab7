"""Open Images, image-level labels: a CSV file `ImageID,Source,LabelName,Confidence`, other columns are kept.

Confidence 1 is present and 0 absent, both because somebody looked; a fraction is what a machine thought, which is
unobserved. The image of an ImageID is the file of that name with `.jpg`. LabelName is an identifier such as
`/m/01yrx`. With `class-descriptions.csv` as the class file a class is called `Cat (/m/01yrx)`, so that classes of one
name stay apart and the way back is known; without it the identifiers that occur are the classes, sorted.
"""

import csv
import re
from collections.abc import Sequence
from pathlib import Path

from labelmend_core.types import ABSENT, PRESENT, UNOBSERVED, AnnotatedDataset, LabelMatrix
from labelmend_datasets.formats._changes import require_other_place, require_same_source
from labelmend_datasets.formats._csv_labels import Columns, Spelling, write_edited
from labelmend_datasets.formats._csv_records import Record, read_records, same_length
from labelmend_datasets.formats._format import AnnotationFormat, always
from labelmend_datasets.formats._label_rows import LabelRows
from labelmend_datasets.formats._source import fault, read_class_names, shown

_SUFFIX = ".jpg"
_HOLDS = frozenset({PRESENT, ABSENT})
_NAMED = re.compile(r".+ \((?P<identifier>/[^()\s]+)\)", re.DOTALL)


def read(source: Path, *, classes: Path | None = None) -> AnnotatedDataset:
    """Return the images of a file of image-level labels, in the order of their first row, and their labels.

    Args:
        source: the CSV file, UTF-8.
        classes: `class-descriptions.csv` (identifier, name), or identifiers one a line; without it the identifiers
            that occur, sorted.

    Raises:
        AnnotationError: the header is another one, or a row is malformed, contradicts another or has an unknown label.
    """
    return _parse(source, None if classes is None else _described(classes))[0].dataset()


def write(source: Path, destination: Path, dataset: AnnotatedDataset, corrected: LabelMatrix) -> list[Path]:
    """Write the CSV file with the corrected labels; every row of an unchanged cell is kept byte for byte.

    A changed label has its Confidence set to 1 or 0 in place; a new one gets a row after its image's last one, with
    the Source `verification`. A label that is unobserved after all loses its row.

    Raises:
        AnnotationError: the source has changed since `dataset` was read.
        InputError: `destination` is the source.
    """
    require_other_place(source, destination)
    rows, columns, header = _parse(source, dataset.class_names)
    given = rows.finish()
    require_same_source(source, dataset, rows.images.image_ids, given)
    names = [name.strip().lower() for name in header.fields]
    new = {names.index("source"): "verification"} if "source" in names else {}
    spelling = Spelling(label=_identifier, value=_confidence, new=new)
    write_edited(source, destination, columns, rows.edits(given, corrected), spelling)
    return [destination]


def columns_of(header: Sequence[str]) -> Columns | None:
    """Return where a header puts ImageID, LabelName and Confidence, or nothing if it is not one of this format."""
    names = [name.strip().lower() for name in header]
    if len(set(names)) != len(names) or not {"imageid", "labelname", "confidence"} <= set(names):
        return None
    return Columns(names.index("imageid"), names.index("labelname"), names.index("confidence"))


def _parse(source: Path, class_names: Sequence[str] | None) -> tuple[LabelRows, Columns, Record]:
    records = (record for record in read_records(source) if record.fields)
    header = next(records, None)
    columns = columns_of(header.fields) if header else None
    if header is None or columns is None or columns.value is None:
        got = shown(",".join(header.fields)) if header else "an empty file"
        expected = "a header with ImageID, LabelName and Confidence"
        raise fault(source, "line 1", expected, got, "are these the image-level labels, and not the boxes?")
    rows = LabelRows(source, class_names, _HOLDS)
    name_of = {_identifier(name): name for name in class_names or ()}
    for record in records:
        same_length(record, header, source)
        label = record.fields[columns.label].strip()
        value = _value(record.fields[columns.value], source, record) if label else UNOBSERVED
        rows.add(record.line, f"{record.fields[columns.image]}{_SUFFIX}", name_of.get(label, label), value)
    return rows, columns, header


def _described(path: Path) -> list[str]:
    """Return the class names of a file of descriptions: name and identifier, or the identifier alone."""
    lines = read_class_names(path)
    names = [_name(*next(csv.reader([line]))[:2]) for line in lines]
    for number, name in enumerate(names, start=1):
        if names.index(name) != number - 1:
            raise fault(path, f"line {number}", "every identifier once", f"{shown(name)} again", "remove the line")
    return names


def _name(identifier: str, description: str = "") -> str:
    identifier, description = identifier.strip(), description.strip()
    return f"{description} ({identifier})" if description else identifier


def _identifier(class_name: str) -> str:
    """Return the identifier of a class.

    Example:
        >>> _identifier("Cat (/m/01yrx)"), _identifier("/m/01yrx")
        ('/m/01yrx', '/m/01yrx')
    """
    named = _NAMED.fullmatch(class_name)
    return named["identifier"] if named else class_name


def _value(text: str, source: Path, record: Record) -> int:
    try:
        confidence = float(text)
    except ValueError:
        confidence = -1.0
    if not 0 <= confidence <= 1:  # not a number is neither
        cure = "1 is present, 0 is absent, a fraction is what a machine thought"
        raise fault(source, record.place, "a Confidence from 0 to 1", shown(text), cure)
    return {1.0: PRESENT, 0.0: ABSENT}.get(confidence, UNOBSERVED)


def _confidence(value: int, text: str) -> str:
    """Return a value in the style of the cell that it replaces."""
    number = int(value == PRESENT)
    return f"{number}.0" if "." in text else str(number)


OPEN_IMAGES = AnnotationFormat(
    name="open-images",
    title="Open Images, image-level labels (CSV)",
    description="A header ImageID,Source,LabelName,Confidence; 1 is present, 0 verified absent, fractions unobserved.",
    read=read,
    write=write,
    suffix=".csv",
    holds_absent=always,
)
