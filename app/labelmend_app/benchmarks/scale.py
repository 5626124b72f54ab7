"""The store of highest probabilities at full size: how large, how long to write, merge and search, how much memory."""

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from labelmend_core.detection import find_label_issues
from labelmend_core.top_scores import About, merge, write_block
from labelmend_core.training.scoring import kept_of
from labelmend_core.types import LabelMatrix

_BLOCK = 4_096  # images of a file
_STEP = 512  # of them at a time
_MISSING, _SPURIOUS = 0.1, 0.03  # of the labels
_COMPARED = 2_000  # images whose probabilities are searched whole, too
Show = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Scale:
    """What the store costs.

    Attributes:
        dense_bytes: of all probabilities in float16.
        select_seconds: choosing what is kept; write_seconds, merge_seconds: putting it on the disk.
        find_seconds: from the merged store to the ranked errors.
        peak_bytes: the most memory that the process had.
        missing_found, spurious_found: share of the planted errors among as many at the top of each ranking, in [0, 1].
        same_as_dense: share of the errors found in all probabilities of the first images that are found in the store of
            them as well, in [0, 1].
    """

    images: int
    classes: int
    kept: int
    bytes: int
    dense_bytes: int
    select_seconds: float
    write_seconds: float
    merge_seconds: float
    find_seconds: float
    peak_bytes: int
    missing_found: float
    spurious_found: float
    same_as_dense: float


class _Network:
    """Says what a network might: low nearly everywhere, high where something is shown."""

    def __init__(self, classes: int, rng: np.random.Generator) -> None:
        # Drawn once and shifted from image to image: ten thousand million draws would take longer than all else.
        noise = rng.normal(-7.0, 1.5, size=(_STEP, classes)).astype(np.float32)
        self._noise = torch.from_numpy(np.concatenate([noise, noise], axis=1)).sigmoid_()
        self._classes = classes

    def __call__(self, start: int, stop: int, shown: tuple[NDArray[np.int64], NDArray[np.int64]]) -> torch.Tensor:
        shift = start * 31 % self._classes
        p = self._noise[: stop - start, shift : shift + self._classes].clone()
        rows, classes = (torch.from_numpy(index) for index in shown)
        p[rows, classes] = torch.sigmoid(2.5 + 0.25 * torch.logit(p[rows, classes]) + 1.5)
        return p


def run(folder: Path, *, images: int, classes: int, keep: int, seed: int, show: Show) -> Scale:
    """Return what the store of so many images and classes costs; it is left in the folder.

    Args:
        folder: that is empty.
        images, classes: N and K.
        keep: highest probabilities of each image.
        seed: of labels, errors and probabilities.
        show: told phase, images done and images in all.
    """
    rng = np.random.default_rng(seed)
    truth, given, missing, spurious = _labels(images, classes, rng)
    about = About(images, tuple(f"{k}" for k in range(classes)), keep, "synthetic", "synthetic")
    network = _Network(classes, rng)
    selecting = writing = 0.0
    for start in range(0, images, _BLOCK):
        kept = []
        for first in range(start, min(start + _BLOCK, images), _STEP):
            last = min(first + _STEP, start + _BLOCK, images)
            p = _pred_probs(network, truth, first, last)
            begun = time.perf_counter()
            rows, columns, _ = given.cells(first, last)
            kept += kept_of(p, keep, rows - first, columns)
            selecting += time.perf_counter() - begun
        begun = time.perf_counter()
        write_block(folder, about, start, kept)
        writing += time.perf_counter() - begun
        show("scoring", min(start + _BLOCK, images), images)
    begun = time.perf_counter()
    store = merge(folder)
    merged = time.perf_counter()
    issues = find_label_issues(
        given, store, min_probability=0.5, progress=lambda done, total: show("finding", done, total)
    )
    found = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    same = _same_as_dense(network, truth, given, keep, folder / "first")
    return Scale(
        images,
        classes,
        store.nnz,
        sum((folder / f"{name}.npy").stat().st_size for name in ("indptr", "indices", "data")),
        2 * images * classes,
        selecting,
        writing,
        merged - begun,
        found - merged,
        peak,
        _share(issues[issues["kind"] == "missing"], missing, classes),
        _share(issues[issues["kind"] == "spurious"], spurious, classes),
        same,
    )


def _labels(
    images: int, classes: int, rng: np.random.Generator
) -> tuple[LabelMatrix, LabelMatrix, NDArray[np.int64], NDArray[np.int64]]:
    """Return true and given labels, and the cells (image x K + class) that are missing and spurious in these."""
    cells = np.unique(
        rng.integers(images, size=3 * images) * classes + (classes * rng.random(3 * images) ** 3).astype(int)
    )
    chance = rng.random(len(cells))
    missing = cells[chance < _MISSING]
    wrong = rng.integers(images * classes, size=round(_SPURIOUS * len(cells)))
    spurious = np.setdiff1d(wrong, cells)
    given = np.union1d(cells[chance >= _MISSING], spurious)
    return _matrix(cells, (images, classes)), _matrix(given, (images, classes)), missing, spurious


def _matrix(cells: NDArray[np.int64], shape: tuple[int, int]) -> LabelMatrix:
    return LabelMatrix.from_cells(*np.divmod(cells, shape[1]), np.ones(len(cells), dtype=np.int8), shape)


def _pred_probs(network: _Network, truth: LabelMatrix, start: int, stop: int) -> torch.Tensor:
    rows, columns, _ = truth.cells(start, stop)
    return network(start, stop, (rows - start, columns))


def _share(issues: pd.DataFrame, planted: NDArray[np.int64], classes: int) -> float:
    """Return the share of planted errors among as many at the top."""
    top = issues.head(len(planted))
    cells = top["image"].to_numpy().astype(np.int64) * classes + top["class"].to_numpy().astype(np.int64)
    return float(np.isin(planted, cells).mean())


def _same_as_dense(network: _Network, truth: LabelMatrix, given: LabelMatrix, keep: int, folder: Path) -> float:
    """Return how many of the errors of the first images the store of them finds that all probabilities show."""
    n = min(_COMPARED, truth.shape[0])
    steps = [(start, min(start + _STEP, n)) for start in range(0, n, _STEP)]
    dense = torch.cat([_pred_probs(network, truth, *step) for step in steps])
    labels = given.select(np.arange(n))
    about = About(n, tuple(f"{k}" for k in range(truth.shape[1])), keep, "synthetic", "synthetic")
    rows, columns, _ = labels.cells()
    write_block(folder, about, 0, kept_of(dense, keep, rows, columns))
    of_all, of_few = (
        find_label_issues(labels, probs, min_probability=0.5)[["image", "class", "kind"]]
        for probs in (dense.numpy().astype(np.float16), merge(folder))
    )
    return len(of_all.merge(of_few)) / max(len(of_all), 1)
