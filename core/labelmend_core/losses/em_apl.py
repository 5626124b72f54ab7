"""Entropy maximisation with asymmetric pseudo-labels."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from labelmend_core.losses._analytic import both_terms, choose, unobserved_in, with_slope
from labelmend_core.losses._base import Reduction
from labelmend_core.losses._hyperparameter import FLOOR, Hyperparameter, Value
from labelmend_core.losses._remembering import RememberingLoss
from labelmend_core.losses.single_positive import EntropyMaximisation

_NONE = -1.0  # where a cell has no p yet, or no pseudo-label


class EntropyMaximisationPseudoLabels(RememberingLoss):
    """`em`, in which the least probable unknown cells become soft negatives, more every epoch; lower is better.

    At the end of each epoch from the warm-up's last on, the unknown cells with the lowest p of each class, as many as
    share / ramp_epochs of those unknown at first, get that p as their label s for good, and then cost
    beta · (-s ln p - (1 - s) ln(1 - p)). All others cost what `em` says.

    Targets: 0 is unknown until it has a pseudo-label; -1 is a verified negative, -ln(1 - p).

    Source: Zhou et al., "Acknowledging the Unknown for Multi-label Learning with Single Positive Labels", ECCV 2022,
    arXiv 2203.16219, equations 4 to 7, and the authors' code, which adds 1e-5 within the logarithms (`floor`), goes
    on to add pseudo-labels until training ends, and knows no verified negatives. Deviation: p is that of each image's
    last batch and not of another pass over all images in eval mode. alpha and beta: VOC .2 and .02, COCO .1 and .9,
    NUS-WIDE .1 and .2, CUB .01 and .4.

    Example:
        >>> import torch
        >>> loss = EntropyMaximisationPseudoLabels(warmup_epochs=1, ramp_epochs=1, share=0.5)
        >>> targets, indices = torch.tensor([[0], [0]]), torch.tensor([0, 1])
        >>> loss.begin(targets)
        >>> _ = loss(torch.tensor([[2.0], [-2.0]]), targets, indices=indices)
        >>> loss.end_epoch(0)
        >>> loss.pseudo_labels.round(decimals=4).tolist()
        [[-1.0], [0.11919999867677689]]
    """

    name = "em_apl"
    hyperparameters = (
        Hyperparameter("alpha", 0.1, 0.0, 1.0, "weight of the entropy; larger keeps unknown cells closer to one half"),
        Hyperparameter("beta", 0.9, 0.0, 1.0, "weight of pseudo-labels; larger trusts them like labels"),
        Hyperparameter("share", 0.9, 0.0, 1.0, "share of a class's unknown cells that become negatives in the end"),
        Hyperparameter("warmup_epochs", 5, 0, 1000, "epochs without pseudo-labels"),
        Hyperparameter("ramp_epochs", 5, 1, 1000, "epochs in which their number grows to that share"),
        FLOOR,
    )
    alpha: float
    beta: float
    share: float
    warmup_epochs: int
    ramp_epochs: int
    floor: float
    pseudo_labels: Tensor | None
    last_probs: Tensor | None
    unknown: Tensor | None

    def __init__(self, *, reduction: Reduction = "batch", **hyperparameters: Value) -> None:
        super().__init__(reduction=reduction, **hyperparameters)
        self._em = EntropyMaximisation(alpha=self.alpha, floor=self.floor)
        for name in ("pseudo_labels", "last_probs", "unknown"):
            self.register_buffer(name, None)

    def begin(self, targets: Tensor) -> None:
        """Note which cells of the training images, (N, K), are unknown; none has a pseudo-label."""
        self.unknown = targets == 0
        self.pseudo_labels = torch.full(targets.shape, _NONE, device=targets.device)
        self.last_probs = torch.full(targets.shape, _NONE, device=targets.device)

    def cells(self, logits: Tensor, targets: Tensor, epoch: int, indices: Tensor | None) -> Tensor:
        """Return the loss of every cell, (B, K)."""
        labels = self.rows(self.pseudo_labels, logits, indices)
        outside = logits.detach()
        if self.training and self.last_probs is not None and indices is not None:
            self.last_probs[indices] = torch.sigmoid(outside).to(self.last_probs.dtype)
        return with_slope(logits, *self._value_and_slope(outside, targets, labels.to(logits.dtype)))

    def end_epoch(self, epoch: int) -> None:
        """Give the least probable unknown cells of each class their pseudo-label."""
        if self.pseudo_labels is None or self.last_probs is None or self.unknown is None:
            return
        if not self.warmup_epochs <= epoch + 1 < self.warmup_epochs + self.ramp_epochs:
            return
        seen = self.last_probs != _NONE
        for k in range(self.unknown.shape[1]):
            known_of = self.unknown[:, k] & seen[:, k]
            n = int(self.share / self.ramp_epochs * int(known_of.sum()))
            (free,) = (known_of & (self.pseudo_labels[:, k] == _NONE)).nonzero(as_tuple=True)
            probs = self.last_probs[free, k]
            lowest = probs.topk(min(n, len(free)), largest=False).indices
            self.pseudo_labels[free[lowest], k] = probs[lowest]

    def curve(
        self, logits: NDArray[np.float64], target: int, epoch: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return loss and gradient of one cell, both (G,): unknown in the warm-up, then with the pseudo-label 0.05."""
        grid = torch.from_numpy(np.array(logits, dtype=np.float64))
        label = 0.05 if target == 0 and epoch >= self.warmup_epochs else _NONE
        value, slope = self._value_and_slope(grid, torch.full_like(grid, target), torch.full_like(grid, label))
        return value.numpy(), slope.numpy()

    def _value_and_slope(self, logits: Tensor, targets: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        value, slope = self._em.value_and_slope(logits, targets, 0)
        if not torch.compiler.is_compiling() and labels.amax() < 0.0:  # no pseudo-label yet; a compiler cannot ask
            return value, slope
        chosen = unobserved_in(targets, logits.dtype).mul_(labels >= 0.0)
        terms = both_terms(logits, self.floor)
        value_soft = choose(labels, terms.present, terms.absent).mul_(self.beta)
        slope_soft = choose(labels, terms.present_slope, terms.absent_slope).mul_(self.beta)
        return choose(chosen, value_soft, value), choose(chosen, slope_soft, slope)
