"""The formats by name, and which of them a file is in."""

import csv
import re
from pathlib import Path

from labelmend_core.errors import AnnotationError
from labelmend_datasets.formats import csv_long, csv_wide
from labelmend_datasets.formats._format import AnnotationFormat
from labelmend_datasets.formats._source import readable
from labelmend_datasets.formats.coco import COCO
from labelmend_datasets.formats.csv_long import CSV
from labelmend_datasets.formats.csv_wide import CSV_WIDE
from labelmend_datasets.formats.splc_list import LIST
from labelmend_datasets.formats.voc import VOC

FORMATS: dict[str, AnnotationFormat] = {one.name: one for one in (LIST, CSV, CSV_WIDE, COCO, VOC)}

_HEAD_BYTES = 1 << 20
_LIST_LINE = re.compile(r".+,[ \t0-9]*")


def recognise(source: Path) -> str:
    """Return the name of the format that `source` is in, told by its suffix and its first line.

    Raises:
        AnnotationError: nothing is there, or it is in none of the formats.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "train.txt"
        >>> _ = path.write_text("a.jpg,0 2\\n")
        >>> recognise(path)
        'list'
    """
    found = _folder_format(source) if source.is_dir() else _file_format(source)
    if found is None:
        known = "; ".join(f"{one.name}: {one.description}" for one in FORMATS.values())
        raise AnnotationError(f"Expected {source} to be in one of the formats, but it looks like none. {known}")
    return found.name


def _folder_format(source: Path) -> AnnotationFormat | None:
    return VOC if any(path.suffix.lower() == ".xml" for path in source.iterdir()) else None


def _file_format(source: Path) -> AnnotationFormat | None:
    with readable(source), source.open("rb") as file:
        lines = file.read(_HEAD_BYTES).decode("utf-8-sig", errors="replace").splitlines()
    first = next((line.strip() for line in lines if line.strip()), "")
    if source.suffix.lower() == ".json" or first.startswith("{"):
        return COCO
    if source.suffix.lower() == ".csv":
        header = next(csv.reader([first]), [])
        if csv_long.columns_of(header):
            return CSV
        return CSV_WIDE if csv_wide.is_header(header) else None
    return LIST if _LIST_LINE.fullmatch(first) else None
