"""Baselines for a single positive label an image: weak and smoothed assumed negatives, entropy maximisation."""

import torch
import torch.nn.functional as F  # noqa: N812 – torch's own convention
from torch import Tensor

from labelmend_core.losses._analytic import ElementwiseLoss, choose, floored_term, focal_term
from labelmend_core.losses._hyperparameter import UNOBSERVED_WEIGHT, Hyperparameter

_FLOOR = Hyperparameter("floor", 0.0, 0.0, 1e-3, "added to p in the logarithm; the authors' code has 1e-5, which mutes")


class WeakAssumedNegatives(ElementwiseLoss):
    """-ln p for present cells, -ln(1 - p) / (K - 1) for unobserved ones; lower is better.

    An image's unobserved cells together weigh about as much as its one positive.

    Targets: 0 is a negative of weight 1 / (K - 1); -1 is a negative of weight 1, since somebody looked.

    Source: Cole et al., "Multi-Label Learning from Single Positive Labels", CVPR 2021, arXiv 2106.09708,
    section 3.2 (WAN), and the authors' code, which adds 1e-5 within the logarithms (`floor`) and knows no
    verified negatives.

    Example:
        >>> import torch
        >>> WeakAssumedNegatives(reduction="none")(torch.zeros(1, 3), torch.tensor([[1, 0, -1]]))
        tensor([[0.6931, 0.3466, 0.6931]])
    """

    name = "wan"
    hyperparameters = (_FLOOR,)
    floor: float

    def value_and_slope(self, logits: Tensor, targets: Tensor, epoch: int) -> tuple[Tensor, Tensor]:
        """Return the loss and its derivative; see `ElementwiseLoss`."""
        sign = 2.0 * (targets > 0).to(logits.dtype) - 1.0
        value, slope = floored_term(sign * logits, self.floor)
        # A curve, of shape (G,), is that of two classes.
        others = max(logits.shape[-1] - 1, 1) if logits.ndim > 1 else 1
        weight = 1.0 - (1.0 - 1.0 / others) * (targets == 0).to(logits.dtype)
        return weight * value, weight * sign * slope


class SmoothedAssumedNegatives(ElementwiseLoss):
    """Cross-entropy with targets moved by `smoothing` towards the other side; lower is better.

    -(1 - s) ln p - s ln(1 - p) for present cells, -(1 - s) ln(1 - p) - s ln p for all others.

    Targets: -1 is a negative of weight 1; 0 is taken as a negative of weight `unobserved_weight`.

    Source: Cole et al., "Multi-Label Learning from Single Positive Labels", CVPR 2021, arXiv 2106.09708,
    section 3.2 (AN-LS), and the authors' code, which adds 1e-5 within the logarithms (`floor`).

    Example:
        >>> import torch
        >>> SmoothedAssumedNegatives(reduction="none")(torch.tensor([[2.0, 2.0]]), torch.tensor([[1, -1]]))
        tensor([[0.3269, 1.9269]])
    """

    name = "an_ls"
    hyperparameters = (
        Hyperparameter("smoothing", 0.1, 0.0, 0.5, "moves targets to the other side; larger trusts the labels less"),
        _FLOOR,
        UNOBSERVED_WEIGHT,
    )
    smoothing: float
    floor: float

    def value_and_slope(self, logits: Tensor, targets: Tensor, epoch: int) -> tuple[Tensor, Tensor]:
        """Return the loss and its derivative; see `ElementwiseLoss`."""
        present = (targets > 0).to(logits.dtype) * (1.0 - 2.0 * self.smoothing) + self.smoothing
        if self.floor == 0.0:  # ln(1 - p) = ln p - z
            return torch.addcmul(logits - F.logsigmoid(logits), present, logits, value=-1), logits.sigmoid() - present
        value_pos, slope_pos = floored_term(logits, self.floor)
        value_neg, slope_neg = floored_term(-logits, self.floor)
        return present * value_pos + (1 - present) * value_neg, present * slope_pos - (1 - present) * slope_neg


class EntropyMaximisation(ElementwiseLoss):
    """-ln p for present cells, -alpha · H(p) for unobserved ones; can be negative, lower is better.

    H is the entropy of p in nats: an unobserved cell is drawn to p = ½, the more weakly the surer it is.

    Targets: 0 is unknown; -1 is a verified negative, -ln(1 - p).

    Source: Zhou et al., "Acknowledging the Unknown for Multi-label Learning with Single Positive Labels",
    ECCV 2022, arXiv 2203.16219, equation 4, and the authors' code, which adds 1e-5 within the logarithms
    (`floor`) and knows no verified negatives.

    Example:
        >>> import torch
        >>> EntropyMaximisation(reduction="none")(torch.zeros(1, 2), torch.tensor([[1, 0]]))
        tensor([[ 0.6931, -0.0693]])
    """

    name = "em"
    hyperparameters = (
        Hyperparameter("alpha", 0.1, 0.0, 1.0, "weight of the entropy; larger keeps unknown cells closer to one half"),
        _FLOOR,
    )
    alpha: float
    floor: float

    def value_and_slope(self, logits: Tensor, targets: Tensor, epoch: int) -> tuple[Tensor, Tensor]:
        """Return the loss and its derivative; see `ElementwiseLoss`."""
        present, unknown = (targets > 0).to(logits.dtype), (targets == 0).to(logits.dtype)
        if self.floor == 0.0:
            return self._without_floor(logits, 2.0 * present - 1.0, unknown)
        value_pos, slope_pos = floored_term(logits, self.floor)
        value_neg, slope_neg = floored_term(-logits, self.floor)
        p, not_p = torch.sigmoid(logits), torch.sigmoid(-logits)
        entropy = p * value_pos + not_p * value_neg
        slope = p * not_p * (value_pos - value_neg) + p * slope_pos - not_p * slope_neg
        return (
            choose(unknown, -self.alpha * entropy, choose(present, value_pos, value_neg)),
            choose(unknown, -self.alpha * slope, choose(present, slope_pos, -slope_neg)),
        )

    def _without_floor(self, logits: Tensor, sign: Tensor, unknown: Tensor) -> tuple[Tensor, Tensor]:
        """Return the same from one log-sigmoid: the entropy is even in z, so that of |z| does, and loses nothing."""
        x = choose(unknown, logits.abs(), sign * logits)
        value, slope = focal_term(x, 0.0)
        entropy = value - slope * x  # -ln p + (1 - p) z
        return (
            choose(unknown, -self.alpha * entropy, value),
            choose(unknown, -self.alpha * slope * (1.0 + slope) * logits, sign * slope),
        )
