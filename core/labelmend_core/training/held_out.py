"""Training images that the last fit does not see: its best epoch is chosen on them, and validation only measures."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from labelmend_core.types import Dynamics

FEWEST = 20  # images; the mAP of fewer is chance


def hold_out(rows: NDArray[np.int64], share: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the images to train on and those held out, both in ascending order; none where fewer than 20 would be.

    Args:
        rows: int64 (M,), ascending.
        share: of them, in [0, 0.5].
        seed: of the draw.

    Example:
        >>> kept, held = hold_out(np.arange(100), 0.25, seed=0)
        >>> len(kept), len(held), np.intersect1d(kept, held).size
        (75, 25, 0)
    """
    n = round(share * len(rows))
    if n < FEWEST:
        return rows, rows[:0]
    chosen = np.zeros(len(rows), dtype=bool)
    chosen[np.random.default_rng([seed, 2]).choice(len(rows), n, replace=False)] = True
    return rows[~chosen], rows[chosen]


def with_held_out(dynamics: Dynamics, held: NDArray[np.int64], pred_probs: NDArray[np.floating]) -> Dynamics:
    """Return dynamics in which images that were never shown have the p of the final network, without variance.

    Args:
        dynamics: (N, K), NaN where an image was not shown.
        held: int64 (M,), rows.
        pred_probs: (M, K), in [0, 1].
    """
    mean, last, variance = (array.copy() for array in (dynamics.mean, dynamics.last, dynamics.variance))
    mean[held], last[held], variance[held] = pred_probs, pred_probs, 0.0
    return replace(dynamics, mean=mean, last=last, variance=variance)
