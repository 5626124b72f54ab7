"""Self-paced loss correction."""

import torch
from torch import Tensor

from labelmend_core.losses._analytic import ElementwiseLoss, focal_term, present_in, sign_of, unobserved_in
from labelmend_core.losses._hyperparameter import Hyperparameter


class SPLC(ElementwiseLoss):
    """The focal margin loss, with confident unobserved cells taken as present; lower is better.

    Present cells cost -(1 - p_m)^gamma ln p_m with p_m = sigmoid(z - margin), others -p^gamma ln(1 - p). From
    `change_epoch` on, an unobserved cell with p > tau costs -(1 - p)^gamma ln p, without the margin. That is
    decided anew in every batch and never written back to the labels.

    Targets: 0 is a negative until it is relabelled; -1, a verified negative, is never relabelled.

    Source: Zhang et al., "Simple and Robust Loss Design for Multi-Label Learning with Missing Labels", 2021,
    arXiv 2112.07368, SPLC with the focal margin loss, and the authors' code, whose `change_epoch` is
    0-based and which knows no verified negatives. tau = 0.65 where a quarter of the labels is missing.

    Example:
        >>> import torch
        >>> loss = SPLC(reduction="none")
        >>> logits, targets = torch.full((1, 2), 3.0), torch.tensor([[0, -1]])
        >>> loss(logits, targets, epoch=0)
        tensor([[2.7663, 2.7663]])
        >>> loss(logits, targets, epoch=1)  # the unobserved cell is now taken as present
        tensor([[1.0928e-04, 2.7663e+00]])
    """

    name = "splc"
    hyperparameters = (
        Hyperparameter("tau", 0.6, 0.0, 1.0, "probability above which an unobserved cell is taken as present"),
        Hyperparameter("change_epoch", 1, 0, 1000, "first epoch, counted from 0, that relabels"),
        Hyperparameter("margin", 1.0, 0.0, 5.0, "taken off the logits of positives; larger pushes them further"),
        Hyperparameter("gamma", 2.0, 0.0, 10.0, "focusing power; larger mutes easy cells more"),
    )
    tau: float
    change_epoch: int
    margin: float
    gamma: float

    def value_and_slope(self, logits: Tensor, targets: Tensor, epoch: int) -> tuple[Tensor, Tensor]:
        """Return the loss and its derivative; see `ElementwiseLoss`."""
        given = present = present_in(targets, logits.dtype)
        if epoch >= self.change_epoch:
            confident = torch.sigmoid(logits).gt_(self.tau)
            present = given + confident.mul_(unobserved_in(targets, logits.dtype))
        sign = sign_of(present)
        value, slope = focal_term((sign * logits).sub_(given, alpha=self.margin), self.gamma)
        return value, slope.mul_(sign)
