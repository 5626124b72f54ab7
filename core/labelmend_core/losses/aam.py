"""The angular margin asymmetric loss, of cosines."""

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 – torch's own convention
from numpy.typing import NDArray
from torch import Tensor

from labelmend_core.errors import InputError
from labelmend_core.losses._analytic import LINEAR, AnalyticLoss, present_in
from labelmend_core.losses._hyperparameter import UNOBSERVED_WEIGHT, Hyperparameter

# How far above 1 a cosine may come by rounding, beside the machine precision of its dtype.
_ROUNDING = 1e-3


class AngularMarginLoss(AnalyticLoss):
    """Asymmetric loss of the angle between features and a class's weights, with a margin; lower is better.

    With p₊ = sigmoid(s (c - m)) and p₋ = sigmoid(-s (c + m)) of a cosine c, scale s and margin m, a present cell
    costs -(k / s) p₋^gamma_pos ln p₊ and any other -((1 - k) / s) p₊^gamma_neg ln p₋, k being `balance`. If a gamma
    is above 0, p₋ is raised by `clip` everywhere, to at most 1. `smoothing` moves targets to the other side; a cell
    then has both logarithms, and a power and weights between the two.

    Takes cosines in [-1, 1], as `--head cosine` gives them; `scale · c` is the logit that they stand for.

    Targets: -1 is a negative of weight 1; 0 is taken as a negative of weight `unobserved_weight`.

    Source: Prokofiev and Sovrasov, "Combining Metric Learning and Attention Heads For Accurate and Efficient
    Multilabel Image Classification", 2022, arXiv 2209.06585, the AAM loss, and the authors' code, which leaves
    out targets below 0 (here: 0 with `unobserved_weight` 0). The focusing weights have a gradient, as there. Its
    released configurations: scale 23 (COCO) or 17 (VOC), margin 0, balance 0.7. With margin 0 and a gamma above 0
    it is the loss of OpenVINO Training Extensions, divided by the scale and without that one's max(p, 1e-8).

    Example:
        >>> import torch
        >>> loss = AngularMarginLoss(scale=10.0, margin=0.0, reduction="sum")
        >>> loss(torch.tensor([[0.2, -0.1]]), torch.tensor([[1, 0]]))
        tensor(0.0164)
    """

    name = "aam"
    input_kind = "cosines"
    hyperparameters = (
        Hyperparameter("scale", 30.0, 1.0, 100.0, "logit of the cosine 1; larger makes the loss steeper"),
        Hyperparameter("margin", 0.35, 0.0, 1.0, "cosine that a cell must be beyond on its side; larger asks for more"),
        Hyperparameter("balance", 0.8, 0.0, 1.0, "weight of positives, against 1 less it of negatives"),
        Hyperparameter("gamma_neg", 0.0, 0.0, 10.0, "focusing power of negatives; larger mutes easy ones more"),
        Hyperparameter("gamma_pos", 0.0, 0.0, 10.0, "focusing power of positives; larger mutes easy ones more"),
        Hyperparameter("clip", 0.05, 0.0, 0.5, "added to the probability of absence, only where a gamma is above 0"),
        Hyperparameter("smoothing", 0.0, 0.0, 0.5, "moves targets to the other side; larger trusts the labels less"),
        UNOBSERVED_WEIGHT,
    )
    scale: float
    margin: float
    balance: float
    gamma_neg: float
    gamma_pos: float
    clip: float
    smoothing: float

    def value_and_slope(self, cosines: Tensor, targets: Tensor, epoch: int) -> tuple[Tensor, Tensor]:
        """Return the loss and its derivative in the cosines; see `AnalyticLoss`."""
        present = present_in(targets, cosines.dtype)
        if self.smoothing > 0.0 or self._focused():
            return self._of_both_sides(cosines, present)
        # s (m - c) where present, else s (m + c): -ln sigmoid(-x) is ln(1 + e^x).
        x = torch.add(1.0, present, alpha=-2.0) * cosines
        x = torch.add(self.scale * self.margin, x, alpha=self.scale)
        weight = torch.add((1.0 - self.balance) / self.scale, present, alpha=(2.0 * self.balance - 1.0) / self.scale)
        # The derivative is weighted by -k where present, else by 1 - k: s · c against 1 / s.
        return weight * F.softplus(x, threshold=LINEAR), (1.0 - self.balance - present) * torch.sigmoid(x)

    def curve(
        self, logits: NDArray[np.float64], target: int, epoch: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return loss and gradient of one cell at every logit z = scale · c, both (G,).

        The loss is that of the cosine z / scale, the gradient dL/dz, so that it can be drawn beside the others. No
        cosine gives a logit beyond ± scale.
        """
        cosines = torch.from_numpy(np.array(logits, dtype=np.float64)) / self.scale
        value, slope = self.value_and_slope(cosines, torch.full_like(cosines, target), epoch)
        weight = self.unobserved_weight if target == 0 else 1.0
        return (weight * value).numpy(), (weight / self.scale * slope).numpy()

    def as_logits(self, outputs: Tensor) -> Tensor:
        """Return `scale` · cosine, (B, K)."""
        return self.scale * outputs

    def in_logits(self, gradients: Tensor) -> Tensor:
        """Return gradients in cosines over `scale`, (B, K)."""
        return gradients / self.scale

    def _check(self, logits: Tensor, targets: Tensor) -> None:
        """Refuse raw logits as well: one pass over them and, on a GPU, one wait; none under torch.compile."""
        super()._check(logits, targets)
        if torch.compiler.is_compiling():
            return
        low, high = torch.aminmax(logits.detach())
        largest = float(torch.maximum(-low, high))
        if largest > 1.0 + _ROUNDING + torch.finfo(logits.dtype).eps:  # not for NaN: that is another fault
            raise InputError(
                f"Loss 'aam' takes cosines in [-1, 1], got {largest:.4g}; does the network end in raw logits? "
                "Train it with --head cosine."
            )

    def _focused(self) -> bool:
        return self.gamma_pos > 0.0 or self.gamma_neg > 0.0

    def _of_both_sides(self, cosines: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss with focusing or smoothing, and its derivative; the derivatives within are in s · c."""
        y = torch.add(self.smoothing, present, alpha=1.0 - 2.0 * self.smoothing)
        up, down = self.scale * (cosines - self.margin), -self.scale * (cosines + self.margin)
        log_pos, log_pos_slope = F.logsigmoid(up), torch.sigmoid(-up)
        log_neg, log_neg_slope = F.logsigmoid(down), -torch.sigmoid(-down)
        p_neg, p_neg_slope = torch.sigmoid(down), torch.sigmoid(down) * log_neg_slope
        if self._focused() and self.clip > 0.0:
            p_neg = (p_neg + self.clip).clamp(max=1.0)
            p_neg_slope = p_neg_slope * (p_neg < 1.0)
            log_neg, log_neg_slope = p_neg.log(), p_neg_slope / p_neg
        balance_pos, balance_neg = self.balance * y, (1.0 - self.balance) * (1.0 - y)
        value = balance_pos * log_pos + balance_neg * log_neg
        slope = balance_pos * log_pos_slope + balance_neg * log_neg_slope
        if self._focused():
            # The other side's probability, to the power of this side.
            other = p_neg * y + torch.sigmoid(up) * (1.0 - y)
            other_slope = p_neg_slope * y + torch.sigmoid(up) * log_pos_slope * (1.0 - y)
            gamma = self.gamma_pos * y + self.gamma_neg * (1.0 - y)
            focus = other.pow(gamma)
            # Not other.pow(gamma - 1), which is infinite where that probability is 0 and its slope with it.
            relative = other_slope / other.clamp(min=torch.finfo(other.dtype).tiny)
            value, slope = focus * value, focus * (slope + gamma * relative * value)
        return value / -self.scale, -slope
