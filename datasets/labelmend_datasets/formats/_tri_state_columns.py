"""Columns of Parquet files that hold 1, -1, 0 or nothing, in any type that can."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labelmend_core.types import ABSENT, PRESENT, UNOBSERVED, Int8Array
from labelmend_datasets.formats._source import fault, shown


def is_values(kind: pa.DataType) -> bool:
    """Return whether a column of this type can hold labels."""
    types = pa.types
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_null(kind))


def holds_negatives(kind: pa.DataType) -> bool:
    """Return whether a column of this type can say that a class is absent: not as true or false, not unsigned."""
    return bool(pa.types.is_signed_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind))


def values_of(column: pa.Array, source: Path, name: str, first: int) -> Int8Array:
    """Return the labels of a column; an empty cell and NaN are unobserved, true is present, false is unobserved.

    Raises:
        AnnotationError: a cell holds something else.
    """
    if pa.types.is_null(column.type):
        return np.zeros(len(column), dtype=np.int8)
    numbers = column.cast(pa.int8()) if pa.types.is_boolean(column.type) else column
    numbers = pc.fill_null(numbers, pa.scalar(0, type=pa.int8()).cast(numbers.type))
    values = numbers.to_numpy(zero_copy_only=False)
    values = np.where(np.isnan(values), 0, values) if pa.types.is_floating(numbers.type) else values
    wrong = np.flatnonzero(~np.isin(values, (PRESENT, ABSENT, UNOBSERVED)))
    if wrong.size:
        where = f"row {first + int(wrong[0])}, column {shown(name)}"
        cure = "1 is present, -1 is absent because somebody looked, 0 or empty is unobserved"
        raise fault(source, where, "a value of 1, 0 or -1", f"{values[wrong[0]]:g}", cure)
    labels: Int8Array = values.astype(np.int8)
    return labels


def with_values(column: pa.ChunkedArray, rows: list[int], values: list[int], kind: pa.DataType) -> pa.Array:
    """Return a column, as type `kind`, with the values of some rows replaced; what the type cannot hold is 0.

    Example:
        >>> with_values(pa.chunked_array([[1.0, None, 0.0]]), [1, 2], [1, -1], pa.float64()).to_pylist()
        [1.0, 1.0, -1.0]
        >>> with_values(pa.chunked_array([[True, False]]), [0, 1], [-1, 1], pa.bool_()).to_pylist()
        [False, True]
    """
    whole = column.combine_chunks().cast(kind)
    if isinstance(whole, pa.ChunkedArray):
        whole = pa.concat_arrays(whole.chunks)
    order = np.argsort(rows)
    held = [values[place] if values[place] >= 0 or holds_negatives(kind) else 0 for place in order.tolist()]
    mask = np.zeros(len(whole), dtype=bool)
    mask[rows] = True
    return pc.replace_with_mask(whole, pa.array(mask), pa.array(held, type=pa.int8()).cast(kind))
