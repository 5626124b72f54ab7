"""Noise-robust losses for multi-label learning, by name: `build_loss("splc", tau=0.65)`."""

from labelmend_core.losses._base import MultiLabelLoss, Reduction
from labelmend_core.losses._hyperparameter import Hyperparameter, Value
from labelmend_core.losses._registry import LOSSES, build_loss

__all__ = ["LOSSES", "Hyperparameter", "MultiLabelLoss", "Reduction", "Value", "build_loss"]
