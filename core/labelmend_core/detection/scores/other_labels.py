"""Scores: what the rest of an image says about one of its classes."""

import numpy as np
from numpy.typing import NDArray

from labelmend_core.types import PRESENT, LabelMatrix

_RARE = 1e-3  # share of the images, added to counts: a pair seen once or never is no evidence
_FEW = 0.1  # of classes, added to their expected number


def other_labels(present_probs: NDArray[np.floating], labels: LabelMatrix) -> NDArray[np.float32]:
    """Return what an image's other given labels say about each class, (N, K) log-odds, higher = more likely present.

    Sum over the labels j that are given of ln P(j and k) / P(j) P(k), as if they were independent given k; a fork
    speaks for a knife. The shares are of the labels given and, where none is, of p: of given labels alone, those
    that somebody dropped would look like classes that do not go together.

    Args:
        present_probs: (N, K) in [0, 1]; NaN counts as 0.
        labels: (N, K), as given.
    """
    given = (labels.dense() == PRESENT).astype(np.float32)
    expected = np.maximum(given, np.nan_to_num(np.asarray(present_probs, dtype=np.float32)))
    together, alone = expected.T @ expected / len(expected), expected.mean(axis=0)
    lift = np.log((together + _RARE) / (np.outer(alone, alone) + _RARE))
    np.fill_diagonal(lift, 0)
    evidence: NDArray[np.float32] = (given @ lift).astype(np.float32)
    return evidence


def expected_others(present_probs: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the logarithm of how many other classes an image is expected to show, (N, K), higher = more.

    Annotators name some of what they see: the more there is in an image, the likelier one of its classes is not
    named. NaN stays NaN.

    Args:
        present_probs: (N, K) in [0, 1].

    Example:
        >>> expected_others(np.array([[0.9, 0.5, 0.4]])).round(2)
        array([[0.  , 0.34, 0.41]], dtype=float32)
    """
    p = np.asarray(present_probs, dtype=np.float32)
    others: NDArray[np.float32] = np.log(p.sum(axis=1, keepdims=True) - p + np.float32(_FEW))
    return others
