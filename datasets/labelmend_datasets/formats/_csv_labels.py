"""CSV with one label a row: where its columns are, and writing it with some rows edited and the others as they were."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from labelmend_core.files import replacing
from labelmend_datasets.formats._csv_records import (
    Record,
    line_ending,
    read_records,
    value_like,
    with_fields,
    with_only,
)
from labelmend_datasets.formats._label_rows import Edit


@dataclass(frozen=True)
class Columns:
    """Where the header puts image, label and, if at all, value."""

    image: int
    label: int
    value: int | None


@dataclass(frozen=True)
class Spelling:
    """How a file writes what we call a class and a value, and what else a new row says, by column."""

    label: Callable[[str], str] = str
    value: Callable[[int, str], str] = value_like
    new: Mapping[int, str] = field(default_factory=dict)


def write_edited(
    source: Path, destination: Path, columns: Columns, edits: Mapping[int, Edit], spelling: Spelling
) -> None:
    """Write a CSV file with some rows edited; every other byte stays.

    Args:
        source: the file, with a header.
        destination: where it goes, whole or not at all.
        columns: of the header.
        edits: by row, counted from 0 after the header without empty lines.
        spelling: of the file.
    """
    with replacing(destination) as temporary, temporary.open("wb") as output:
        row, ending = -2, b""  # the header is row -1
        for record in read_records(source):
            row += bool(record.fields)
            ending = ending or line_ending(record.raw)
            edit = edits.get(row) if record.fields else None
            output.write(_edited(record, edit, columns, spelling, ending) if edit else record.raw)


def _edited(record: Record, edit: Edit, columns: Columns, spelling: Spelling, ending: bytes) -> bytes:
    """Return the bytes that stand in the place of one row; `ending` separates rows after one that has none."""
    fields = {} if edit.label is None else {columns.label: spelling.label(edit.label) if edit.label else ""}
    if columns.value is not None and edit.value is not None:
        fields[columns.value] = spelling.value(edit.value, record.fields[columns.value])
    rows = [] if edit.removed else [with_fields(record, fields)]
    for label, value in edit.new:
        new = {**spelling.new, columns.label: spelling.label(label)}
        if columns.value is not None:
            new[columns.value] = spelling.value(value, "")
        rows.append(with_only(record, {columns.image}, new))
    return (b"" if line_ending(record.raw) else ending).join(rows)
