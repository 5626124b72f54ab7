"""The linear head: one logit a class."""

from collections.abc import Mapping, Sequence
from typing import Self

import torch
import torch.nn.functional as F  # noqa: N812 – torch's own convention
from torch import Tensor, nn

from labelmend_core.hyperparameter import Value
from labelmend_core.models.heads._head import Outputs, StandardisingHead, frequency_of, prior_logits
from labelmend_core.types import LabelMatrix


class LinearHead(StandardisingHead):
    """Features (B, n_features) to logits (B, K), standardised first.

    The bias starts at the logit of the class's frequency, so that the first epochs are not spent on
    learning that most cells are 0; the features are scaled by the mean and deviation that `fit_scale` saw.

    Args:
        n_features: width of the backbone's features.
        frequency: float of shape (K,), in [0, 1]: how often each class was given.

    Example:
        >>> LinearHead(4, torch.tensor([0.5, 0.1]))(torch.zeros(3, 4)).shape
        torch.Size([3, 2])
    """

    name = "linear"
    gives = ("logits",)

    def __init__(self, n_features: int, frequency: Tensor) -> None:
        super().__init__(n_features)
        self.linear = nn.Linear(n_features, frequency.numel())
        nn.init.normal_(self.linear.weight, std=0.01)
        with torch.no_grad():
            self.linear.bias.copy_(prior_logits(frequency))

    @classmethod
    def build(
        cls,
        n_features: int,
        labels: LabelMatrix,
        outputs: Outputs,
        class_names: Sequence[str],
        settings: Mapping[str, Value],
    ) -> Self:
        """Return the head for these labels; see `build_head`."""
        return cls(n_features, frequency_of(labels))

    def forward(self, features: Tensor) -> Tensor:
        """Return logits, float (B, K)."""
        logits: Tensor = self.linear(self.standardised(features))
        return logits

    def by_place(self, features: Tensor) -> Tensor:
        """Return class activations (B, T, K); their mean over the places is the logit without its bias.

        Source: Zhou et al., "Learning Deep Features for Discriminative Localization", 2016, arXiv 1512.04150, eq. 2.
        """
        return F.linear(self.standardised(features), self.linear.weight)
