"""Score: what the model says of the images that look most alike."""

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from labelmend_core.detection.scores._confidence import log_odds, standardised

NEIGHBOURS = 30
_BLOCK = 4_096  # images a query, so that only a block of distances is in memory


def neighbours(pred_probs: NDArray[np.floating], embeddings: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the log-odds of the mean p over the nearest images, (N, K), higher = more likely present.

    Nearest by cosine of the standardised embeddings, the image itself left out: k-nearest-neighbour
    smoothing (Cover & Hart 1967). Every image is compared with every other, so time grows with N squared.

    Args:
        pred_probs: (N, K) in [0, 1], each row from a model that has not seen the image; a NaN row is nobody's
            neighbour and stays NaN.
        embeddings: (N, n_features), of the same images.
    """
    known = np.flatnonzero(~np.isnan(pred_probs).any(axis=1))
    mean = np.full(pred_probs.shape, np.nan, dtype=np.float32)
    mean[known] = _mean_of_nearest(np.asarray(pred_probs)[known], standardised(np.asarray(embeddings)[known]))
    return log_odds(mean)


def _mean_of_nearest(pred_probs: NDArray[np.floating], vectors: NDArray[np.float32]) -> NDArray[np.floating]:
    n = len(vectors)
    k = min(NEIGHBOURS, n - 1)
    if k < 1:
        return pred_probs
    found = NearestNeighbors(n_neighbors=k + 1, metric="cosine", algorithm="brute").fit(vectors)
    mean = np.empty(pred_probs.shape, dtype=np.float32)
    for start in range(0, n, _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, n))
        nearest = found.kneighbors(vectors[rows], return_distance=False)
        # Usually the first is the image itself; among copies of it, it may be any or none.
        others = nearest != rows[:, None]
        others[others.all(axis=1), -1] = False
        mean[rows] = pred_probs[nearest[others].reshape(len(rows), k)].mean(axis=1, dtype=np.float32)
    return mean
