"""How long and how fast to train."""

from dataclasses import dataclass
from typing import get_args

from labelmend_core.errors import InputError
from labelmend_core.training.optim import OptimiserName


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train.

    Attributes:
        epochs: passes over the training images.
        cycle: epochs that the one-cycle schedule is laid out for, where training ends before it does, as in the papers'
            scripts; None takes `epochs`.
        lr: highest learning rate of the one-cycle schedule.
        weight_decay: of matrices and kernels.
        optimiser: see `build_optimiser`.
        warm_up: share of the steps in which the learning rate rises, in (0, 1); .2 as in Ridnik et al. 2021, arXiv
            2009.14119.
        sam: how far sharpness-aware minimisation looks around (`sharpness`); 0 does without, and in half the time.
        patience: epochs without a better validation mAP before training ends; None never ends early.
        ema_decay: of the moving average of the weights; None keeps none.
    """

    epochs: int
    lr: float
    weight_decay: float = 1e-2
    optimiser: OptimiserName = "adamw"
    warm_up: float = 0.2
    sam: float = 0.0
    patience: int | None = None
    ema_decay: float | None = None
    cycle: int | None = None

    def __post_init__(self) -> None:
        if self.optimiser not in get_args(OptimiserName):
            raise InputError(
                f"Expected an optimiser among {', '.join(get_args(OptimiserName))}, got {self.optimiser!r}"
            )
        if self.cycle is not None and self.cycle < self.epochs:
            raise InputError(f"Expected a cycle of at least the {self.epochs} epochs, got {self.cycle}")
        if not 0 < self.warm_up < 1:
            raise InputError(f"Expected a share in (0, 1) in which the learning rate rises, got {self.warm_up}")
        if self.sam < 0:
            raise InputError(f"Expected a length of at least 0 for SAM, got {self.sam}")
