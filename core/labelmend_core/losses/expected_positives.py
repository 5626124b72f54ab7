"""Expected positive regularisation: of what is not known to be present, only the expected number is."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from labelmend_core.losses._analytic import floored_term, with_slope
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

    Source: Cole et al., "Multi-Label Learning from Single Positive Labels", CVPR 2021, arXiv 2106.09708, section
    3.3 (EPR), and the authors' code, which adds 1e-5 within the logarithm (`floor`) and knows no verified
    negatives. Its k: VOC 1.5, COCO 2.9, NUS-WIDE 1.9, CUB 31.4.

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
        outside = logits.detach()
        value, slope = self._observed(outside, targets)
        p = torch.sigmoid(outside)
        return with_slope(logits, value, slope) + surplus(logits, p, 1.0 - p, self.expected_positives)

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

    def _observed(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return cross-entropy of observed cells and 0 elsewhere, and its derivative."""
        sign = targets.to(logits.dtype, copy=True).sign_()  # 0 where unobserved
        value, slope = floored_term(sign * logits, self.floor)
        return value.mul_(sign.abs()), slope.mul_(sign)


def surplus(logits: Tensor, p: Tensor, not_p: Tensor, expected_positives: float) -> Tensor:
    """Return ((mean over images of Σ p) - expected_positives)² / K², a scalar function of the logits.

    Args:
        logits: (B, K).
        p, not_p: (B, K), their sigmoid and 1 less it, detached.
        expected_positives: of an image.
    """
    images, classes = logits.shape
    off = (p.sum() / images - expected_positives) / classes
    slope = (p * not_p).mul_(off * (2.0 / (images * classes)))
    return with_slope(logits, off.square(), slope)
