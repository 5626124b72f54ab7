"""The contract of every head: what it takes from the backbone, what it gives to the loss, which settings it has.

A new head is one file that derives from `Head` (or `StandardisingHead`), one entry in `_registry.py`, one test.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, Self

import torch
from torch import Tensor, nn

from labelmend_core.hyperparameter import Hyperparameter, Value
from labelmend_core.models.backbone import Features
from labelmend_core.types import LabelMatrix

Outputs = Literal["logits", "cosines"]


class Head(nn.Module, ABC):
    """From a backbone's features to one number a class: logits, or cosines in [-1, 1]; higher is more present."""

    name: ClassVar[str]
    takes: ClassVar[Features]
    gives: ClassVar[tuple[Outputs, ...]] = ("logits", "cosines")
    settings: ClassVar[tuple[Hyperparameter, ...]] = ()

    @classmethod
    @abstractmethod
    def build(
        cls,
        n_features: int,
        labels: LabelMatrix,
        outputs: Outputs,
        class_names: Sequence[str],
        settings: Mapping[str, Value],
    ) -> Self:
        """Return the head; `build_head` calls this with every setting of the table, checked."""

    @abstractmethod
    def by_place(self, features: Tensor) -> Tensor:
        """Return how much each place of an image speaks for each class, float (B, T, K); higher is more.

        Args:
            features: float (B, T, n_features), by place; what the head takes, or what it takes the mean of.
        """

    @abstractmethod
    def fit_scale(self, features: Tensor) -> None:
        """Take from the features (N, …, n_features) of the training images whatever is fixed before training."""


class StandardisingHead(Head):
    """A head on pooled features that are standardised first, by the mean and deviation that `fit_scale` saw."""

    takes = "vectors"
    mean: Tensor
    scale: Tensor

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_features))
        self.register_buffer("scale", torch.ones(n_features))

    def fit_scale(self, features: Tensor) -> None:
        """Take mean and deviation from features (N, n_features); a constant feature stays as it is."""
        values = features.float()
        deviation = values.std(dim=0)
        self.mean.copy_(values.mean(dim=0))
        self.scale.copy_(torch.where(deviation > 1e-6, 1 / deviation.clamp_min(1e-6), 1.0))

    def standardised(self, features: Tensor) -> Tensor:
        """Return features with mean 0 and deviation 1 over the training images, float32."""
        return (features.float() - self.mean) * self.scale


def frequency_of(labels: LabelMatrix) -> Tensor:
    """Return how often each class is given, float (K,), in [0, 1]."""
    return torch.from_numpy(labels.positives_per_class() / max(labels.shape[0], 1)).float()


def prior_logits(frequency: Tensor) -> Tensor:
    """Return the logit of each class's frequency: where a bias starts, so that nothing is spent on learning it."""
    return torch.logit(frequency.clamp(1e-4, 1 - 1e-4))
