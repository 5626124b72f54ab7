"""CSV records with the bytes that they came from, so that what is not edited can be written back as it was."""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from labelmend_core.errors import InputError
from labelmend_core.files import replacing
from labelmend_core.types import ABSENT, PRESENT, UNOBSERVED
from labelmend_datasets.formats._source import fault, read_lines, shown

# pandas writes 1.0 where a column has gaps.
_VALUES: Mapping[str, int] = {
    **{"1": PRESENT, "1.0": PRESENT},
    **{"-1": ABSENT, "-1.0": ABSENT},
    **{"0": UNOBSERVED, "0.0": UNOBSERVED},
}
_FIELD = re.compile(r'(?:^|,)("(?:[^"]|"")*"|[^,]*)')


class Record(NamedTuple):
    """One record: the line it starts on, its fields, its bytes with the line ending."""

    line: int
    fields: list[str]
    raw: bytes

    @property
    def place(self) -> str:
        """How a message names the record."""
        return f"line {self.line}"


def read_records(source: Path) -> Iterator[Record]:
    """Yield the records of a CSV file (commas, UTF-8) in order; an empty line is a record without fields.

    Raises:
        AnnotationError: the file cannot be read, is not UTF-8, or a quote is not closed.
    """
    pulled: list[bytes] = []
    rows = csv.reader(_texts(source, pulled), strict=True)
    while True:
        first = rows.line_num + 1
        try:
            fields = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            cure = "double every quote inside a quoted field, and end lines with a line feed"
            raise fault(source, f"line {first}", "CSV with commas", f"an error ({error})", cure) from error
        yield Record(first, fields, b"".join(pulled))
        pulled.clear()


def _texts(source: Path, pulled: list[bytes]) -> Iterator[str]:
    """Yield the lines for the CSV reader, and note their bytes: it pulls just those of the record that it reads."""
    for _, raw, text in read_lines(source):
        pulled.append(raw)
        yield text


def value_of(text: str, source: Path, record: Record) -> int:
    """Return the tri-state value of a cell, or say what it should have been."""
    try:
        return _VALUES[text.strip()]
    except KeyError:
        cure = "1 is present, -1 is absent because somebody looked, 0 is unobserved"
        raise fault(source, record.place, "a value of 1, 0 or -1", shown(text), cure) from None


def value_like(value: int, text: str) -> str:
    """Return a tri-state value in the style of the cell that it replaces: 1.0 where there was -1.0."""
    return f"{value}.0" if "." in text else str(value)


def same_length(record: Record, header: Record, source: Path) -> None:
    """Raise an `AnnotationError` if a record has not one field a column."""
    if len(record.fields) != len(header.fields):
        expected = f"{len(header.fields)} columns as in the header"
        cure = "is a comma missing, or one too many that wants quotes?"
        raise fault(source, record.place, expected, str(len(record.fields)), cure)


def with_fields(record: Record, new: Mapping[int, str]) -> bytes:
    """Return the record's bytes with some fields replaced; the others keep their spacing and quotes."""
    return _edited(record.raw, lambda column, old: _quoted(new[column], old) if column in new else old)


def with_only(record: Record, kept: Iterable[int], new: Mapping[int, str]) -> bytes:
    """Return a new record with the same columns: those in `kept` as they are, `new` ones, the rest empty."""
    kept = set(kept)

    def field(column: int, old: str) -> str:
        if column in new:
            return _quoted(new[column], "")
        return old if column in kept else ""

    return _edited(record.raw, field)


def write_rows(destination: Path, rows: Iterable[Iterable[str | int]]) -> None:
    """Write rows to a new CSV file: commas, UTF-8, line feeds, quotes where they are needed."""
    with replacing(destination) as temporary, temporary.open("w", encoding="utf-8", newline="") as output:
        # Before Python 3.13 csv.writer leaves a carriage return without quotes, after which a row would begin.
        output.writelines(",".join(_quoted(str(field), "") for field in row) + "\n" for row in rows)


def require_names_for_csv(class_names: Iterable[str]) -> None:
    """Raise an `InputError` for a class name that would be another one, or none, when it is read from a CSV file."""
    for name in class_names:
        if not name or name != name.strip():
            raise InputError(
                f"Expected class names without space at their ends to write them as CSV, got {shown(name)}; "
                "rename the class."
            )


def line_ending(raw: bytes) -> bytes:
    """Return how a record ends: with a line feed, with a carriage return before it, or not at all."""
    return raw[len(raw.rstrip(b"\r\n")) :]


def _edited(raw: bytes, field: Callable[[int, str], str]) -> bytes:
    """Rebuild a record from its raw fields, each passed through `field(column, old)`."""
    ending = line_ending(raw)
    body = raw[: len(raw) - len(ending)].decode()
    fields = [field(column, match[1]) for column, match in enumerate(_FIELD.finditer(body))]
    return ",".join(fields).encode() + ending


def _quoted(text: str, like: str) -> str:
    """Return a field as CSV, in quotes where the field that it replaces had them or the text needs them."""
    if like.startswith('"') or any(character in text for character in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text
