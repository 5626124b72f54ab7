"""How good an order of suspicion is: average precision of the erroneous cells; higher is better."""

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from labelmend_core.errors import InputError


def cell_average_precision(
    is_error: NDArray[np.bool_], scores: NDArray[np.floating], among: NDArray[np.bool_]
) -> tuple[float, float]:
    """Return (micro, macro) average precision of finding the erroneous cells; higher is better.

    Args:
        is_error: (N, K), the planted truth: which labels are wrong.
        scores: (N, K), higher is more suspicious; finite in `among`.
        among: (N, K), the cells that are ranked: for missing labels those not given as present, for spurious
            labels those given as present. Errors elsewhere are another kind's and do not count.

    Returns:
        micro: Of all cells of `among` pooled into one ranking.
        macro: The mean over the classes with at least one error in `among`, each ranked by itself.
        Both are NaN if `among` holds no error.

    Raises:
        InputError: The shapes differ or are not (N, K), the masks are not bool, or scores hold NaN or infinity.

    Example:
        >>> is_error = np.array([[True, False], [False, False]])
        >>> cell_average_precision(is_error, np.array([[0.8, 0.9], [0.1, 0.2]]), np.ones((2, 2), dtype=bool))
        (0.5, 1.0)
    """
    if is_error.ndim != 2 or not is_error.shape == scores.shape == among.shape:
        raise InputError(
            "Expected is_error, scores and among of one shape (N, K), "
            f"got {is_error.shape}, {scores.shape} and {among.shape}."
        )
    if is_error.dtype != np.bool_ or among.dtype != np.bool_:
        raise InputError(f"Expected bool is_error and among, got {is_error.dtype} and {among.dtype}.")
    if not np.isfinite(scores[among]).all():
        raise InputError("Expected finite scores of the cells that are ranked, got NaN or infinity.")
    if not (is_error & among).any():
        return np.nan, np.nan
    micro = float(average_precision_score(is_error[among], scores[among]))
    classes = np.flatnonzero((is_error & among).any(axis=0))
    by_class = [average_precision_score(is_error[among[:, k], k], scores[among[:, k], k]) for k in classes]
    return micro, float(np.mean(by_class))
