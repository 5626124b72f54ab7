"""From an order of suspicion to the probability of an error, without anybody's answer yet.

The candidates of one kind are a mixture: errors, and cells that are as they should be. What an error
looks like is known from the other side: an unlabelled positive scores as labelled positives do, a
spurious label as unlabelled cells do (selected completely at random; Elkan & Noto 2008). The largest
share of errors that the scores allow is the smallest ratio of the two upper tails (Blanchard, Lee &
Scott 2010; Scott 2015), and Bayes' rule gives each candidate its probability.

Noisy labels alone cannot say that the share is not smaller: the interval reaches down to half of it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

_BINS = 60
_LEAST = 20  # error-like cells in the tail that a share is read from
_Z = 1.645  # 90 %
_LOWEST_SHARE = 0.5

FloatArray = NDArray[np.floating]


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
    n = np.bincount(np.searchsorted(edges, candidates, side="right"), minlength=len(edges) + 1)
    e = np.bincount(np.searchsorted(edges, error_like, side="right"), minlength=len(edges) + 1)
    share = _share(n, e)
    # Half a cell more in each step: an empty step must not say "certain".
    raw = np.minimum(share * (e + 0.5) / e.sum() * n.sum() / (n + 0.5), 1.0)
    rising = isotonic_regression(raw, weights=n + 0.5).x
    spread = np.exp(_Z * np.sqrt(1 / (e + 0.5) + 1 / (n + 0.5)))
    low, high = rising * _LOWEST_SHARE / spread, np.minimum(rising * spread, 1.0)
    return Calibration(edges, rising, np.maximum.accumulate(low), np.maximum.accumulate(high), share)


def _share(n: NDArray[np.int64], e: NDArray[np.int64]) -> float:
    """Return the largest share of error-like cells that every upper tail of the candidates has room for."""
    tail_n, tail_e = n[::-1].cumsum(), e[::-1].cumsum()
    enough = tail_e >= min(_LEAST, tail_e[-1])
    # One deviation up: the smallest of many noisy ratios is too small.
    room = (tail_n + np.sqrt(tail_n))[enough] / n.sum()
    return float(np.clip((room / (tail_e[enough] / e.sum())).min(), 0.0, 1.0))
