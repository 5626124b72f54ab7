"""The contract of every loss: what it takes, how cells become one number, which hyperparameters it has.

A new loss is one file that derives from `ElementwiseLoss` (each cell on its own), `AnalyticLoss` (value and
slope in one pass) or `MultiLabelLoss` (autograd does the rest), one entry in `_registry.py`, and one test file.
"""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from labelmend_core.errors import InputError
from labelmend_core.losses._hyperparameter import Hyperparameter, Value

Reduction = Literal["none", "sum", "mean", "batch"]
InputKind = Literal["logits", "cosines"]


class MultiLabelLoss(nn.Module, ABC):
    """A loss over a batch of multi-label predictions; lower is better.

    Targets are tri-state: 1 present, -1 absent because somebody looked, 0 unobserved. What a loss does with
    0 and -1 is in its docstring.

    Args:
        reduction: `"batch"` (default): sum over classes, mean over images, so that the learning rate does not
            depend on the batch size. `"sum"`: over all cells. `"mean"`: the sum over all cells divided by the
            number of cells that carry weight, which is every cell unless `unobserved_weight` is 0, and then
            the observed ones. `"none"`: per cell, (B, K); its sum is that of `"sum"`.
        hyperparameters: Those of the class's table `hyperparameters`, by name; the rest take their default.

    Raises:
        InputError: An unknown reduction or hyperparameter, or a value out of its range.
    """

    name: ClassVar[str]
    input_kind: ClassVar[InputKind] = "logits"
    hyperparameters: ClassVar[tuple[Hyperparameter, ...]] = ()
    # Whether the loss keeps something for each training image: it then needs `begin` and the images' indices.
    needs_indices: ClassVar[bool] = False

    # Losses that list UNOBSERVED_WEIGHT among their hyperparameters set it for each instance.
    unobserved_weight: float = 1.0

    def __init__(self, *, reduction: Reduction = "batch", **hyperparameters: Value) -> None:
        super().__init__()
        if reduction not in get_args(Reduction):
            raise InputError(f"Expected reduction to be one of {', '.join(get_args(Reduction))}, got {reduction!r}.")
        allowed = [hyperparameter.name for hyperparameter in self.hyperparameters]
        for name in hyperparameters:
            if name not in allowed:
                known = ", ".join([*allowed, "reduction"])
                raise InputError(f"Loss '{self.name}' has no hyperparameter '{name}'; it has {known}.")
        self.reduction = reduction
        for row in self.hyperparameters:
            setattr(self, row.name, row.checked(hyperparameters.get(row.name, row.default), self.name))

    def forward(self, logits: Tensor, targets: Tensor, epoch: int = 0, *, indices: Tensor | None = None) -> Tensor:
        """Return the reduced loss, float32 for half-precision logits and otherwise in the logits' dtype.

        Args:
            logits: (B, K) floating point, before the sigmoid (cosines where `input_kind` says so). float16
                and bfloat16 are computed in float32: finite for |z| ≤ 100.
            targets: (B, K), 1, 0 or -1 in any dtype.
            epoch: 0-based; only losses with a schedule read it.
            indices: int64 (B,), which training images these are; only losses with `needs_indices` read it.

        Returns:
            A scalar, or (B, K) with reduction `"none"`.

        Raises:
            InputError: The shapes differ, are not (B, K) or empty, the logits are not floating point, or a loss
                with `needs_indices` was given none or was not told of the training labels by `begin`.
        """
        self._check(logits, targets)
        self._check_indices(logits, indices)
        # A float16 sum overflows at 65504 and log-sigmoid loses the small losses.
        if logits.dtype in (torch.float16, torch.bfloat16):
            logits = logits.float()
        cells = self.cells(logits, targets, epoch, indices)
        if self.unobserved_weight != 1.0:
            cells = torch.where(targets == 0, self.unobserved_weight * cells, cells)
        return self._reduce(cells, targets)

    @abstractmethod
    def cells(self, logits: Tensor, targets: Tensor, epoch: int, indices: Tensor | None) -> Tensor:
        """Return the unweighted loss of every cell, (B, K), differentiable in the float32 or float64 logits.

        Losses that couple the cells of a batch share their terms out so that the sum over all cells is the
        loss of reduction `"sum"`.
        """

    def begin(self, targets: Tensor) -> None:
        """Prepare for training on these targets, (N, K); what is kept of them is in the `state_dict`.

        Called once before the first batch, also before a state is loaded. Rows are those that `indices` names.
        """

    def end_epoch(self, epoch: int) -> None:
        """Take note that an epoch, counted from 0, is over."""

    def regulariser(
        self, network: nn.Module, inputs: Tensor, logits: Tensor, targets: Tensor, generator: torch.Generator
    ) -> Tensor | None:
        """Return what training adds to the loss beside its cells, a scalar of the network's parameters; None adds none.

        Args:
            network: from inputs to logits.
            inputs: (B, …), what `logits` came from.
            logits: (B, K), with their graph.
            targets: (B, K), 1, 0 or -1.
            generator: on the CPU, where chance comes from; a resumed run draws the same.
        """
        return None

    def as_logits(self, outputs: Tensor) -> Tensor:
        """Return the logits of the probabilities that a network's outputs stand for, (B, K).

        The outputs themselves, unless the loss takes something else than logits.
        """
        return outputs

    @abstractmethod
    def curve(
        self, logits: NDArray[np.float64], target: int, epoch: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return loss and gradient of one cell of the given target at every logit, both (G,).

        Args:
            logits: (G,) grid; each point is a cell of its own.
            target: 1, 0 or -1.
            epoch: 0-based.
        """

    def in_logits(self, gradients: Tensor) -> Tensor:
        """Return gradients of the loss in a network's outputs as gradients in the logits of `as_logits`, (B, K)."""
        return gradients

    def extra_repr(self) -> str:
        """Return the settings for `repr`."""
        settings = [f"{row.name}={getattr(self, row.name)}" for row in self.hyperparameters]
        return ", ".join([*settings, f"reduction={self.reduction}"])

    def _check(self, logits: Tensor, targets: Tensor) -> None:
        if logits.ndim != 2 or logits.shape != targets.shape or 0 in logits.shape:
            raise InputError(
                "Expected logits and targets of one shape (B, K) with at least one image and class, "
                f"got logits {tuple(logits.shape)} and targets {tuple(targets.shape)}."
            )
        if not logits.is_floating_point():
            raise InputError(f"Expected floating-point {self.input_kind}, got {logits.dtype}.")

    def _check_indices(self, logits: Tensor, indices: Tensor | None) -> None:
        if self.needs_indices and (indices is None or indices.shape != logits.shape[:1]):
            raise InputError(
                f"Expected indices of shape ({logits.shape[0]},), which say which training images these are, got "
                f"{None if indices is None else tuple(indices.shape)}; loss '{self.name}' remembers every image."
            )

    def _reduce(self, cells: Tensor, targets: Tensor) -> Tensor:
        if self.reduction == "none":
            return cells
        total = cells.sum()
        if self.reduction == "sum":
            return total
        if self.reduction == "batch":
            return total / cells.shape[0]
        if self.unobserved_weight > 0.0:
            return total / cells.numel()
        return total / (targets != 0).sum().clamp(min=1)
