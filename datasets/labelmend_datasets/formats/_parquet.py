"""Parquet files: some columns at a time, and writing one back with some row groups changed and all else kept."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from labelmend_core.errors import LabelmendError
from labelmend_core.files import replacing
from labelmend_datasets.formats._source import fault, readable, shown

_ROWS = 1 << 16  # of a batch: the cells of 100 columns take 50 MB

Edited = Callable[[pa.Table, int], pa.Table]


@contextmanager
def opened(source: Path) -> Iterator[pq.ParquetFile]:
    """Give an open Parquet file.

    Raises:
        AnnotationError: it is not there, not Parquet, or damaged.
    """
    try:
        with readable(source), source.open("rb") as raw, pq.ParquetFile(raw) as file:
            yield file
    except LabelmendError:
        raise
    except (pa.ArrowException, ValueError, OSError) as error:  # Arrow says OSError of what is in the file, too
        got = f"an error ({' '.join(str(error).split())[:120]})"
        raise fault(source, "the file", "a whole Parquet file", got, "was it written to its end?") from error


def schema_of(source: Path) -> pa.Schema:
    """Return names, types and metadata of the columns."""
    with opened(source) as file:
        return file.schema_arrow


def batches(source: Path, columns: Sequence[str]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield some columns of all rows in order, with the number of the first row of each batch, from 1."""
    with opened(source) as file:
        first = 1
        for batch in file.iter_batches(batch_size=_ROWS, columns=list(columns)):
            yield first, batch
            first += batch.num_rows


def texts(column: pa.Array, source: Path, name: str, first: int) -> list[str]:
    """Return a column of text; an empty cell is empty text.

    Raises:
        AnnotationError: the column is of another type or damaged.
    """
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind)):
        where = f"row {first}, column {shown(name)}"
        raise fault(source, where, "text", f"values of type {kind}", "write it as text")
    try:
        return ["" if text is None else text for text in column.to_pylist()]
    except (UnicodeDecodeError, pa.ArrowException) as error:  # Arrow takes what is in a damaged file as it is
        where, got = f"column {shown(name)}, from row {first} on", f"an error ({' '.join(str(error).split())[:120]})"
        raise fault(source, where, "UTF-8 text", got, "was the file written to its end?") from error


def rewrite(source: Path, destination: Path, schema: pa.Schema, edited: Edited | None) -> None:
    """Write a Parquet file with row groups, types, metadata and compression of `source`, each row group edited.

    Args:
        source: the file.
        destination: where it goes, whole or not at all.
        schema: of the output.
        edited: gives the rows that stand in the place of a row group, which is given with the number of its first
            row, from 0; None copies the file byte for byte.
    """
    with replacing(destination) as temporary:
        if edited is None:
            shutil.copyfile(source, temporary)
            return
        with opened(source) as file, pq.ParquetWriter(temporary, schema, compression=_compression(file)) as output:
            first = 0
            for group in range(file.num_row_groups):
                table = file.read_row_group(group)
                output.write_table(edited(table, first), row_group_size=max(1, 2 * table.num_rows))
                first += table.num_rows


def _compression(file: pq.ParquetFile) -> dict[str, str] | str:
    """Return how each column is compressed."""
    if not file.num_row_groups:
        return "snappy"
    group = file.metadata.row_group(0)
    columns = [group.column(index) for index in range(group.num_columns)]
    return {
        column.path_in_schema: "none" if column.compression == "UNCOMPRESSED" else column.compression.lower()
        for column in columns
    }
