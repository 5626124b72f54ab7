"""Score: what the network thought of each cell while it learned."""

import numpy as np
from numpy.typing import NDArray

from labelmend_core.detection.scores._confidence import log_odds


def training_dynamics(mean_probs: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the log-odds of the mean p over the epochs, (N, K), higher = more likely present.

    A network learns what most images of a class have in common before it learns single labels by heart:
    averaged over the epochs, p still shows what it thought before (Swayamdipta et al. 2020, arXiv
    2009.10795; Arpit et al. 2017, arXiv 1706.05394). It sees the image's own label, so it is in-sample.

    Args:
        mean_probs: (N, K) in [0, 1], the recorder's mean.
    """
    return log_odds(mean_probs)
