"""What scores share: p as log-odds, safely."""

import numpy as np
from numpy.typing import NDArray

_EDGE = 1e-4  # float16 cannot tell probabilities closer to 0 or 1 from them


def log_odds(pred_probs: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return ln p/(1-p) as float32, bounded where p touches 0 or 1; NaN stays NaN."""
    p = np.clip(np.asarray(pred_probs, dtype=np.float32), _EDGE, 1 - _EDGE)
    odds: NDArray[np.float32] = np.log(p) - np.log1p(-p)
    return odds
