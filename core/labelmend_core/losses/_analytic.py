"""Losses that know their own gradient: value and slope in one pass."""

from abc import abstractmethod
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 – torch's own convention
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from labelmend_core.losses._base import MultiLabelLoss

# From here on ln(1 + e^x) is x, to the last bit of float64.
LINEAR = 40.0


class AnalyticLoss(MultiLabelLoss):
    """A loss that returns its value and slope together; autograd records one node."""

    @abstractmethod
    def value_and_slope(self, logits: Tensor, targets: Tensor, epoch: int) -> tuple[Tensor, Tensor]:
        """Return loss and dloss/dlogits of every cell, both in the shape and dtype of the logits.

        Args:
            logits: Detached, float32 or float64, (B, K).
            targets: 1, 0 or -1, of that shape, in any dtype.
            epoch: 0-based.
        """

    def cells(self, logits: Tensor, targets: Tensor, epoch: int, indices: Tensor | None) -> Tensor:
        """Return the unweighted loss of every cell, (B, K); its gradient is the slope of `value_and_slope`."""
        # Detached, so that nothing is recorded for the steps inside and no grad mode has to be switched.
        value, slope = self.value_and_slope(logits.detach(), targets, epoch)
        return with_slope(logits, value, slope)


class ElementwiseLoss(AnalyticLoss):
    """A loss of each cell on its own: `value_and_slope` takes any shape, so that a curve is one call of it."""

    def curve(
        self, logits: NDArray[np.float64], target: int, epoch: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return loss and gradient of one cell of the given target at every logit, both (G,)."""
        grid = torch.from_numpy(np.array(logits, dtype=np.float64))  # a copy: the caller's may be read-only
        value, slope = self.value_and_slope(grid, torch.full_like(grid, target), epoch)
        weight = self.unobserved_weight if target == 0 else 1.0
        return (weight * value).numpy(), (weight * slope).numpy()


def with_slope(logits: Tensor, value: Tensor, slope: Tensor) -> Tensor:
    """Return `value` as a function of the logits whose derivative is `slope`, both computed outside autograd.

    Args:
        logits: (B, K).
        value: (B, K), each of its own logit; or (K,), each of the logits of a class; or (), of all.
        slope: (B, K).
    """
    cells: Tensor = _WithSlope.apply(logits, value, slope)
    return cells


class _WithSlope(torch.autograd.Function):
    """Gives a value that was computed outside autograd the slope that was computed with it."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, value: Tensor, slope: Tensor) -> Tensor:
        ctx.save_for_backward(slope)
        return value

    @staticmethod
    @once_differentiable  # the stored slope is a constant to autograd: a second derivative would be wrong
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None, None]:
        (slope,) = ctx.saved_tensors
        return grad_output * slope, None, None


def choose(chosen: Tensor, value: Tensor, other: Tensor) -> Tensor:
    """Return `value` where `chosen` is 1 and `other` where it is 0, both finite, exactly; between them their mixture.

    Five times as fast as `torch.where` on a CPU, which does not vectorise it.

    Args:
        chosen: In [0, 1], in the dtype of the others.
        value, other: Any shape.
    """
    return torch.lerp(other, value, chosen)


def present_in(targets: Tensor, dtype: torch.dtype) -> Tensor:
    """Return 1 where a class is present and 0 elsewhere, a fresh tensor of that dtype.

    No comparison: turning booleans into floats takes longer, and `torch.compile` would keep the booleans for the
    backward pass, which costs it more than everything else.
    """
    return targets.to(dtype).clamp(0.0, 1.0)


def unobserved_in(targets: Tensor, dtype: torch.dtype) -> Tensor:
    """Return 1 where a target is 0, unobserved, and 0 elsewhere, a fresh tensor of that dtype."""
    return torch.sub(1.0, targets.to(dtype).abs())


def sign_of(present: Tensor) -> Tensor:
    """Return 1 where `present` is 1 and -1 where it is 0, in its dtype: the logit of what should be, over the logit."""
    return (2.0 * present).sub_(1.0)


def focal_term(logits: Tensor, gamma: float, *, detach_weight: bool = False) -> tuple[Tensor, Tensor]:
    """Return -(1 - p)^gamma ln p of p = sigmoid(logits), and its derivative in the logits.

    Pass the negated logits (and negate the slope) for the term of a negative, -p^gamma ln(1 - p).

    Args:
        logits: Any shape.
        gamma: Focusing power ≥ 0; 0 is cross-entropy.
        detach_weight: Take (1 - p)^gamma as a constant in the derivative.

    Returns:
        Value and slope, both in the shape of the logits.
    """
    # In place, since fresh memory costs more than the arithmetic. From the negated logits, because 1 - p would
    # round to 0 where p is within machine precision of 1; p = 1 - (1 - p) is only needed where it is not small.
    opposite = -logits
    value = F.softplus(opposite)
    not_p = opposite.sigmoid_()
    if gamma == 0.0:
        return value, not_p.neg_()
    weight = not_p.square() if gamma == 2.0 else not_p.pow(gamma)
    slope = not_p if detach_weight else torch.addcmul(not_p, value, 1.0 - not_p, value=gamma)
    return value.mul_(weight), slope.mul_(weight).neg_()


def floored_term(logits: Tensor, floor: float) -> tuple[Tensor, Tensor]:
    """Return -ln(p + floor) of p = sigmoid(logits), and its derivative in the logits; floor 0 is cross-entropy.

    Several public implementations have a floor against the logarithm of 0. It also takes the gradient from
    positives whose p is below it.
    """
    if floor == 0.0:
        return focal_term(logits, 0.0)
    p = torch.sigmoid(logits)
    floored = p + floor
    return floored.log().neg_(), p.mul_(torch.sigmoid(-logits)).div_(floored).neg_()


class BothTerms(NamedTuple):
    """What a cell costs as present and as absent, with the derivatives in its logit, all of one shape."""

    p: Tensor
    not_p: Tensor
    present: Tensor
    absent: Tensor
    present_slope: Tensor
    absent_slope: Tensor


def both_terms(logits: Tensor, floor: float) -> BothTerms:
    """Return -ln(p + floor) and -ln(1 - p + floor), and their derivatives; do not write to what is returned.

    With floor 0 both come from one logarithm, ln(1 + e^-|z|), and lose nothing.
    """
    p, not_p = torch.sigmoid(logits), (-logits).sigmoid_()
    if floor == 0.0:
        smaller = F.softplus(logits.abs().neg_())
        present = smaller - logits.clamp(max=0.0)
        return BothTerms(p, not_p, present, smaller.add_(F.relu(logits)), -not_p, p)
    floored, not_floored, slope = p + floor, not_p + floor, p * not_p
    return BothTerms(
        p, not_p, floored.log().neg_(), not_floored.log().neg_(), (slope / floored).neg_(), slope / not_floored
    )
