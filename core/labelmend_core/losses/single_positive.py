"""Baselines for a single positive label an image: weak and smoothed assumed negatives, entropy maximisation."""

import torch
import torch.nn.functional as F  # noqa: N812 – torch's own convention
from torch import Tensor

from labelmend_core.losses._analytic import (
    ElementwiseLoss,
    both_terms,
    choose,
    floored_term,
    focal_term,
    present_in,
    sign_of,
    unobserved_in,
)
from labelmend_core.losses._hyperparameter import FLOOR, UNOBSERVED_WEIGHT, Hyperparameter


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
    hyperparameters = (FLOOR,)
    floor: float

    def value_and_slope(self, logits: Tensor, targets: Tensor, epoch: int) -> tuple[Tensor, Tensor]:
        """Return the loss and its derivative; see `ElementwiseLoss`."""
        sign = sign_of(present_in(targets, logits.dtype))
        value, slope = floored_term(sign * logits, self.floor)
        # A curve, of shape (G,), is that of two classes.
        others = max(logits.shape[-1] - 1, 1) if logits.ndim > 1 else 1
        weight = unobserved_in(targets, logits.dtype).mul_(1.0 / others - 1.0).add_(1.0)
        return value.mul_(weight), slope.mul_(weight.mul_(sign))


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
        FLOOR,
        UNOBSERVED_WEIGHT,
    )
    smoothing: float
    floor: float

    def value_and_slope(self, logits: Tensor, targets: Tensor, epoch: int) -> tuple[Tensor, Tensor]:
        """Return the loss and its derivative; see `ElementwiseLoss`."""
        present = present_in(targets, logits.dtype)
        if self.floor == 0.0:
            # The other side costs -ln(1 - q) = -ln q + x, q being the sigmoid of x: one logarithm serves both.
            sign = sign_of(present)
            x = sign * logits
            value, slope = focal_term(x, 0.0)
            return value.add_(x, alpha=self.smoothing), slope.add_(self.smoothing).mul_(sign)
        present.mul_(1.0 - 2.0 * self.smoothing).add_(self.smoothing)
        terms = both_terms(logits, self.floor)
        return choose(present, terms.present, terms.absent), choose(present, terms.present_slope, terms.absent_slope)


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
        FLOOR,
    )
    alpha: float
    floor: float

    def value_and_slope(self, logits: Tensor, targets: Tensor, epoch: int) -> tuple[Tensor, Tensor]:
        """Return the loss and its derivative; see `ElementwiseLoss`."""
        if self.floor == 0.0:
            return self._without_floor(logits, targets)
        present, unknown = present_in(targets, logits.dtype), unobserved_in(targets, logits.dtype)
        terms = both_terms(logits, self.floor)
        entropy = choose(terms.p, terms.present, terms.absent)
        slope = choose(terms.p, terms.present_slope, terms.absent_slope)
        slope.addcmul_(terms.p * terms.not_p, terms.present - terms.absent)
        value_seen = choose(present, terms.present, terms.absent)
        slope_seen = choose(present, terms.present_slope, terms.absent_slope)
        return (
            choose(unknown, entropy.mul_(-self.alpha), value_seen),
            choose(unknown, slope.mul_(-self.alpha), slope_seen),
        )

    def _without_floor(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        # With s = ln(1 + e^-|z|), a seen cell of the logit x for what it is costs s + relu(-x), and the entropy is
        # s + |z| q, q = sigmoid(-|z|) being the smaller of p and 1 - p: one logarithm, and nothing cancels.
        sign = targets.to(logits.dtype, copy=True).sign_()
        unknown = sign.abs().sub_(1.0).mul_(self.alpha)  # -alpha where unknown, else 0
        x = sign * logits  # 0 where unknown
        size = logits.abs()
        opposite = -size
        s, q = F.softplus(opposite), torch.sigmoid(opposite)
        value = torch.mul(s, sign.abs().add_(unknown)).add_(F.relu(-x))
        value.addcmul_(size.mul_(q), unknown)
        # The derivative of the entropy is -z q (1 - q).
        slope = unknown.mul_(logits).mul_(q).mul_(q.sub_(1.0))
        return value, slope.addcmul_(sign, x.neg_().sigmoid_(), value=-1.0)
