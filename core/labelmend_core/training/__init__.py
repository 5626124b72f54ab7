"""Training: the loop, what it watches, and the two ways to use it (probe, finetune)."""

from labelmend_core.training.data import TrainingData
from labelmend_core.training.dynamics import Recorder
from labelmend_core.training.fit import fit
from labelmend_core.training.history import Epoch, FitState
from labelmend_core.training.progress import Progress, Stopped
from labelmend_core.training.run import help_train, train
from labelmend_core.training.schedule import Schedule
from labelmend_core.training.settings import Augment, RunSettings

__all__ = [
    "Augment",
    "Epoch",
    "FitState",
    "Progress",
    "Recorder",
    "RunSettings",
    "Schedule",
    "Stopped",
    "TrainingData",
    "fit",
    "help_train",
    "train",
]
