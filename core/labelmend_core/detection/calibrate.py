"""From an order of suspicion to the probability of an error, without anybody's answer yet.

Where p has not seen the labels, `labelling.py` says how likely each is wrong, and `calibrate_expected` gives these
probabilities to the order. Where that is not possible, two sets of cells are compared.

The candidates of one kind are a mixture: errors, and cells that are as they should be. What an error looks like is
known from the other side: an unlabelled positive scores as labelled positives do, a spurious label as unlabelled
cells do (selected completely at random; Elkan & Noto 2008). The largest share of errors that the scores allow is the
smallest ratio of the two upper tails (Blanchard, Lee & Scott 2010; Scott 2015), and Bayes' rule gives each candidate
its probability. Noisy labels alone cannot say that the share is not smaller: the interval reaches down to half of it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from labelmend_core.detection.recalibration import recalibrate

_BINS = 60
_FINE = 400
_LEAST = 20  # error-like cells in the tail that a share is read from
_Z = 1.645  # 90 %
_LOWEST_SHARE = 0.5

FloatArray = NDArray[np.floating]
_Curve = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], float]  # probability, low, high, share


@dataclass(frozen=True)
class Calibration:
    """Probability of an error as a rising step function of suspicion.

    Attributes:
        edges: (bins - 1,) suspicion at which the next step begins.
        probability, low, high: (bins,), with the 90 % interval.
        share: estimated share of errors among all candidates.
    """

    edges: NDArray[np.float64]
    probability: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    share: float

    def __call__(self, suspicion: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return error probability, low and high of each candidate, in [0, 1]."""
        step = np.searchsorted(self.edges, suspicion, side="right")
        return self.probability[step], self.low[step], self.high[step]


@dataclass(frozen=True)
class CountCalibration:
    """Probability of an error at each step of suspicion.

    Attributes:
        probability, low, high: (bins,), rising with the bins, with the 90 % interval.
        share: estimated share of errors among all candidates.
    """

    probability: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    share: float


def calibrate_counts(candidates: NDArray[np.int64], error_like: NDArray[np.int64]) -> CountCalibration:
    """Return how likely a candidate is an error at each step of suspicion.

    Args:
        candidates: (bins,) cells that may be errors of one kind, counted by step, the most suspicious last.
        error_like: (bins,) cells that look as errors of this kind do, in the same steps.

    Example:
        >>> found = calibrate_counts(np.array([900, 90, 10]), np.array([0, 10, 90]))
        >>> bool(found.probability[2] > found.probability[0])
        True
    """
    some = candidates.any() and error_like.any()
    return CountCalibration(*(_curve(candidates, error_like) if some else _unknown(len(candidates))))


def calibrate(candidates: FloatArray, error_like: FloatArray) -> Calibration:
    """Return how likely a candidate is an error at each suspicion.

    Args:
        candidates: (M,) suspicion of the cells that may be errors, higher = more suspicious.
        error_like: (E,) suspicion of cells that look as errors of this kind do.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> errors, fine = rng.normal(2, 1, 300), rng.normal(-2, 1, 2700)
        >>> found = calibrate(np.append(errors, fine), rng.normal(2, 1, 1000))
        >>> bool(0.08 < found.share < 0.13)
        True
    """
    if not candidates.size or not error_like.size:
        return Calibration(np.zeros(0), np.zeros(1), np.zeros(1), np.ones(1), 0.0)
    # Half of the steps by each side, so that neither the errors nor the rest fall into one step.
    grid = np.linspace(0, 1, _BINS // 2 + 1)[1:-1]
    edges = np.unique(np.concatenate([np.quantile(error_like, grid), np.quantile(candidates, grid)]))
    counts = [
        np.bincount(np.searchsorted(edges, suspicion, side="right"), minlength=len(edges) + 1)
        for suspicion in (candidates, error_like)
    ]
    found = calibrate_counts(*counts)
    return Calibration(edges, found.probability, found.low, found.high, found.share)


def calibrate_expected(
    candidates: FloatArray,
    expected: FloatArray,
    corrected: Callable[[NDArray[np.float64]], NDArray[np.float64]] | None = None,
) -> Calibration:
    """Return how likely a candidate is an error at each suspicion, by the probability that each is thought to be one.

    Suspicion knows more than the probabilities do, so it decides the order, and they what it amounts to: the mean of
    each step, rising. Their sum stays as it is, but for what `corrected` makes of the means.

    Args:
        candidates: (M,) suspicion of the cells that may be errors, higher = more suspicious.
        expected: (M,) probability of each to be one.
        corrected: of probabilities those that are nearer the truth, rising with them.

    Example:
        >>> found = calibrate_expected(np.array([-1.0, 0.0, 2.0, 3.0]), np.array([0.1, 0.2, 0.9, 0.8]))
        >>> found(np.array([3.0]))[0].round(2).tolist()
        [0.85]
    """
    if not candidates.size:
        return Calibration(np.zeros(0), np.zeros(1), np.zeros(1), np.ones(1), 0.0)
    order = np.argsort(candidates, kind="stable")
    rising = expected[order].cumsum()
    grid = np.linspace(0, 1, _FINE // 2 + 1)[1:-1]
    # Half of the steps by the cells, half by the errors among them: most cells are free of any.
    starts = np.unique(
        np.concatenate([np.searchsorted(rising, grid * rising[-1]), (grid * len(order)).astype(np.int64)])
    )
    edges = np.unique(candidates[order][starts])
    step = np.searchsorted(edges, candidates, side="right")
    n = np.bincount(step, minlength=len(edges) + 1)
    mean = np.bincount(step, expected, len(edges) + 1) / np.maximum(n, 1)
    probability = isotonic_regression(mean, weights=n + 1e-9).x
    if corrected is not None:
        probability = corrected(probability)
    _, low, high = recalibrate(1)(np.zeros(len(n), dtype=np.int64), probability)
    return Calibration(edges, probability, low, high, float(n @ probability / len(order)))


def _unknown(bins: int) -> _Curve:
    """Return the curve where there is nothing to compare with: no suspicion, and an interval of everything."""
    return np.zeros(bins), np.zeros(bins), np.ones(bins), 0.0


def _curve(n: NDArray[np.int64], e: NDArray[np.int64]) -> _Curve:
    """Return probability, low and high of each step, and the share of errors among all candidates."""
    share = _share(n, e)
    # Half a cell more in each step: an empty step must not say "certain".
    raw = np.minimum(share * (e + 0.5) / e.sum() * n.sum() / (n + 0.5), 1.0)
    rising = isotonic_regression(raw, weights=n + 0.5).x
    spread = np.exp(_Z * np.sqrt(1 / (e + 0.5) + 1 / (n + 0.5)))
    low, high = rising * _LOWEST_SHARE / spread, np.minimum(rising * spread, 1.0)
    return rising, np.maximum.accumulate(low), np.maximum.accumulate(high), share


def _share(n: NDArray[np.int64], e: NDArray[np.int64]) -> float:
    """Return the largest share of error-like cells that every upper tail of the candidates has room for."""
    tail_n, tail_e = n[::-1].cumsum(), e[::-1].cumsum()
    enough = tail_e >= min(_LEAST, tail_e[-1])
    # One deviation up: the smallest of many noisy ratios is too small.
    room = (tail_n + np.sqrt(tail_n))[enough] / n.sum()
    return float(np.clip((room / (tail_e[enough] / e.sum())).min(), 0.0, 1.0))
