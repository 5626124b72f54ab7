"""Points of cells on a map, as many as there are, and which of them lie within what somebody drew around them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelmend_app.explore.cells import Known
from labelmend_core.errors import InputError
from labelmend_core.projection import Progress, kept_plane
from labelmend_core.run_folder import RunFolder
from labelmend_core.types import IntArray

MOST_DRAWN = 10_000  # points that a browser without a graphics card can still draw around


@dataclass(frozen=True, eq=False)
class Points:
    """M cells on a map.

    Attributes:
        images, classes: int64 (M,), of each.
        x, y: float32 (M,), where it lies.
    """

    images: IntArray
    classes: IntArray
    x: NDArray[np.float32]
    y: NDArray[np.float32]

    def take(self, which: IntArray | NDArray[np.bool_]) -> "Points":
        """Return some of the points."""
        return Points(self.images[which], self.classes[which], self.x[which], self.y[which])

    def drawn(self, seed: int = 0) -> IntArray:
        """Return which points to draw, rising: all, or `MOST_DRAWN`, each with the same chance."""
        if len(self.x) <= MOST_DRAWN:
            return np.arange(len(self.x))
        chosen = np.random.default_rng(seed).choice(len(self.x), MOST_DRAWN, replace=False, shuffle=False)
        return np.sort(chosen).astype(np.int64)

    def within(self, selection: Mapping[str, Sequence[Mapping[str, Any]]]) -> NDArray[np.bool_]:
        """Return which points lie within any of the lassos and boxes of a plotly selection, bool (M,).

        Of all points, drawn or not.
        """
        found = np.zeros(len(self.x), dtype=bool)
        for box in selection.get("box", ()):
            found |= self._between(box["x"], box["y"])
        for lasso in selection.get("lasso", ()):
            found |= self._enclosed(lasso["x"], lasso["y"])
        return found

    def _between(self, x: Sequence[float], y: Sequence[float]) -> NDArray[np.bool_]:
        across = (self.x >= min(x)) & (self.x <= max(x))
        return across & (self.y >= min(y)) & (self.y <= max(y))

    def _enclosed(self, x: Sequence[float], y: Sequence[float]) -> NDArray[np.bool_]:
        from matplotlib.path import Path  # not before somebody draws a lasso

        found = self._between(x, y)  # what lies outside of its box need not be looked at
        near = np.flatnonzero(found)
        corners = np.column_stack([x, y])
        found[near] = Path(corners).contains_points(np.column_stack([self.x[near], self.y[near]]))
        return found


@lru_cache(maxsize=2)  # millions of cells; the screen asks again for what was drawn and what lies in a lasso
def learning_points(known: Known, class_index: int | None, *, suggested: bool) -> Points | None:
    """Return cells by mean (x) and standard deviation (y) of p over the epochs; None where nothing was recorded.

    Args:
        known: the workspace and the run.
        class_index: of this class, or of all.
        suggested: only suggestions of the run; else every cell whose image was seen.

    Source: Swayamdipta et al. 2020, arXiv 2009.10795, section 2; here p of the class and not of the label, so that
    missing labels lie on the right and spurious ones on the left.
    """
    dynamics = RunFolder(known.workspace.run_folder(known.run_id)).dynamics()
    if dynamics is None:
        return None
    images, classes = _cells(known, class_index, suggested)
    x = dynamics.mean[images, classes].astype(np.float32)
    y = np.sqrt(dynamics.variance[images, classes].astype(np.float32))
    return Points(images, classes, x, y).take(np.isfinite(x) & np.isfinite(y))


def feature_points(
    known: Known, class_index: int, *, suggested: bool, progress: Progress = lambda share: None
) -> Points | None:
    """Return the cells of a class where the features of their images lie; None where the run used none.

    Args:
        known: the workspace and the run.
        class_index: of the cells.
        suggested: only suggestions of the run.
        progress: told how much is done, the first time that these features are asked for.
    """
    n = len(known.workspace.dataset.image_ids)
    features = RunFolder(known.workspace.run_folder(known.run_id)).embeddings(n)
    if features is None:
        return None
    plane = kept_plane(known.workspace.folder / "projections", features, progress)
    images, classes = _cells(known, class_index, suggested)
    return Points(images, classes, plane[images, 0], plane[images, 1]).take(np.isfinite(plane[images, 0]))


def p_of_class(known: Known, class_index: int) -> NDArray[np.float32] | None:
    """Return p of a class for each image, float32 (N,); None where the run has not come that far."""
    try:
        pred_probs = RunFolder(known.workspace.run_folder(known.run_id)).pred_probs()
    except InputError:
        return None
    return pred_probs[:, class_index].astype(np.float32)


def _cells(known: Known, class_index: int | None, suggested: bool) -> tuple[IntArray, IntArray]:
    if suggested:
        here = slice(None) if class_index is None else known.places.class_index == class_index
        return known.places.image[here], known.places.class_index[here]
    n, k = known.workspace.dataset.given_labels.shape
    if class_index is not None:
        return np.arange(n), np.full(n, class_index)
    images, classes = np.divmod(np.arange(n * k), k)
    return images, classes
