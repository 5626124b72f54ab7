"""The asymmetric loss for images of one class each."""

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 – torch's own convention
from numpy.typing import NDArray
from torch import Tensor

from labelmend_core.errors import InputError
from labelmend_core.losses._analytic import choose, present_in, with_slope
from labelmend_core.losses._base import MultiLabelLoss
from labelmend_core.losses._hyperparameter import Hyperparameter


class SingleLabelAsymmetricLoss(MultiLabelLoss):
    """Focused cross-entropy of a softmax over the classes; lower is better.

    A cell costs -t (1 - p)^gamma_pos ln p where the class is present and -t p^gamma_neg ln p elsewhere, p being the
    softmax. t is 1 at the present class and 0 elsewhere, smoothed: (1 - s) t + s / K, s being `smoothing`. The
    focusing weights have a gradient and know nothing of the smoothing.

    Targets: one class of an image should be 1. Several share the 1 equally. 0 and -1 are the same: not this
    class. An image without a present class costs nothing, for nothing says which class it is.

    Source: Ridnik et al., "Asymmetric Loss For Multi-Label Classification", ICCV 2021, arXiv 2009.14119, and the
    authors' code (the paper has no single-label loss), which takes one class index an image.

    Example:
        >>> import torch
        >>> loss = SingleLabelAsymmetricLoss(smoothing=0.0)
        >>> loss(torch.tensor([[2.0, 0.0]]), torch.tensor([[1, 0]]))
        tensor(0.1269)
    """

    name = "asl_single_label"
    hyperparameters = (
        Hyperparameter("gamma_neg", 4.0, 0.0, 10.0, "focusing power of other classes; larger mutes improbable ones"),
        Hyperparameter("gamma_pos", 0.0, 0.0, 10.0, "focusing power of the present class; larger mutes easy images"),
        Hyperparameter("smoothing", 0.1, 0.0, 0.9, "share of the target given to all classes; larger trusts it less"),
    )
    gamma_neg: float
    gamma_pos: float
    smoothing: float

    def cells(self, logits: Tensor, targets: Tensor, epoch: int, indices: Tensor | None) -> Tensor:
        """Return the loss of every cell, (B, K)."""
        log_p = F.log_softmax(logits, dim=1)
        # A cell is a function of its own ln p alone; PyTorch's log-softmax takes the slope on to the logits.
        value, slope = self._value_and_slope(log_p.detach(), present_in(targets, log_p.dtype))
        return with_slope(log_p, value, slope)

    def as_logits(self, outputs: Tensor) -> Tensor:
        """Return the log-odds of the softmax probabilities, (B, K): z less the log-sum-exp of the other classes."""
        outputs = outputs if outputs.dtype == torch.float64 else outputs.float()
        top, index = outputs.max(dim=1, keepdim=True)
        below = (outputs - top).exp().scatter(1, index, 0.0)
        # Beside the top class, whose term is 1, no difference of nearly equal sums is taken.
        others = top + (below.sum(dim=1, keepdim=True) - below).clamp(min=0.0).log1p()
        beside_top = outputs.scatter(1, index, -torch.inf).logsumexp(dim=1, keepdim=True)
        return outputs - others.scatter(1, index, beside_top)

    def curve(
        self, logits: NDArray[np.float64], target: int, epoch: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return loss and gradient of an image of two classes, both (G,): this one, and one whose logit is 0.

        The other class is the present one where this is not. The loss is that of the image.
        """
        grid = torch.from_numpy(np.array(logits, dtype=np.float64)).requires_grad_()
        images = torch.stack([grid, torch.zeros_like(grid)], dim=1)
        targets = torch.tensor([target > 0, target <= 0]).expand_as(images)
        cells = self.cells(images, targets, epoch, None)
        (gradient,) = torch.autograd.grad(cells.sum(), grid)
        return cells.detach().sum(dim=1).numpy(), gradient.numpy()

    def _check(self, logits: Tensor, targets: Tensor) -> None:
        super()._check(logits, targets)
        if logits.shape[1] < 2:
            raise InputError("Loss 'asl_single_label' chooses between classes, got one class; take another loss.")

    def _value_and_slope(self, log_p: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Return every cell and its derivative in ln p."""
        count = present.sum(dim=1, keepdim=True)
        labelled = count.clamp(max=1.0)
        target = torch.add(
            labelled * (self.smoothing / log_p.shape[1]), present / count.clamp(min=1.0), alpha=1.0 - self.smoothing
        )
        scaled = self.gamma_neg * log_p
        weight_present, bend_present = self._present(log_p)
        weight = target * choose(present, weight_present, scaled.exp())
        return -weight * log_p, -weight * choose(present, bend_present, scaled).add_(1.0)

    def _present(self, log_p: Tensor) -> tuple[Tensor, Tensor]:
        """Return the focusing weight of a present class, and by how much it bends the slope."""
        if self.gamma_pos == 0.0:
            return log_p.new_ones(()), log_p.new_zeros(())
        not_p = -log_p.expm1()
        # ln p / (1 - p) is about -1 where p is 1, where the weight is 0.
        return not_p.pow(self.gamma_pos), -self.gamma_pos * log_p.exp() * (
            log_p / not_p.clamp(min=torch.finfo(log_p.dtype).tiny)
        )
