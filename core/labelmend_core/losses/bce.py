"""Binary cross-entropy."""

from torch import Tensor

from labelmend_core.losses._analytic import ElementwiseLoss, focal_term, present_in, sign_of
from labelmend_core.losses._hyperparameter import UNOBSERVED_WEIGHT


class BinaryCrossEntropy(ElementwiseLoss):
    """-ln p for present cells, -ln(1 - p) for all others; lower is better.

    Targets: -1 is a negative of weight 1; 0 is taken as a negative of weight `unobserved_weight`
    ("assume negative"; 0 leaves unobserved cells out).

    Example:
        >>> import torch
        >>> loss = BinaryCrossEntropy(reduction="sum")
        >>> round(loss(torch.zeros(1, 2), torch.tensor([[1, -1]])).item(), 4)
        1.3863
    """

    name = "bce"
    hyperparameters = (UNOBSERVED_WEIGHT,)

    def value_and_slope(self, logits: Tensor, targets: Tensor, epoch: int) -> tuple[Tensor, Tensor]:
        """Return the loss and its derivative; see `ElementwiseLoss`."""
        sign = sign_of(present_in(targets, logits.dtype))
        value, slope = focal_term(sign * logits, 0.0)
        return value, slope.mul_(sign)
