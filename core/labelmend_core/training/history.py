"""What a fit has done, epoch by epoch, and everything that it needs to go on."""

import math
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from labelmend_core.metrics import Evaluation


@dataclass(frozen=True)
class Epoch:
    """What one epoch did.

    Attributes:
        loss: mean over the images.
        seconds: of training, without evaluation.
        recorder_share: of the seconds, in [0, 1], that the recorder took.
        lr: learning rate after the last batch.
        evaluation: on validation data; None where there is none.
        averaged: whether the evaluation is that of the moving average.
    """

    epoch: int
    loss: float
    seconds: float
    images_per_second: float
    recorder_share: float
    lr: float
    evaluation: Evaluation | None = None
    averaged: bool = False


@dataclass
class FitState:
    """Everything that a stopped fit needs to go on: weights, optimiser, schedule, average, recorder, history."""

    history: list[Epoch] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    best_epoch: int = -1
    parts: dict[str, Any] = field(default_factory=dict)

    def add(self, epoch: Epoch, network: nn.Module) -> None:
        """Add an epoch to the history and keep the network's weights when they are the best so far."""
        self.history.append(epoch)
        best = self.history[self.best_epoch].evaluation if self.best else None
        if best is None or epoch.evaluation is None or rank(epoch.evaluation) > rank(best):
            self.best = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
            self.best_epoch = epoch.epoch

    def is_exhausted(self, patience: int | None) -> bool:
        """Tell whether `patience` epochs have passed since the best one; never where it is None."""
        return patience is not None and bool(self.best) and len(self.history) - 1 - self.best_epoch >= patience


def rank(evaluation: Evaluation) -> float:
    """Return the mAP, below everything where no class has a positive."""
    return -1.0 if math.isnan(evaluation.mean_average_precision) else evaluation.mean_average_precision
