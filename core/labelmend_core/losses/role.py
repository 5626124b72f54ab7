"""Regularised online label estimation: the labels are learned along with the network."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from labelmend_core.losses._analytic import BothTerms, both_terms, with_slope
from labelmend_core.losses._base import Reduction
from labelmend_core.losses._hyperparameter import FLOOR, Hyperparameter, Value
from labelmend_core.losses._remembering import RememberingLoss
from labelmend_core.losses.expected_positives import surplus

# What the estimate of a cell starts from: sure where somebody looked, near one half elsewhere.
_OBSERVED_LOGIT = 5.2933  # of p = .995
_UNOBSERVED_LOGIT = 0.4055  # of p = .6; unobserved cells start between -this and this


class RegularisedOnlineLabelEstimation(RememberingLoss):
    """Half of how far network and estimated labels are from one another and from the observed ones; lower is better.

    Every cell of the training images has an estimated logit, a parameter that learns with the network. Each of the
    two has three terms: cross-entropy with the other one's p, taken as constant; that with the observed labels; and,
    on every cell, ((mean over images of Σ p) - k)² / K², k being `expected_positives`.

    Targets: 1 and -1 are observed, present and absent; 0 is unknown.

    Source: Cole et al., "Multi-Label Learning from Single Positive Labels", CVPR 2021, arXiv 2106.09708, section
    3.3 (ROLE), and the authors' code, which adds 1e-5 within the logarithms (`floor`), gives the estimates ten
    times the network's learning rate, and has no loss of observed negatives, only estimates that start from them.
    Its k: VOC 1.5, COCO 2.9, NUS-WIDE 1.9, CUB 31.4.

    Example:
        >>> import torch
        >>> loss, targets = RegularisedOnlineLabelEstimation(), torch.tensor([[1, 0], [0, 1]])
        >>> loss.begin(targets)
        >>> round(loss(torch.zeros(2, 2), targets, indices=torch.tensor([0, 1])).item(), 2)
        2.78
    """

    name = "role"
    hyperparameters = (
        Hyperparameter("expected_positives", 1.5, 0.0, 1000.0, "present classes of an image on average"),
        FLOOR,
    )
    expected_positives: float
    floor: float
    estimate: nn.Parameter | None

    def __init__(self, *, reduction: Reduction = "batch", **hyperparameters: Value) -> None:
        super().__init__(reduction=reduction, **hyperparameters)
        self.register_parameter("estimate", None)

    def begin(self, targets: Tensor) -> None:
        """Give every cell of the training images, (N, K), its estimated logit; the same at every call."""
        generator = torch.Generator().manual_seed(0)
        logits = (2.0 * torch.rand(targets.shape, generator=generator) - 1.0).mul_(_UNOBSERVED_LOGIT)
        observed = targets.sign().to("cpu", torch.float32)
        self.estimate = nn.Parameter(torch.where(observed != 0, _OBSERVED_LOGIT * observed, logits).to(targets.device))

    def cells(self, logits: Tensor, targets: Tensor, epoch: int, indices: Tensor | None) -> Tensor:
        """Return the loss of every cell, (B, K), each with the whole of both regularisers."""
        estimate = self.rows(self.estimate, logits, indices).to(logits.dtype)
        network, estimated = both_terms(logits.detach(), self.floor), both_terms(estimate.detach(), self.floor)
        k = self.expected_positives
        cells = with_slope(logits, *self._half(network, estimated, targets))
        cells = cells + with_slope(estimate, *self._half(estimated, network, targets))
        of_network = surplus(logits, network.p, network.not_p, k)
        return cells + 0.5 * (of_network + surplus(estimate, estimated.p, estimated.not_p, k))

    def curve(
        self, logits: NDArray[np.float64], target: int, epoch: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return loss and gradient of one cell in the first epoch, its estimate ½ where unobserved, both (G,).

        The network's part alone, without the regulariser.
        """
        grid = torch.from_numpy(np.array(logits, dtype=np.float64))
        estimate = torch.full_like(grid, _OBSERVED_LOGIT * target)
        terms = both_terms(grid, self.floor)
        value, slope = self._half(terms, both_terms(estimate, self.floor), torch.full_like(grid, target))
        return value.numpy(), slope.numpy()

    def _half(self, terms: BothTerms, others: BothTerms, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return half the cross-entropy with the other one's p and the observed labels, and its derivative."""
        positive = targets.to(others.p.dtype, copy=True).gt_(0.0).add_(others.p).mul_(0.5)
        negative = targets.to(others.p.dtype, copy=True).lt_(0.0).add_(others.not_p).mul_(0.5)
        return (
            (positive * terms.present).addcmul_(negative, terms.absent),
            positive.mul_(terms.present_slope).addcmul_(negative, terms.absent_slope),
        )
