"""Suspicious cells by probabilities alone, a chunk at a time: never a second copy of N x K numbers.

The first pass adds up what each image is expected to show, and counts the cells in bins of p and of how many other
classes their image shows, which is all that calibration needs; where a chunk is of classes and not of images, these
are two passes. The last one collects the cells that are suspicious enough, and only those are ordered.
"""

from dataclasses import dataclass
from threading import Lock

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from labelmend_core.detection.bins import N_BINS, N_OTHERS, bins_of, cells_of, centres, quantile_steps
from labelmend_core.detection.calibrate import calibrate_counts
from labelmend_core.detection.chunks import CHUNK, Probabilities
from labelmend_core.detection.labelling import LEAST_LABELLED, eased, eased_tail, fit_counts, share_wrong
from labelmend_core.detection.parts import Part, Parts, Progress, best_of_each_class
from labelmend_core.detection.recalibration import recalibrate
from labelmend_core.types import IntArray, Kind, LabelMatrix

STEPS = 60  # of a calibration
WIDER = 3  # bins that are one to the fit of how labels came about: .13 in log-odds
OTHERS = 10  # steps of how much else an image shows, with about as many labels each

_DIGITS = 12  # of a probability: how a machine rounds beyond them must not decide which of two cells comes first

FloatArray = NDArray[np.floating]


def rank_probabilities(
    labels: LabelMatrix,
    pred_probs: Probabilities,
    *,
    min_probability: float,
    top: int | None = None,
    progress: Progress | None = None,
    threads: int | None = None,
    chunk_cells: int = CHUNK,
) -> pd.DataFrame:
    """Return suspicious cells as `rank.ranked` does, from probabilities that may be larger than the memory.

    Probabilities of errors come from how labels came about (`labelling.py`), the same for all classes, but other ones
    the more else an image is expected to show: where one label of each image was given, most are missing there.
    Cells that somebody saw to be absent (-1) are calibrated apart from unobserved ones (0): a verified negative is
    rarely wrong, and how rarely is read from the scores of such cells alone.

    Args:
        labels: (N, K).
        pred_probs: of the same shape, from `chunks.probabilities`.
        min_probability: least error_probability of a returned cell, in [0, 1]; 0 returns every cell.
        top: at most so many cells of each class and kind, the likeliest errors.
        progress: told how many of how many steps are done.
        threads: as many as there are cores without it.
        chunk_cells: about so many cells at a time in each thread.

    Raises:
        InputError: a probability outside [0, 1] or NaN.
    """
    passes = 2 + pred_probs.by_class + (top is not None)
    parts = Parts(labels, pred_probs, passes=passes, chunk_cells=chunk_cells, threads=threads, progress=progress)
    shown, counts = _counted(parts, labels.shape[0], by_class=pred_probs.by_class)
    curves = _calibrated(counts)
    least = np.full(labels.shape[1], curves.unobserved.least_bin(min_probability))
    if top is not None:
        least = np.maximum(least, curves.unobserved.bins_of_best(_counted_by_class(parts, labels.shape[1]), top))
    found = _collected(parts, shown, curves, least, min_probability, top)
    return pd.concat([_ranked(kind, found, labels.shape[1], top) for kind in Kind], ignore_index=True)


@dataclass(frozen=True)
class _Counts:
    """How many cells of each given label are beside how many others and in which bin, (N_OTHERS, N_BINS)."""

    unobserved: IntArray
    absent: IntArray
    present: IntArray


@dataclass(frozen=True)
class _Curve:
    """Probability of an error of one kind, by number of others and bin of p; all classes share it.

    Attributes:
        probability, low, high: (N_OTHERS, N_BINS), rising with the bin for missing labels, falling for spurious ones.
    """

    kind: Kind
    probability: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def at(self, cells: NDArray[np.int32]) -> NDArray[np.float64]:
        """Return error probability, low and high, (3, M), of cells as `cells_of` numbers them."""
        return np.stack([one.ravel()[cells] for one in (self.probability, self.low, self.high)])

    def suspicion(self, p: FloatArray) -> FloatArray:
        """Return p, or -p where a low one is suspicious."""
        return p if self.kind is Kind.MISSING else -p

    def least_bin(self, min_probability: float) -> int:
        """Return the least bin of p that is likely enough beside some number of others; `N_BINS` where none is."""
        enough = self.probability.max(axis=0) >= min_probability
        return int(enough.argmax()) if enough.any() else N_BINS

    def bins_of_best(self, candidates: IntArray, top: int) -> IntArray:
        """Return (K,) the least bin in which one of the `top` likeliest of a class may be.

        Args:
            candidates: (K, N_BINS) cells.
            top: at least one.
        """
        likelier = np.searchsorted(self.probability.min(axis=0), self.probability.max(axis=0), side="right")
        from_here_up = np.zeros((len(candidates), N_BINS + 1), dtype=np.int64)
        from_here_up[:, :-1] = candidates[:, ::-1].cumsum(axis=1)[:, ::-1]
        least: IntArray = (from_here_up[:, likelier] >= top).sum(axis=1)
        return least


