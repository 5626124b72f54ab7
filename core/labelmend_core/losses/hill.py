"""The Hill loss."""

import torch
from torch import Tensor

from labelmend_core.losses._analytic import ElementwiseLoss, choose, focal_term, present_in
from labelmend_core.losses._hyperparameter import UNOBSERVED_WEIGHT, Hyperparameter


class Hill(ElementwiseLoss):
    """-(1 - p_m)^gamma ln p_m for present cells, (lam - p) p² for all others; lower is better.

    p_m = sigmoid(z - margin). The negative loss is a hill: its gradient falls again for p > ½ and is 0 at
    p = 2 lam / 3, because an unlabelled cell of which the model is sure is probably a missing label.

    Targets: -1 is a negative of weight 1; 0 is taken as a negative of weight `unobserved_weight`. A verified
    negative is down-weighted at high p like any other: the paper knows no verified negatives.

    Source: Zhang et al., "Simple and Robust Loss Design for Multi-Label Learning with Missing Labels", 2021,
    arXiv 2112.07368, the Hill loss with its focal margin for positives. Deviation from the authors' code:
    log-sigmoid instead of the logarithm of a sigmoid, which is infinite at z ≤ -88 in float32.

    Example:
        >>> import torch
        >>> loss = Hill(reduction="none")
        >>> loss(torch.zeros(1, 1), torch.zeros(1, 1))  # (1.5 - 0.5) * 0.25
        tensor([[0.2500]])
    """

    name = "hill"
    hyperparameters = (
        Hyperparameter("lam", 1.5, 1.0, 3.0, "height of the hill; larger trusts confident negatives more"),
        Hyperparameter("margin", 1.0, 0.0, 5.0, "taken off the logits of positives; larger pushes them further"),
        Hyperparameter("gamma", 2.0, 0.0, 10.0, "focusing power of positives; larger mutes easy ones more"),
        UNOBSERVED_WEIGHT,
    )
    lam: float
    margin: float
    gamma: float

    def value_and_slope(self, logits: Tensor, targets: Tensor, epoch: int) -> tuple[Tensor, Tensor]:
        """Return the loss and its derivative; see `ElementwiseLoss`."""
        present = present_in(targets, logits.dtype)
        value_pos, slope_pos = focal_term(logits - self.margin, self.gamma)
        p = torch.sigmoid(logits)
        square = p.square()
        value_neg = (self.lam - p).mul_(square)
        slope_neg = (2.0 * self.lam - 3.0 * p).mul_(square).mul_(torch.sigmoid(-logits))
        return choose(present, value_pos, value_neg), choose(present, slope_pos, slope_neg)
