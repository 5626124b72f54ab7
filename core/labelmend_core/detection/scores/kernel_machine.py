"""Score: what a kernel machine says of each image, taught by all the others what they probably show."""

import numpy as np
from numpy.typing import NDArray
from sklearn.kernel_approximation import Nystroem

from labelmend_core.detection.scores._confidence import log_odds, standardised

LANDMARKS = 1_000
_RIDGE = 1.0
_EDGE = 1e-3  # least squares may leave [0, 1]


def kernel_machine(expected: NDArray[np.floating], embeddings: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the log-odds that each class is present, (N, K), higher = more likely present.

    Kernel ridge regression on landmarks (Williams & Seeger 2000) from the embeddings to the labels that are expected:
    where a label is missing that the first model saw, its neighbours learn it here. Each image is left out of what
    judges it, in closed form (Allen 1974), so that its own expected label does not come back.

    Args:
        expected: (N, K) in [0, 1], 1 where a label is given, elsewhere p; a NaN row is left out and stays NaN.
        embeddings: (N, n_features), of the same images.

    Example:
        >>> embeddings = np.repeat(np.float32([[0, 1], [1, 0]]), 50, axis=0)
        >>> expected = np.repeat(np.float32([[1], [0]]), 50, axis=0)
        >>> expected[0] = 0  # a label that is missing
        >>> bool(kernel_machine(expected, embeddings)[0, 0] > 2)
        True
    """
    found = np.full(expected.shape, np.nan, dtype=np.float32)
    known = np.flatnonzero(~np.isnan(expected).any(axis=1))
    if len(known) < 2:
        return found
    vectors, targets = standardised(np.asarray(embeddings)[known]), np.asarray(expected, dtype=np.float32)[known]
    width = 1.0 / (2 * vectors.shape[1])  # distances of standardised vectors grow with their length
    landmarks = Nystroem(gamma=width, n_components=min(LANDMARKS, len(known)), random_state=0)
    # A constant beside them, so that the ridge does not pull rare classes to p = 0.
    features = np.column_stack([landmarks.fit_transform(vectors), np.full(len(vectors), 100, dtype=np.float32)])
    found[known] = log_odds(np.clip(leave_one_out(features, targets, _RIDGE), _EDGE, 1 - _EDGE))
    return found


def leave_one_out(features: NDArray[np.float32], targets: NDArray[np.float32], ridge: float) -> NDArray[np.float32]:
    """Return what ridge regression without an image predicts for it, (N, K), for all images in one solution.

    Args:
        features: (N, F).
        targets: (N, K).
        ridge: > 0, penalty on the squared weights.
    """
    gram = features.T @ features
    gram[np.diag_indices_from(gram)] += ridge
    inverse = np.linalg.inv(gram)
    leverage = np.einsum("ij,ij->i", features @ inverse, features)
    residual = targets - features @ (inverse @ (features.T @ targets))
    left_out: NDArray[np.float32] = targets - residual / np.maximum(1 - leverage, _EDGE)[:, None]
    return left_out
