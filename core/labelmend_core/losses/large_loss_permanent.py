"""Large-loss modification for good: the labels that training finds hardest to believe are turned, and stay turned."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from labelmend_core.losses._analytic import focal_term, sign_of, with_slope
from labelmend_core.losses._base import Reduction
from labelmend_core.losses._hyperparameter import Hyperparameter, Value
from labelmend_core.losses._remembering import RememberingLoss
from labelmend_core.losses.large_loss import LargeLossCorrection, largest, take_as_present


class LargeLossPermanentCorrection(RememberingLoss):
    """Cross-entropy that takes the unobserved cells of the largest loss as present from then on; lower is better.

    -ln p for present cells, -ln(1 - p) for all others; from the second epoch on, the ceil(delta · B · K) unobserved
    cells of each batch with the largest loss cost -ln p. They are present for good, but for the last of them (and all
    that equal it), which is so in this batch only.

    Targets: 0 is a negative that may be taken as present; -1 is a negative that never is.

    Source: Kim et al., "Large Loss Matters in Weakly Supervised Multi-Label Classification", CVPR 2022, arXiv
    2206.03740, LL-Cp, and the authors' code as it is meant: it compares a string with `is`, so that from its command
    line the number grows every epoch as for LL-Ct. It knows no verified negatives.

    Example:
        >>> import torch
        >>> loss = LargeLossPermanentCorrection(delta=0.1, reduction="none")
        >>> targets, indices = torch.zeros(2, 10), torch.arange(2)
        >>> loss.begin(targets)
        >>> _ = loss(torch.arange(20.0).view(2, 10), targets, epoch=1, indices=indices)
        >>> loss.turned.nonzero().tolist()
        [[1, 9]]
    """

    name = "ll_cp"
    hyperparameters = (
        Hyperparameter("delta", 0.002, 0.0, 0.1, "share of a batch's cells that is turned each time it is seen"),
    )
    delta: float
    turned: Tensor | None

    def __init__(self, *, reduction: Reduction = "batch", **hyperparameters: Value) -> None:
        super().__init__(reduction=reduction, **hyperparameters)
        self.register_buffer("turned", None)

    def begin(self, targets: Tensor) -> None:
        """Take every label of the training images, (N, K), as it is given."""
        self.turned = torch.zeros_like(targets, dtype=torch.bool)

    def cells(self, logits: Tensor, targets: Tensor, epoch: int, indices: Tensor | None) -> Tensor:
        """Return the loss of every cell, (B, K). Which cells are modified has no gradient."""
        turned = self.rows(self.turned, logits, indices)
        outside, present = logits.detach(), (targets > 0) | (turned & (targets == 0))
        sign = sign_of(present.to(logits.dtype))
        value, slope = focal_term(sign * outside, 0.0)
        slope.mul_(sign)
        n = math.ceil(logits.numel() * self.delta) if epoch > 0 else 0
        if n > 0:
            large, beyond = largest(value, (targets == 0) & ~present, n)
            take_as_present(value, slope, outside, large.to(logits.dtype))
            if self.training and self.turned is not None and indices is not None:
                self.turned[indices] = turned | beyond
        return with_slope(logits, value, slope)

    def curve(
        self, logits: NDArray[np.float64], target: int, epoch: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return loss and gradient of one cell that was not turned yet, both (G,), among those of `ll_ct`'s curve."""
        return LargeLossCorrection(delta=self.delta).curve(logits, target, min(epoch, 1))
