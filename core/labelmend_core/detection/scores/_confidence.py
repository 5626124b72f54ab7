"""What scores share: p as log-odds and back, and embeddings that can be compared."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

_EDGE = 1e-4  # float16 cannot tell probabilities closer to 0 or 1 from them


def log_odds(pred_probs: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return ln p/(1-p) as float32, bounded where p touches 0 or 1; NaN stays NaN."""
    p = np.clip(np.asarray(pred_probs, dtype=np.float32), _EDGE, 1 - _EDGE)
    odds: NDArray[np.float32] = np.log(p) - np.log1p(-p)
    return odds


def probability(odds: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return p in [0, 1] of log-odds; NaN stays NaN."""
    p: NDArray[np.float32] = expit(np.asarray(odds, dtype=np.float32))
    return p


def standardised(embeddings: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return embeddings of mean 0 and deviation 1: pooled ReLU features otherwise all point one way."""
    vectors = np.array(embeddings, dtype=np.float32)
    if not len(vectors):
        return vectors
    vectors -= vectors.mean(axis=0)
    vectors /= np.maximum(vectors.std(axis=0), np.float32(1e-6))
    return vectors
