"""Large-loss modification: the unobserved cells that a batch finds hardest are left out, or taken as present."""

import math
from abc import abstractmethod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from labelmend_core.losses._analytic import AnalyticLoss, choose, focal_term
from labelmend_core.losses._hyperparameter import Hyperparameter

# The unobserved cells beside which `curve` varies one.
_CURVE_LOGITS = (-6.0, 2.0)
_CURVE_CELLS = 99


class _LargeLoss(AnalyticLoss):
    """Cross-entropy in which the n unobserved cells of a batch with the largest loss are treated otherwise."""

    hyperparameters = (
        Hyperparameter(
            "delta", 0.002, 0.0, 0.1, "share of a batch's cells that is added to the modified ones each epoch"
        ),
    )
    delta: float

    @abstractmethod
    def modified(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Return value and slope of modified cells."""

    def value_and_slope(self, logits: Tensor, targets: Tensor, epoch: int) -> tuple[Tensor, Tensor]:
        """Return the loss and its derivative; see `AnalyticLoss`. Which cells are modified has no gradient."""
        sign = 2.0 * (targets > 0).to(logits.dtype) - 1.0
        value, slope = focal_term(sign * logits, 0.0)
        slope = sign * slope
        unobserved = targets == 0
        n = min(self._n_modified(logits.numel(), epoch), int(unobserved.sum()))
        if n == 0:
            return value, slope
        large = unobserved & (value >= (value * unobserved).flatten().topk(n).values[-1])
        value_modified, slope_modified = self.modified(logits)
        chosen = large.to(logits.dtype)
        return choose(chosen, value_modified, value), choose(chosen, slope_modified, slope)

    def curve(
        self, logits: NDArray[np.float64], target: int, epoch: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return loss and gradient of one cell beside 99 unobserved ones, logits evenly spaced from -6 to 2."""
        grid = torch.from_numpy(np.array(logits, dtype=np.float64))
        others = torch.linspace(*_CURVE_LOGITS, _CURVE_CELLS, dtype=torch.float64)
        targets = torch.zeros(_CURVE_CELLS + 1)
        targets[0] = target
        points = [self.value_and_slope(torch.cat([point[None], others]), targets, epoch) for point in grid]
        return np.array([float(value[0]) for value, _ in points]), np.array([float(slope[0]) for _, slope in points])

    def _n_modified(self, n_cells: int, epoch: int) -> int:
        return math.ceil(n_cells * min(self.delta * epoch, 1.0))


class LargeLossRejection(_LargeLoss):
    """Cross-entropy without the unobserved cells of the largest loss; lower is better.

    -ln p for present cells, -ln(1 - p) for all others; of the unobserved ones, the ceil(delta · epoch · B · K)
    with the largest loss cost nothing (all that equal the last of them, too).

    Targets: 0 is a negative that may be left out; -1 is a negative that never is.

    Source: Kim et al., "Large Loss Matters in Weakly Supervised Multi-Label Classification", CVPR 2022,
    arXiv 2206.03740, LL-R, and the authors' code, which knows no verified negatives and takes cells of a loss
    of 0 for modified where fewer than that many are unobserved.

    Example:
        >>> import torch
        >>> loss = LargeLossRejection(reduction="none")
        >>> loss(torch.tensor([[0.0, 1.0, 3.0]]), torch.zeros(1, 3), epoch=1)
        tensor([[0.6931, 1.3133, 0.0000]])
    """

    name = "ll_r"

    def modified(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Return nothing: the cell is left out."""
        return torch.zeros_like(logits), torch.zeros_like(logits)


class LargeLossCorrection(_LargeLoss):
    """Cross-entropy that takes the unobserved cells of the largest loss as present, for this batch; lower is better.

    As `ll_r`, but the ceil(delta · epoch · B · K) unobserved cells with the largest loss cost -ln p.

    Targets: 0 is a negative that may be taken as present; -1 is a negative that never is.

    Source: Kim et al., "Large Loss Matters in Weakly Supervised Multi-Label Classification", CVPR 2022,
    arXiv 2206.03740, LL-Ct, and the authors' code, which knows no verified negatives and takes cells of a
    loss of 0 for modified where fewer than that many are unobserved.

    Example:
        >>> import torch
        >>> loss = LargeLossCorrection(reduction="none")
        >>> loss(torch.tensor([[0.0, 1.0, 3.0]]), torch.zeros(1, 3), epoch=1)
        tensor([[0.6931, 1.3133, 0.0486]])
    """

    name = "ll_ct"

    def modified(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss of a present cell."""
        return focal_term(logits, 0.0)
