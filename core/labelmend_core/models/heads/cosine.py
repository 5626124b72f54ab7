"""The cosine head: the angle between the features and one direction a class."""

from collections.abc import Mapping, Sequence
from typing import Self

import torch
from torch import Tensor, nn

from labelmend_core.hyperparameter import Hyperparameter, Value
from labelmend_core.models.heads._cosines import CosineLayer
from labelmend_core.models.heads._head import Outputs, StandardisingHead, frequency_of, prior_logits
from labelmend_core.types import LabelMatrix


class CosineHead(StandardisingHead):
    """Features (B, n_features) to cosines (B, K), or to logits `scale` · cosine + bias; higher is more present.

    The features are standardised first. Pooled features behind a ReLU are never negative, all of them lie
    within one narrow cone, and no class could have a negative cosine; around their mean they point everywhere.

    Args:
        n_features: width of the backbone's features.
        frequency: float of shape (K,), in [0, 1]: where the bias of the logits starts.
        outputs: "cosines" for a loss that takes them (AAM, which has a scale of its own), else "logits".
        scale: of the cosines in the logits; "cosines" does not read it.

    Source: Prokofiev and Sovrasov, "Combining Metric Learning and Attention Heads for Accurate and Efficient
    Multilabel Image Classification", 2022, arXiv 2209.06585 (AAM): L2-normalised features and weights,
    no bias. Deviations: standardised features; logits with a scale and a bias for losses other than AAM.

    Example:
        >>> head = CosineHead(2, torch.tensor([0.5]), outputs="cosines")
        >>> bool((head(torch.randn(5, 2)).abs() <= 1).all())
        True
    """

    name = "cosine"
    settings = (Hyperparameter("scale", 30.0, 1.0, 100.0, "of the cosines in the logits; larger is more certain"),)

    def __init__(self, n_features: int, frequency: Tensor, *, outputs: Outputs = "logits", scale: float = 30.0) -> None:
        super().__init__(n_features)
        self.angle = CosineLayer(n_features, frequency.numel())
        self.logit_scale = scale
        self.bias = nn.Parameter(prior_logits(frequency)) if outputs == "logits" else None

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
        return cls(n_features, frequency_of(labels), outputs=outputs, scale=float(settings["scale"]))

    def forward(self, features: Tensor) -> Tensor:
        """Return logits or cosines, float32 (B, K)."""
        cosines: Tensor = self.angle(self.standardised(features))
        return cosines if self.bias is None else torch.add(self.bias, cosines, alpha=self.logit_scale)

    def by_place(self, features: Tensor) -> Tensor:
        """Return class activations (B, T, K); their mean is the cosine, or the logit without its bias.

        What each place adds to the cosine, and not the cosine at the place: see `CosineLayer.by_place`.
        """
        added = self.angle.by_place(self.standardised(features))
        return added if self.bias is None else self.logit_scale * added
