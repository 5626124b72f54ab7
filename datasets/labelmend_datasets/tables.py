"""Tables that somebody else wrote, CSV or Parquet, some rows at a time."""

import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from labelmend_core.errors import AnnotationError
from labelmend_datasets.formats._source import fault, shown

SUFFIXES = (".csv", ".parquet")
IMAGE = "image"
_EMPTY = ["", "NA", "N/A", "NaN", "nan", "NULL", "null", "None"]  # how tools write that a number is missing
_UNNAMED_INDEX = re.compile(r"__index_level_\d+__")
_CELLS = 1 << 20  # of a batch

Show = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Batch:
    """Some rows of a table.

    Attributes:
        first: number of the first row, from 1, without the header.
        images: name of the image of each row.
        columns: the other columns.
    """

    first: int
    images: list[str]
    columns: pd.DataFrame


class Table:
    """A file with an image a row; its images are in the column `image`, else in the first one.

    Attributes:
        path: of the file.
        names: of the other columns.
    """

    def __init__(self, path: Path, *, text: Sequence[str] = ()) -> None:
        """Read the header; columns named in `text` are names, too, not numbers."""
        self.path = path
        with _readable(path):
            names = _header_of_csv(path) if path.suffix == ".csv" else _header_of_parquet(path)
        lower = [name.strip().lower() for name in names]
        if not names or len(set(names)) != len(names):
            got = "no column" if not names else f"{shown(next(n for n in names if names.count(n) > 1))} twice"
            raise fault(path, "the header", "each column once", got, "rename or remove the column")
        self._image = names[lower.index(IMAGE) if IMAGE in lower else 0]
        self._text = [name for name in names if name == self._image or name.strip().lower() in text]
        self.names = [name for name in names if name != self._image]
        self._all = names

    def batches(self, show: Show | None = None) -> Iterator[Batch]:
        """Yield all rows in order.

        Args:
            show: told how far the file is read, as `show(phase, done, total)`.

        Raises:
            AnnotationError: the file is damaged.
        """
        size = max(1, _CELLS // len(self._all))
        first = 1
        with _readable(self.path):
            for frame in self._csv(size, show) if self.path.suffix == ".csv" else self._parquet(size, show):
                images = [str(image) for image in frame[self._image]]
                yield Batch(first, images, frame[self.names])
                first += len(frame)

    def _csv(self, size: int, show: Show | None) -> Iterator[pd.DataFrame]:
        # So that 007 stays 007 and NA is a name.
        as_text = dict.fromkeys(self._text, str)
        empty = {name: _EMPTY for name in self._all if name not in as_text}
        total = self.path.stat().st_size
        with self.path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frames = pd.read_csv(
                file,
                chunksize=size,
                header=0,
                names=self._all,  # pandas would give a column without a name one
                dtype=as_text,
                na_values=empty,
                keep_default_na=False,
                index_col=False,
            )
            for frame in frames:
                yield frame
                if show is not None:
                    show(f"reading {self.path.name}", file.tell(), total)

    def _parquet(self, size: int, show: Show | None) -> Iterator[pd.DataFrame]:
        with pq.ParquetFile(self.path) as file:
            done = 0
            for batch in file.iter_batches(batch_size=size, columns=self._all):
                yield batch.to_pandas(ignore_metadata=True)
                done += batch.num_rows
                if show is not None:
                    show(f"reading {self.path.name}", done, file.metadata.num_rows)


def numbers(table: Table, batch: Batch, names: Sequence[str]) -> NDArray[np.floating]:
    """Return columns of a batch as float32, NaN where a cell is empty.

    Raises:
        AnnotationError: a cell holds no number.
    """
    values = np.empty((len(batch.images), len(names)), dtype=np.float32)
    for place, name in enumerate(names):
        try:
            values[:, place] = _numbers(table, batch, name)
        except OverflowError as error:  # a whole number that no float is as large as
            where = f"column {shown(name)}, from row {batch.first} on"
            raise fault(table.path, where, "numbers", "one that is too large", "is it a number of an image?") from error
    return values


def _numbers(table: Table, batch: Batch, name: str) -> NDArray[np.floating]:
    column = batch.columns[name]
    if not pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        as_numbers = pd.to_numeric(column, errors="coerce")
        wrong = np.flatnonzero(as_numbers.isna() & column.notna())
        if wrong.size:
            where = f"row {batch.first + wrong[0]}, column {shown(name)}"
            found = shown(column.iloc[wrong[0]])
            raise fault(table.path, where, "a number", found, "is that the column of a class?")
        column = as_numbers
    with np.errstate(over="ignore"):  # infinite is no probability either, and that is said in the end
        values: NDArray[np.floating] = column.to_numpy(dtype=np.float32, na_value=np.nan)
    return values


def _header_of_csv(path: Path) -> list[str]:
    frame = pd.read_csv(path, header=None, nrows=1, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    return [str(name) for name in frame.iloc[0]]


def _header_of_parquet(path: Path) -> list[str]:
    """Return the columns; an index of pandas without a name counts where it alone can name the images."""
    schema = pq.read_schema(path)
    unnamed = [name for name in schema.names if _UNNAMED_INDEX.fullmatch(name)]
    names = [name for name in schema.names if name not in unnamed]
    has_images = any(name.strip().lower() == IMAGE for name in names)
    of_text = [name for name in unnamed if str(schema.field(name).type) in ("string", "large_string")]
    return names if has_images else [*of_text[:1], *names]


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise AnnotationError(f"Expected a table at {path}, but nothing is there; is the path right?") from error
    except AnnotationError:
        raise
    except (ValueError, OSError, pd.errors.ParserError, pd.errors.ParserWarning, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise AnnotationError(
            f"Expected a whole {path.suffix} table with a header at {path}, got: {reason}; was it written to its end?"
        ) from error
