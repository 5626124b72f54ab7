"""The focal loss, and the focal loss with a margin."""

from torch import Tensor

from labelmend_core.losses._analytic import ElementwiseLoss, focal_term, present_in, sign_of
from labelmend_core.losses._hyperparameter import UNOBSERVED_WEIGHT, Hyperparameter

_GAMMA = Hyperparameter("gamma", 2.0, 0.0, 10.0, "focusing power; larger mutes easy cells more")


class Focal(ElementwiseLoss):
    """-(1 - p)^gamma ln p for present cells, -p^gamma ln(1 - p) for all others; lower is better.

    Targets: -1 is a negative of weight 1; 0 is taken as a negative of weight `unobserved_weight`.

    Source: Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, arXiv 1708.02002, equation 4,
    without its class balance alpha; the same as `asl` with gamma_neg = gamma_pos, clip = 0.

    Example:
        >>> import torch
        >>> Focal(reduction="none")(torch.tensor([[2.0, 2.0]]), torch.tensor([[1, -1]]))
        tensor([[0.0018, 1.6501]])
    """

    name = "focal"
    hyperparameters = (_GAMMA, UNOBSERVED_WEIGHT)
    gamma: float

    def value_and_slope(self, logits: Tensor, targets: Tensor, epoch: int) -> tuple[Tensor, Tensor]:
        """Return the loss and its derivative; see `ElementwiseLoss`."""
        sign = sign_of(present_in(targets, logits.dtype))
        value, slope = focal_term(sign * logits, self.gamma)
        return value, slope.mul_(sign)


class FocalMargin(ElementwiseLoss):
    """-(1 - p_m)^gamma ln p_m for present cells, -p^gamma ln(1 - p) for all others; lower is better.

    p_m = sigmoid(z - margin): a positive is not easy before its logit passes the margin. It is `splc` before
    its `change_epoch`, and `hill` shares its positives.

    Targets: -1 is a negative of weight 1; 0 is taken as a negative of weight `unobserved_weight`.

    Source: Zhang et al., "Simple and Robust Loss Design for Multi-Label Learning with Missing Labels", 2021,
    arXiv 2112.07368, the focal margin loss, and the authors' code.

    Example:
        >>> import torch
        >>> FocalMargin(reduction="none")(torch.tensor([[2.0, 2.0]]), torch.tensor([[1, -1]]))
        tensor([[0.0227, 1.6501]])
    """

    name = "focal_margin"
    hyperparameters = (
        Hyperparameter("margin", 1.0, 0.0, 5.0, "taken off the logits of positives; larger pushes them further"),
        _GAMMA,
        UNOBSERVED_WEIGHT,
    )
    margin: float
    gamma: float

    def value_and_slope(self, logits: Tensor, targets: Tensor, epoch: int) -> tuple[Tensor, Tensor]:
        """Return the loss and its derivative; see `ElementwiseLoss`."""
        present = present_in(targets, logits.dtype)
        sign = sign_of(present)
        value, slope = focal_term((sign * logits).sub_(present, alpha=self.margin), self.gamma)
        return value, slope.mul_(sign)
