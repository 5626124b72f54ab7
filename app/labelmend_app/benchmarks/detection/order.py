"""An order of cells, made once and weighed often: average precision and precision at k under a bootstrap of images."""

import numpy as np
from numpy.typing import NDArray

from labelmend_core.types import IntArray

AT = (100, 1_000)


class Order:
    """Cells in order of suspicion.

    Args:
        suspicion: (M,), finite, higher = more suspicious.
        is_error: bool (M,).
        image: int64 (M,), which image each cell belongs to: all cells of an image are drawn together.
    """

    def __init__(self, suspicion: NDArray[np.floating], is_error: NDArray[np.bool_], image: IntArray) -> None:
        order = np.argsort(-suspicion, kind="stable")
        ranked = suspicion[order]
        self._image, self._error = image[order], is_error[order]
        self._error_image = self._image[self._error]
        # Cells of equal suspicion are one step, as in scikit-learn; only steps with an error count.
        ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)[: len(ranked)])
        errors = np.cumsum(self._error)[ends]
        counts = np.diff(errors, prepend=0) > 0
        self._ends, self._errors = ends[counts], errors[counts]

    def average_precision(self, weights: NDArray[np.int32]) -> float:
        """Return the average precision where image i counts weights[i] times, in [0, 1]; NaN without an error."""
        hits = np.cumsum(weights[self._error_image])[self._errors - 1]
        if not hits.size or not hits[-1]:
            return np.nan
        among = np.cumsum(weights[self._image])[self._ends]
        gained = np.diff(hits, prepend=0)
        return float((gained * hits / np.maximum(among, 1)).sum() / hits[-1])

    def precision_at(self, k: int, weights: NDArray[np.int32]) -> float:
        """Return the share of errors among the k most suspicious cells, in [0, 1]; NaN where there are fewer."""
        # Images weigh 1 on average; a resample in which the first ones weigh less needs a few cells more.
        for first in (4 * k, len(self._image)):
            weight = weights[self._image[:first]]
            among = np.cumsum(weight)
            if among.size and among[-1] >= k:
                weight[among > k] = np.maximum(0, (weight - (among - k))[among > k])
                return float((weight * self._error[:first]).sum() / k)
        return np.nan


class Ranking:
    """One method's order of the cells of one kind: of all together, and of each class by itself.

    Args:
        suspicion: (N, K), finite in `among`.
        is_error: bool (N, K).
        among: bool (N, K), the cells that are ranked.
    """

    def __init__(self, suspicion: NDArray[np.floating], is_error: NDArray[np.bool_], among: NDArray[np.bool_]) -> None:
        rows, columns = np.nonzero(among)
        found, errors = suspicion[rows, columns], is_error[rows, columns]
        self._all = Order(found, errors, rows)
        by_class = (columns == k for k in range(among.shape[1]) if errors[columns == k].any())
        self._classes = [Order(found[here], errors[here], rows[here]) for here in by_class]

    def measure(self, weights: NDArray[np.int32]) -> NDArray[np.float64]:
        """Return micro and macro average precision and the precision at 100 and 1,000, where images weigh so much.

        Macro is the mean over the classes that have an error with a weight.
        """
        by_class = np.array([order.average_precision(weights) for order in self._classes])
        macro = by_class[~np.isnan(by_class)].mean() if not np.isnan(by_class).all() else np.nan
        at = [self._all.precision_at(k, weights) for k in AT]
        return np.array([self._all.average_precision(weights), macro, *at])


def resampled(n_images: int, resamples: int, rng: np.random.Generator) -> NDArray[np.int32]:
    """Return how often each image is drawn in each resample of as many images, (resamples, n_images)."""
    drawn = rng.multinomial(n_images, np.full(n_images, 1 / n_images), size=resamples)
    return drawn.astype(np.int32)
