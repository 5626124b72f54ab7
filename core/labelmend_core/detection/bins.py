"""The bins that cells are counted in: p even in log-odds, and how much else an image shows, the same for every dtype.

A bin is told by the leading bits of the odds p / (1 - p) as float32, 16 of them each time that the odds double. That
takes a third of the time of looking each p up, and is exact: division is rounded correctly everywhere.
"""

import numpy as np
from numpy.typing import NDArray

from labelmend_core.types import IntArray

_SHIFT = 19  # of float32's bits: 4 of the mantissa stay
_FAR = np.float32(1e-4)  # odds; nearer to 0 or 1 float16 sees no more
_LOWEST = int(_FAR.view(np.int32) >> _SHIFT)
N_BINS = int((1 / _FAR).view(np.int32) >> _SHIFT) - _LOWEST + 1
_OTHERS_SHIFT = 22  # a mantissa's first bit stays: two steps each time that the number doubles
_FEWEST, _MOST = (int(np.float32(number).view(np.int32) >> _OTHERS_SHIFT) for number in (1 / 16, 64))
N_OTHERS = _MOST - _FEWEST + 1


def bins_of(p: NDArray[np.floating]) -> NDArray[np.int32]:
    """Return the bin of each probability, 0 … N_BINS - 1, rising with p.

    Args:
        p: in [0, 1], any shape and dtype; as float32 rounds it.

    Example:
        >>> bool((bins_of(np.float16([0, 0.5, 1])) == bins_of(np.float64([0, 0.5, 1]))).all())
        True
    """
    bins = _leading_bits(p)
    bins -= _LOWEST
    return bins


def count_bins(p: NDArray[np.floating], class_axis: int) -> IntArray:
    """Return how often each class has each bin, (K, N_BINS).

    Args:
        p: in [0, 1], with classes along `class_axis`, 0 or 1.
        class_axis: the other one is images.
    """
    n = p.shape[class_axis]
    bins = _leading_bits(p)
    bins += np.expand_dims(np.arange(n, dtype=np.int32) * N_BINS - _LOWEST, 1 - class_axis)
    return np.bincount(bins.ravel(), minlength=n * N_BINS).reshape(n, N_BINS)


def cells_of(p: NDArray[np.floating], shown: NDArray[np.floating]) -> NDArray[np.int32]:
    """Return step of others x N_BINS + bin of each cell.

    Args:
        p: in [0, 1], any shape and dtype; as float32 rounds it.
        shown: how many classes the image of each cell is expected to show, the cell's own among them; broadcast to p.

    Example:
        >>> others = cells_of(np.float32([[0.5, 0.5], [0.5, 0.5]]), np.array([[0.5], [2.5]])) // N_BINS
        >>> (others[0] < others[1]).all()
        np.True_
    """
    others: NDArray[np.int32] = np.subtract(shown, p, dtype=np.float32).view(np.int32)
    others >>= _OTHERS_SHIFT
    np.clip(others, _FEWEST, _MOST, out=others)  # what rounding makes negative is less than any
    others -= _FEWEST
    others *= N_BINS
    others += bins_of(p)
    return others


def _leading_bits(p: NDArray[np.floating]) -> NDArray[np.int32]:
    p = p.astype(np.float32, copy=False)
    odds = np.subtract(np.float32(1), p, dtype=np.float32)
    with np.errstate(divide="ignore"):
        np.divide(p, odds, out=odds)
    bits: NDArray[np.int32] = odds.view(np.int32)
    bits >>= _SHIFT
    return np.clip(bits, _LOWEST, _LOWEST + N_BINS - 1, out=bits)


def centres() -> NDArray[np.float64]:
    """Return the log-odds in the middle of each bin, (N_BINS,), rising.

    Example:
        >>> bool(abs(centres()[bins_of(np.array([0.5]))[0]]) < 0.05)
        True
    """
    odds = (np.arange(_LOWEST, _LOWEST + N_BINS, dtype=np.int32) << _SHIFT).view(np.float32).astype(np.float64)
    width = np.log(2) / 2 ** (23 - _SHIFT)
    middle: NDArray[np.float64] = np.log(odds) + width / 2
    return middle


def least_p(bins: IntArray, dtype: np.dtype[np.floating]) -> NDArray[np.floating]:
    """Return a lower bound of p in these bins, to compare numbers of one dtype with; above 1 for `N_BINS`.

    A little below the bin may pass, nothing in it is lost.
    """
    first = _FIRST[bins]
    if dtype.itemsize > 4:
        # What float32 rounds up into the bin is in it, too.
        return (first.astype(np.float64) + np.nextafter(first, np.float32(0))) / 2
    return first.astype(dtype)


def _first() -> NDArray[np.float32]:
    """Return the least float32 of each bin, found by bisection, and 2 for the bin that nothing reaches."""
    wanted = np.arange(N_BINS)
    below = np.full(N_BINS, -1, dtype=np.int32)
    reached = np.full(N_BINS, np.float32(1).view(np.int32), dtype=np.int32)
    while (reached - below > 1).any():
        middle = np.maximum(below + (reached - below) // 2, 0)
        enough = bins_of(middle.view(np.float32)) >= wanted
        reached, below = np.where(enough, middle, reached), np.where(enough, below, middle)
    return np.append(reached.view(np.float32), np.float32(2))


_FIRST = _first()


def quantile_steps(candidates: IntArray, error_like: IntArray, steps: int) -> IntArray:
    """Return the bins at which a new step of suspicion begins, for about so many steps, the first 0.

    Half of the steps by each side, so that neither the errors nor the rest fall into one step.

    Args:
        candidates, error_like: (bins,) counts, the most suspicious last.
        steps: that are wanted at most.
    """
    grid = np.linspace(0, 1, steps // 2 + 1)[1:-1]
    sides = [counts.cumsum() for counts in (candidates, error_like)]
    starts = [np.searchsorted(side, grid * side[-1]) for side in sides if side[-1]]
    return np.unique(np.concatenate([[0], *starts]))
