"""Tables of suspicious labels on the disk, written some rows at a time."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from labelmend_app.safe_csv import safe_csv
from labelmend_core.errors import InputError
from labelmend_core.files import replacing

_ROWS = 100_000  # that are text at a time


def require_suffix(path: Path) -> None:
    """Raise an `InputError` for a file that `write_issues` cannot write."""
    if path.suffix not in _WRITERS:
        raise InputError(f"Expected --out to end in {', '.join(_WRITERS)}, got {path}")


def write_issues(path: Path, issues: pd.DataFrame) -> None:
    """Write the frame of `find_label_issues`: CSV safe for spreadsheets, Parquet, a JSON array, or JSON lines.

    Raises:
        InputError: another suffix.
        WorkspaceError: the disk is full or the folder cannot be written to.
    """
    require_suffix(path)
    with replacing(path) as temporary:
        _WRITERS[path.suffix](temporary, issues)


def _parts(issues: pd.DataFrame) -> Iterator[pd.DataFrame]:
    for start in range(0, max(1, len(issues)), _ROWS):
        yield issues.iloc[start : start + _ROWS]


def _csv(path: Path, issues: pd.DataFrame) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        for number, part in enumerate(_parts(issues)):
            file.write(safe_csv(part, header=number == 0))


def _parquet(path: Path, issues: pd.DataFrame) -> None:
    tables = (pa.Table.from_pandas(part, preserve_index=False) for part in _parts(issues))
    first = next(tables)
    with pq.ParquetWriter(path, first.schema) as writer:
        writer.write_table(first)
        for table in tables:
            writer.write_table(table)


def _json_lines(path: Path, issues: pd.DataFrame) -> None:
    with path.open("w", encoding="utf-8") as file:
        for part in _parts(issues):
            file.write(_lines(part))


def _json(path: Path, issues: pd.DataFrame) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write("[")
        for number, part in enumerate(_parts(issues)):
            # A line break within a text is escaped, so these are those between the records.
            records = _lines(part).rstrip("\n").replace("\n", ",\n")
            file.write(("\n" if number == 0 else ",\n") + records)
        file.write("\n]\n")


def _lines(part: pd.DataFrame) -> str:
    if part.empty:
        return ""
    text: str = part.to_json(orient="records", lines=True, force_ascii=False, double_precision=15)
    return text.rstrip("\n") + "\n"


_WRITERS: dict[str, Callable[[Path, pd.DataFrame], None]] = {
    ".csv": _csv,
    ".parquet": _parquet,
    ".json": _json,
    ".jsonl": _json_lines,
}
