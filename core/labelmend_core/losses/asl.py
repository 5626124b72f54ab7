"""The asymmetric loss."""

import torch
from torch import Tensor

from labelmend_core.losses._analytic import ElementwiseLoss, choose, focal_term, present_in
from labelmend_core.losses._hyperparameter import UNOBSERVED_WEIGHT, Hyperparameter


class AsymmetricLoss(ElementwiseLoss):
    """-(1 - p)^gamma_pos ln p for present cells, -(1 - q)^gamma_neg ln q for all others; lower is better.

    q = min(1 - p + clip, 1) is the probability of absence, shifted so that a negative with p < clip costs
    nothing. gamma_neg = gamma_pos = clip = 0 is binary cross-entropy; 2, 2, 0 the focal loss.

    Targets: -1 is a negative of weight 1; 0 is taken as a negative of weight `unobserved_weight`.

    Source: Ridnik et al., "Asymmetric Loss For Multi-Label Classification", ICCV 2021, arXiv 2009.14119,
    equation 7. The defaults are those of the authors' training script (its class has gamma_pos = 1).
    Deviations from their code: logarithms come from log-sigmoid and not from max(p, 1e-8), so that a present
    cell below 1e-8 keeps its gradient; detaching the focusing weight never switches the grad mode.

    Example:
        >>> import torch
        >>> loss = AsymmetricLoss(reduction="none")
        >>> loss(torch.tensor([[2.0, 0.0]]), torch.tensor([[0, 1]]))
        tensor([[0.8464, 0.6931]])
    """

    name = "asl"
    hyperparameters = (
        Hyperparameter("gamma_neg", 4.0, 0.0, 10.0, "focusing power of negatives; larger mutes easy ones more"),
        Hyperparameter("gamma_pos", 0.0, 0.0, 10.0, "focusing power of positives; larger mutes easy ones more"),
        Hyperparameter("clip", 0.05, 0.0, 0.5, "probability below which a negative costs nothing"),
        Hyperparameter("detach_weight", True, False, True, "take the focusing weights as constants in the gradient"),
        UNOBSERVED_WEIGHT,
    )
    gamma_neg: float
    gamma_pos: float
    clip: float
    detach_weight: bool

    def value_and_slope(self, logits: Tensor, targets: Tensor, epoch: int) -> tuple[Tensor, Tensor]:
        """Return the loss and its derivative; see `ElementwiseLoss`."""
        present = present_in(targets, logits.dtype)
        value_pos, slope_pos = focal_term(logits, self.gamma_pos, detach_weight=self.detach_weight)
        value_neg, slope_neg = self._negative_term(logits)
        return choose(present, value_pos, value_neg), choose(present, slope_pos, slope_neg)

    def _negative_term(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        if self.clip == 0.0:
            value, slope = focal_term(-logits, self.gamma_neg, detach_weight=self.detach_weight)
            return value, -slope
        not_p = torch.sigmoid(-logits)
        q = (not_p + self.clip).clamp_(max=1.0)  # ≥ clip, so that its logarithm is finite
        not_q = 1.0 - q
        log_q = q.log()
        # The default power, by two squares in half the time.
        weight = not_q.square().square_() if self.gamma_neg == 4.0 else not_q.pow(self.gamma_neg)
        slope = q.reciprocal_().mul_(weight)
        if self.gamma_neg == 0.0 or not self.detach_weight:
            if self.gamma_neg > 0.0:
                slope.addcmul_(not_q.pow(self.gamma_neg - 1.0), log_q, value=-self.gamma_neg)
            # Below the clip the loss is flat; there 0^(gamma_neg - 1) is infinite for powers below 1.
            slope = torch.where(not_q > 0.0, slope, 0.0)
        # p (1 - p), where 1 - (1 - p) loses nothing: p is above the clip wherever the slope is not 0.
        return log_q.mul_(weight).neg_(), torch.addcmul(not_p, not_p, not_p, value=-1.0).mul_(slope)
