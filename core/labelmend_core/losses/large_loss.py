"""Large-loss modification: the unobserved cells that a batch finds hardest are left out, or taken as present."""

import math
from abc import abstractmethod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from labelmend_core.losses._analytic import AnalyticLoss, focal_term, present_in, sign_of
from labelmend_core.losses._hyperparameter import Hyperparameter
from labelmend_core.losses._largest import nth_largest

# The unobserved cells beside which `curve` varies one.
_CURVE_LOGITS = (-6.0, 2.0)
_CURVE_CELLS = 99

_DELTA = Hyperparameter(
    "delta", 0.002, 0.0, 0.1, "share of a batch's cells that is added to the modified ones each epoch"
)


class _LargeLoss(AnalyticLoss):
    """Cross-entropy in which the n unobserved cells of a batch with the largest loss are treated otherwise."""

    hyperparameters = (_DELTA,)
    delta: float

    @abstractmethod
    def modify(self, value: Tensor, slope: Tensor, logits: Tensor, large: Tensor) -> None:
        """Change value and slope, in place, where `large`, unobserved cells, is 1; elsewhere it is 0."""

    def value_and_slope(self, logits: Tensor, targets: Tensor, epoch: int) -> tuple[Tensor, Tensor]:
        """Return the loss and its derivative; see `AnalyticLoss`. Which cells are modified has no gradient."""
        sign = sign_of(present_in(targets, logits.dtype))
        value, slope = focal_term(sign * logits, 0.0)
        slope.mul_(sign)
        n = math.ceil(logits.numel() * min(self.delta * epoch, 1.0))
        if n > 0:
            large, _ = largest(value, targets == 0, n)
            self.modify(value, slope, logits, large.to(logits.dtype))
        return value, slope

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


def largest(value: Tensor, among: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Return which cells have one of the n largest values of some, and which of these exceed the smallest of the n.

    Args:
        value: (B, K), ≥ 0.
        among: bool (B, K); where fewer than n are true, all of them are found.
        n: 1 to B · K.
    """
    # Nothing is counted, which a GPU would have to wait for: cells that do not take part have the value -1.
    ranked = value.masked_fill(~among, -1.0)
    least = nth_largest(ranked, n)
    return among & (ranked >= least), among & (ranked > least)


def take_as_present(value: Tensor, slope: Tensor, logits: Tensor, chosen: Tensor) -> None:
    """Turn, in place, cross-entropy of absent cells into that of present ones where `chosen` is 1, by taking z off."""
    value.addcmul_(chosen, logits, value=-1.0)
    slope.sub_(chosen)


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

    def modify(self, value: Tensor, slope: Tensor, logits: Tensor, large: Tensor) -> None:
        """Leave the large ones out."""
        kept = 1.0 - large
        value.mul_(kept)
        slope.mul_(kept)


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

    def modify(self, value: Tensor, slope: Tensor, logits: Tensor, large: Tensor) -> None:
        """Take the large ones as present."""
        take_as_present(value, slope, logits, large)
