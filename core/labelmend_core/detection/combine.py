"""Several scores of one cell become one."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def combine(scores: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return the mean of several log-odds, (N, K), higher = more likely present.

    The mean in log-odds is the product of experts with equal weight (Hinton 2002): a cell ranks high
    only when no score speaks strongly against it.

    Args:
        scores: at least one array of shape (N, K).

    Example:
        >>> combine([np.float32([[2.0]]), np.float32([[-1.0]])]).tolist()
        [[0.5]]
    """
    total = scores[0].copy()
    for score in scores[1:]:
        total += score
    return total / np.float32(len(scores))