@dataclass(frozen=True)
class _Curves:
    """Of the candidates of each given label."""

    unobserved: _Curve
    absent: _Curve
    present: _Curve


@dataclass(frozen=True)
class _Hits:
    """Cells that are suspicious enough by one curve: image x K + class, where on the curve, and p."""

    curve: _Curve
    numbers: IntArray
    places: NDArray[np.int32]
    p: FloatArray


def _counted(parts: Parts, n_images: int, *, by_class: bool) -> tuple[NDArray[np.float64], _Counts]:
    """Return how many classes each image is expected to show, (N,), and how often each p is beside how many others."""
    shown = np.zeros(n_images)
    everything, absent, present = (np.zeros(N_OTHERS * N_BINS, dtype=np.int64) for _ in range(3))
    lock = Lock()

    def add_up(part: Part) -> None:
        part.chunk.check()
        part.chunk.add_up(shown, lock)

    def count(part: Part) -> None:
        if not by_class:
            add_up(part)
        part.chunk.count_beside(shown, everything, lock)
        for keys, counts in ((part.absent, absent), (part.present, present)):
            cells = cells_of(part.chunk.at(keys), shown[part.images(keys)])
            with lock:
                np.add.at(counts, cells, 1)

    for work in (add_up, count) if by_class else (count,):
        for _ in parts.each(work):
            pass
    everything -= absent
    everything -= present
    return shown, _Counts(*(counts.reshape(N_OTHERS, N_BINS) for counts in (everything, absent, present)))


def _counted_by_class(parts: Parts, n_classes: int) -> IntArray:
    """Return how many unobserved cells of each class there are in each bin, (K, N_BINS)."""
    unobserved = np.zeros((n_classes, N_BINS), dtype=np.int64)
    lock = Lock()

    def count(part: Part) -> None:
        part.chunk.count(unobserved, lock)
        keys = np.concatenate([part.absent, part.present])
        bins = np.concatenate([bins_of(part.chunk.at(one)) for one in (part.absent, part.present)])
        with lock:
            np.subtract.at(unobserved, (part.classes(keys), bins), 1)

    for _ in parts.each(count):
        pass
    return unobserved


