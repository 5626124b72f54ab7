"""Folds: every image's probabilities come from a model that has not seen it."""

import numpy as np
from numpy.typing import NDArray


def fold_of(n_images: int, folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the fold of each image, int64 (N,), in 0…folds-1; sizes differ by at most one.

    Example:
        >>> sorted(np.bincount(fold_of(10, 3, np.random.default_rng(0))).tolist())
        [3, 3, 4]
    """
    return rng.permutation(np.arange(n_images, dtype=np.int64) % folds)
