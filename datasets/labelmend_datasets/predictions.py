"""Somebody else's probabilities: `.npy`, CSV or Parquet, matched to a dataset by image and class name."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from labelmend_core.errors import AnnotationError
from labelmend_core.types import AnnotatedDataset

SUFFIXES = (".npy", ".csv", ".parquet")


def read_predictions(path: Path, dataset: AnnotatedDataset) -> NDArray[np.floating]:
    """Return probabilities of shape (N, K) in the order of the dataset's images and classes.

    A `.npy` array must be in that order already (it is memory-mapped, never unpickled). A table has the
    image in its first column and one column a class, in any order.

    Args:
        path: the file.
        dataset: whose images and classes are asked for.

    Raises:
        AnnotationError: another suffix, a damaged file, or images or classes that do not match.
    """
    if path.suffix not in SUFFIXES:
        raise AnnotationError(f"Expected probabilities as {', '.join(SUFFIXES)}, got {path}")
    try:
        if path.suffix == ".npy":
            array: NDArray[np.floating] = np.load(path, mmap_mode="r", allow_pickle=False)
            return array
        frame = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    except (ValueError, EOFError, UnicodeDecodeError, pd.errors.ParserError, pa.ArrowInvalid) as error:
        raise AnnotationError(f"Expected a whole {path.suffix} file of numbers at {path}, got: {error}") from error
    except FileNotFoundError as error:
        raise AnnotationError(f"Expected probabilities at {path}, found nothing; is the path right?") from error
    return _matched(path, frame, dataset)


def _matched(path: Path, frame: pd.DataFrame, dataset: AnnotatedDataset) -> NDArray[np.floating]:
    image = frame.columns[0]
    if frame[image].duplicated().any():
        twice = frame.loc[frame[image].duplicated(), image].iloc[0]
        raise AnnotationError(f"Expected one row an image in {path}, got two of {twice}")
    table = frame.set_index(frame[image].astype(str)).drop(columns=image)
    _require(path, "classes", dataset.class_names, table.columns)
    _require(path, "images", dataset.image_ids, table.index)
    chosen = table.loc[list(dataset.image_ids), list(dataset.class_names)]
    not_numbers = [name for name in chosen.columns if not pd.api.types.is_numeric_dtype(chosen[name])]
    if not_numbers:
        raise AnnotationError(f"Expected numbers in column {not_numbers[0]!r} of {path}, got text")
    probabilities: NDArray[np.floating] = chosen.to_numpy()
    return probabilities


def _require(path: Path, what: str, wanted: Sequence[str], found: pd.Index) -> None:
    absent = sorted(set(wanted) - set(map(str, found)))
    if absent:
        raise AnnotationError(
            f"Expected {path} to have all {len(wanted)} {what}, but {len(absent)} are not there, the first "
            f"{absent[0]!r}; was it made for another dataset?"
        )