def _calibrated(counts: _Counts) -> _Curves:
    present, unobserved = counts.present.sum(axis=0), counts.unobserved.sum(axis=0)
    absent = _compared(Kind.MISSING, counts.absent.sum(axis=0), present)
    if present.sum() < LEAST_LABELLED or not unobserved.any():
        not_present = unobserved + counts.absent.sum(axis=0)
        spurious = _compared(Kind.SPURIOUS, present, not_present)
        return _Curves(_compared(Kind.MISSING, unobserved, present), absent, spurious)
    step, beside = _steps_of_others(counts.present)
    wider = np.arange(0, N_BINS, WIDER)
    by_step = [np.zeros((len(beside) + 1, len(wider)), dtype=np.int64) for _ in range(2)]
    for together, cells in zip(by_step, (counts.present, counts.unobserved), strict=True):
        np.add.at(together, step, np.add.reduceat(cells, wider, axis=1))
    labelling = fit_counts(by_step[0].T[None], by_step[1].T[None], centres()[wider + (WIDER - 1) // 2], beside)
    x, others = np.tile(centres(), N_OTHERS), np.repeat(np.arange(N_OTHERS, dtype=np.float64), N_BINS)
    one_class = np.zeros(len(x), dtype=np.int64)
    missing, spurious_like = (labelling.wrong(one_class, x, others, labelled=labelled) for labelled in (False, True))
    spurious_like *= share_wrong(float(present.sum()), float(counts.present.ravel() @ spurious_like))
    return _Curves(_expected(Kind.MISSING, eased(missing)), absent, _expected(Kind.SPURIOUS, eased_tail(spurious_like)))


def _steps_of_others(present: IntArray) -> tuple[IntArray, NDArray[np.float64]]:
    """Return to which of about `OTHERS` wider steps each one belongs, (N_OTHERS,), and where each of them begins."""
    so_many = present.sum(axis=1).cumsum()
    last = np.unique(np.searchsorted(so_many, np.linspace(0, 1, OTHERS + 1)[1:-1] * so_many[-1]))
    last = last[last < np.flatnonzero(present.any(axis=1))[-1]]  # nothing is labelled beyond
    return np.searchsorted(last, np.arange(N_OTHERS)), last + 1.0


def _expected(kind: Kind, probability: NDArray[np.float64]) -> _Curve:
    """Return the curve of candidates whose probability is known, (N_OTHERS x N_BINS,)."""
    probability = probability.round(_DIGITS)
    _, low, high = recalibrate(1)(np.zeros(len(probability), dtype=np.int64), probability)
    return _Curve(kind, *(one.reshape(N_OTHERS, N_BINS) for one in (probability, low, high)))


def _compared(kind: Kind, candidates: IntArray, error_like: IntArray) -> _Curve:
    """Return the curve of candidates by cells that look like errors, both (N_BINS,), whatever is beside them.

    For missing labels suspicion rises with the bin, for spurious it falls.
    """
    way = 1 if kind is Kind.MISSING else -1
    n, e = candidates[::way], error_like[::way]
    starts = quantile_steps(n, e, STEPS)
    found = calibrate_counts(np.add.reduceat(n, starts), np.add.reduceat(e, starts))
    step = (np.searchsorted(starts, np.arange(N_BINS), side="right") - 1)[::way]
    return _Curve(kind, *(np.tile(one[step], (N_OTHERS, 1)) for one in (found.probability, found.low, found.high)))


def _collected(
    parts: Parts, shown: NDArray[np.float64], curves: _Curves, least: IntArray, min_probability: float, top: int | None
) -> list[_Hits]:
    """The last pass: the cells that are suspicious enough, of the unobserved ones those from bin `least[class]` up."""

    def hits(part: Part, curve: _Curve, keys: IntArray) -> _Hits:
        p, classes = part.chunk.at(keys), part.classes(keys)
        p = p.astype(np.float32) if p.dtype == np.float16 else p
        places = cells_of(p, shown[part.images(keys)])
        probability = curve.probability.ravel()[places]
        kept = np.flatnonzero(probability >= min_probability)
        if top is not None:
            kept = kept[best_of_each_class(classes[kept], probability[kept], top, curve.suspicion(p[kept]))]
        return _Hits(curve, part.numbers(keys[kept]), places[kept], p[kept])

    def collect(part: Part) -> list[_Hits]:
        unobserved = part.unobserved(part.chunk.at_least(least))
        of_each_label = (
            (curves.unobserved, unobserved),
            (curves.absent, part.absent),
            (curves.present, part.present),
        )
        return [hits(part, curve, keys) for curve, keys in of_each_label if keys.size]

    return [one for found in parts.each(collect) for one in found]


def _ranked(kind: Kind, found: list[_Hits], n_classes: int, top: int | None) -> pd.DataFrame:
    """Return the cells of one kind: the likeliest error first, then the more suspicious p, then by image and class."""
    own = [hits for hits in found if hits.curve.kind is kind]
    cells = np.concatenate([np.zeros(0, dtype=np.int64), *(hits.numbers for hits in own)])
    p = np.concatenate([np.zeros(0, dtype=np.float32), *(hits.p for hits in own)])
    found_by_curve = [hits.curve.at(hits.places) for hits in own]
    probability, low, high = np.concatenate([np.zeros((3, 0)), *found_by_curve], axis=1)
    order = np.lexsort((cells, -p if kind is Kind.MISSING else p, -probability))
    if top is not None:
        order = order[best_of_each_class(cells[order] % n_classes, -np.arange(len(order)), top)]
    quality = p[order].astype(np.float64)
    return pd.DataFrame(
        {
            "image_index": cells[order] // max(1, n_classes),
            "class_index": cells[order] % max(1, n_classes),
            "kind": kind.value,
            "label_quality": 1 - quality if kind is Kind.MISSING else quality,
            "error_probability": probability[order],
            "low": low[order],
            "high": high[order],
            "rank": np.arange(1, len(order) + 1),
        }
    )
