"""Expected positive regularisation: of what is not known to be present, only the expected number is."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 – torch's own convention
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from labelmend_core.losses._analytic import floored_term
from labelmend_core.losses._base import MultiLabelLoss
from labelmend_core.losses._hyperparameter import FLOOR, Hyperparameter

# The other classes of the image in which `curve` varies one cell: they expect 1.3 present ones together.
_CURVE_LOGITS = (-6.0, -1.0)
_CURVE_CLASSES = 19


class ExpectedPositives(MultiLabelLoss):
    """-ln p for present cells, and ((mean over images of Σ p) - k)² / K² on every cell; lower is better.

    k is `expected_positives`, how many classes an image shows on average. The second term is the only one that
    pushes unobserved cells, up or down, all alike; with reduction `"mean"` it counts once, as in the paper.

    Targets: 0 is unknown; -1 is a verified negative, -ln(1 - p).

    Source: Cole et al., "Multi-Label Learning from Single Positive Labels", CVPR 2021, arXiv 2106.09708, EPR,
    and the authors' code, which adds 1e-5 within the logarithm (`floor`) and knows no verified negatives. Its k:
    VOC 1.5, COCO 2.9, NUS-WIDE 1.9, CUB 31.4.

    Example:
        >>> import torch
        >>> ExpectedPositives(expected_positives=1.0, reduction="none")(torch.zeros(1, 3), torch.tensor([[1, 0, -1]]))
        tensor([[0.7209, 0.0278, 0.7209]])
    """

    name = "epr"
    hyperparameters = (
        Hyperparameter("expected_positives", 1.5, 0.0, 1000.0, "present classes of an image on average"),
        FLOOR,
    )
    expected_positives: float
    floor: float

    def cells(self, logits: Tensor, targets: Tensor, epoch: int, indices: Tensor | None) -> Tensor:
        """Return the loss of every cell, (B, K), each with the whole of the second term."""
        z = logits.detach()
        p = torch.sigmoid(z)
        off = p.sum() / len(z) - self.expected_positives
        value, slope = self._observed(z, p, targets, (off / z.shape[1]).square())
        cells: Tensor = _WithCount.apply(logits, value, slope, p, 2.0 * off / (len(z) * z.shape[1] ** 2))
        return cells

    def curve(
        self, logits: NDArray[np.float64], target: int, epoch: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return loss and gradient of an image of 20 classes in which one cell varies, both (G,).

        The other 19 are unobserved, their logits evenly spaced from -6 to -1. The loss is that of the image.
        """
        others = torch.linspace(*_CURVE_LOGITS, _CURVE_CLASSES, dtype=torch.float64)
        targets = torch.zeros(1, _CURVE_CLASSES + 1)
        targets[0, 0] = target
        values, gradients = [], []
        for point in np.asarray(logits, dtype=np.float64):
            z = torch.cat([torch.tensor([point], dtype=torch.float64), others])[None].requires_grad_()
            value = self.cells(z, targets, epoch, None).sum()
            (gradient,) = torch.autograd.grad(value, z)
            values.append(value.item())
            gradients.append(gradient[0, 0].item())
        return np.array(values), np.array(gradients)

    def _observed(self, logits: Tensor, p: Tensor, targets: Tensor, more: Tensor) -> tuple[Tensor, Tensor]:
        """Return cross-entropy of observed cells and 0 elsewhere, plus `more`, and the derivative of the first."""
        sign = targets.to(logits.dtype)  # 0 where unobserved
        observed = sign.abs()
        if self.floor == 0.0:
            value = torch.addcmul(more, observed, F.logsigmoid(sign * logits), value=-1.0)
            return value, observed * p - sign.clamp(min=0.0)
        value, slope = floored_term(sign * logits, self.floor)
        return observed * value + more, sign * slope


class _WithCount(torch.autograd.Function):
    """Gives cells their own slope and, each of them, that of the one count of all p."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, cells: Tensor, slope: Tensor, p: Tensor, per_p: Tensor) -> Tensor:
        ctx.save_for_backward(slope, p, per_p)
        return cells

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None, None, None, None]:
        slope, p, per_p = ctx.saved_tensors
        of_count = torch.addcmul(p, p, p, value=-1.0).mul_(grad_output.sum() * per_p)
        return of_count.addcmul_(grad_output, slope), None, None, None, None
