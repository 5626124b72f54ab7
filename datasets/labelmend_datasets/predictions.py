"""Somebody else's probabilities: dense or sparse, matched to labels by image and class name where they carry any."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from labelmend_core.errors import AnnotationError
from labelmend_core.top_scores import TopScores, fingerprint_of
from labelmend_datasets.arrays import read_npy, read_npz
from labelmend_datasets.formats._source import fault, shown
from labelmend_datasets.labels import GivenLabels
from labelmend_datasets.tables import Batch, Show, Table, numbers

SUFFIXES = (".npy", ".npz", ".csv", ".parquet")
_Array = TypeVar("_Array", NDArray[np.floating], TopScores)
_LABEL = ("label", "class")
_PROBABILITY = ("probability", "prob", "p", "score", "confidence")


@dataclass(frozen=True)
class Predictions:
    """Probabilities in the order of the labels, and all names that labels or probabilities carry.

    Attributes:
        pred_probs: (N, K), dense (`.npy` stays in its file), sparse, or the highest ones of each image.
        image_ids: length N, None where nothing names the images.
        class_names: length K, None likewise.
    """

    pred_probs: NDArray[np.floating] | sparse.csr_array | TopScores
    image_ids: Sequence[str] | None
    class_names: Sequence[str] | None


def read_predictions(path: Path, given: GivenLabels, *, show: Show | None = None) -> Predictions:
    """Return probabilities in the order of the labels' images and classes.

    Arrays (`.npy`, memory-mapped; `.npz`, sparse) and the folder of `labelmend score` must be in that order already. A
    table has an image a row and a column a class, or the columns image, label and probability, where what has no row is
    0; names are matched in any order, and images and classes that the labels do not know are left out. Nothing is ever
    unpickled.

    Args:
        path: the file, or the folder of merged scores.
        given: whose images and classes are asked for.
        show: told how far a table is read.

    Raises:
        AnnotationError: another suffix, a damaged file, no probability, or images or classes that do not match.
    """
    if path.is_dir():
        return Predictions(_top_scores(path, given), given.image_ids, given.class_names)
    if path.suffix not in SUFFIXES:
        raise AnnotationError(f"Expected probabilities as {', '.join(SUFFIXES)}, got {path}")
    if path.suffix in (".npy", ".npz"):
        read = read_npy if path.suffix == ".npy" else read_npz
        return Predictions(_of_shape(path, read(path, "probabilities"), given), given.image_ids, given.class_names)
    table = Table(path, text=_LABEL)
    columns = {name.strip().lower(): name for name in table.names}
    label, value = (
        next((columns[name] for name in names if name in columns), None) for names in (_LABEL, _PROBABILITY)
    )
    if label is not None and value is not None and len(columns) == 2:
        return _long(table, label, value, given, show)
    return _wide(table, given, show)


def _of_shape(path: Path, array: _Array, given: GivenLabels) -> _Array:
    if array.shape != given.labels.shape:
        raise AnnotationError(
            f"Expected probabilities of shape {given.labels.shape} in {path} to match the labels, got {array.shape}; "
            "was a class or an image dropped on export?"
        )
    return array


def _top_scores(folder: Path, given: GivenLabels) -> TopScores:
    found = TopScores.open(folder)
    _of_shape(folder, found, given)
    if given.class_names is not None and tuple(given.class_names) != found.about.class_names:
        raise AnnotationError(
            f"Expected the scores in {folder} to be of the labels' classes in their order, but they are not; "
            "name them in the network's order with --classes."
        )
    if given.image_ids is not None and fingerprint_of(given.image_ids) != found.about.images:
        raise AnnotationError(
            f"Expected the scores in {folder} to be of the labels' images in their order, but they are not; "
            "were they made with another file of labels?"
        )
    return found


def _wide(table: Table, given: GivenLabels, show: Show | None) -> Predictions:
    n, k = given.labels.shape
    class_names = given.class_names or table.names
    if given.class_names is None and len(table.names) != k:
        got = f"{len(table.names)}"
        raise fault(table.path, "the header", f"{k} classes as the labels have", got, "are they of the same classes?")
    _refuse(table, "classes", k, sorted(set(class_names) - set(table.names)), table.names)
    pred_probs = np.empty((n, k), dtype=np.float32)
    images = _Images(table, given)
    for batch in table.batches(show):
        rows, places = images.places(batch)
        values = numbers(table, batch, class_names)[rows]
        _require_probabilities(table, batch, rows, values, class_names)
        pred_probs[places] = values
    images.require_all()
    return Predictions(pred_probs, images.names, given.class_names or class_names)


def _long(table: Table, label: str, value: str, given: GivenLabels, show: Show | None) -> Predictions:
    if given.image_ids is None or given.class_names is None:
        cure = "give the labels in a format with names, or the probabilities with a column a class"
        raise fault(table.path, "the header", "a column a class, as the labels name nothing", "a row a label", cure)
    images, classes = pd.Index(given.image_ids), pd.Index(given.class_names)
    parts: list[tuple[NDArray[np.generic], ...]] = []
    some: list[str] = []
    for batch in table.batches(show):
        values = numbers(table, batch, [value])
        _require_probabilities(table, batch, np.arange(len(values)), values, [value])
        rows, columns = images.get_indexer(batch.images), classes.get_indexer(batch.columns[label].astype(str))
        known = (rows >= 0) & (columns >= 0)
        some = some or batch.images[:3]
        parts.append((rows[known], columns[known], values[known, 0], batch.first + np.flatnonzero(known)))
    rows, columns, data, lines = (np.concatenate([np.zeros(0, np.int64), *part]) for part in zip(*parts, strict=True))
    order = np.lexsort((columns, rows))
    twice = np.flatnonzero((np.diff(rows[order]) == 0) & (np.diff(columns[order]) == 0))
    if twice.size:
        cell = order[twice[0] + 1]
        got = f"a second one of {shown(images[int(rows[cell])])} and {shown(classes[int(columns[cell])])}"
        raise fault(table.path, f"row {lines[cell]}", "one probability a label", got, "keep the row that is right")
    if not data.size:
        _refuse(table, "images", len(images), given.image_ids, some)
    matrix = sparse.csr_array((data.astype(np.float32), (rows, columns)), shape=given.labels.shape)
    return Predictions(matrix, given.image_ids, given.class_names)


class _Images:
    """Where the rows of a table go: to the image of their name or, where the labels have no names, one by one."""

    def __init__(self, table: Table, given: GivenLabels) -> None:
        self._table = table
        self._n = given.labels.shape[0]
        self._index = None if given.image_ids is None else pd.Index(given.image_ids)
        self.names: list[str] = [] if given.image_ids is None else list(given.image_ids)
        self._filled = np.zeros(self._n, dtype=bool)
        self._some: list[str] = []

    def places(self, batch: Batch) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return rows of the batch, and the image that each is of."""
        if self._index is None:
            self.names += batch.images
            if len(self.names) > self._n:
                where, expected = f"row {self._n + 1}", f"{self._n} images as the labels have"
                raise fault(self._table.path, where, expected, "more", "were images dropped from the labels?")
            return np.arange(len(batch.images)), np.arange(len(self.names) - len(batch.images), len(self.names))
        places = self._index.get_indexer(batch.images)
        rows = np.flatnonzero(places >= 0)
        places = places[rows]
        again = np.flatnonzero(self._filled[places] | pd.Index(places).duplicated())
        if again.size:
            row = rows[again[0]]
            got, cure = f"{shown(batch.images[row])} again", "keep the row that is right"
            raise fault(self._table.path, f"row {batch.first + row}", "one row an image", got, cure)
        self._filled[places] = True
        self._some = self._some or batch.images[:3]
        return rows, places

    def require_all(self) -> None:
        """Raise an `AnnotationError` if an image of the labels has no row, or two rows are of one image."""
        path = self._table.path
        if self._index is not None:
            absent = [self.names[place] for place in np.flatnonzero(~self._filled)]
            _refuse(self._table, "images", self._n, absent, self._some)
        elif len(self.names) < self._n:
            got, cure = f"{len(self.names)}", "were images dropped from the probabilities?"
            raise fault(path, "its end", f"{self._n} images as the labels have", got, cure)
        elif (twice := pd.Index(self.names).duplicated()).any():
            got = f"{shown(self.names[int(np.flatnonzero(twice)[0])])} again"
            raise fault(path, f"row {np.flatnonzero(twice)[0] + 1}", "every image once", got, "rename one of them")


def _refuse(table: Table, what: str, n: int, absent: Sequence[str], there: Sequence[str]) -> None:
    """Raise an `AnnotationError` if names of the labels are not in a table."""
    if absent:
        has = f"it has {', '.join(map(shown, there[:3]))}, …" if there else "it has none"
        raise AnnotationError(
            f"Expected {table.path} to have all {n} {what} of the labels, but {len(absent)} are not there, the first "
            f"{shown(absent[0])}; {has}: was it made for another dataset, or are the names spelt in another way?"
        )


def _require_probabilities(
    table: Table, batch: Batch, rows: NDArray[np.int64], values: NDArray[np.floating], names: Sequence[str]
) -> None:
    wrong = np.argwhere(~((values >= 0) & (values <= 1)))
    if len(wrong):
        row, column = wrong[0]
        value = values[row, column]
        got = "nothing" if np.isnan(value) else f"{value:g}"
        cure = "fill the cell or drop that image" if np.isnan(value) else "are these logits? Apply the sigmoid first"
        where = f"row {batch.first + rows[row]} ({shown(batch.images[rows[row]])}), column {shown(names[column])}"
        raise fault(table.path, where, "a probability in [0, 1]", got, cure)
