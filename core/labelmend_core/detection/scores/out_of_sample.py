"""Score: what a model says of an image that it was not trained on."""

import numpy as np
from numpy.typing import NDArray

from labelmend_core.detection.scores._confidence import log_odds


def out_of_sample(pred_probs: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the log-odds that each class is present, (N, K), higher = more likely present.

    For an unobserved cell high means a missing label, for a given one low means a spurious label: the
    order of cleanlab's self-confidence (Northcutt et al. 2021, arXiv 1911.00068) and of |y - p|.

    Args:
        pred_probs: (N, K) in [0, 1], each row from a model that has not seen the image.
    """
    return log_odds(pred_probs)
