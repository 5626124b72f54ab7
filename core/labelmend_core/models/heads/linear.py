"""The linear head: one logit a class."""

import torch
from torch import Tensor, nn


class LinearHead(nn.Module):
    """Features (B, n_features) to logits (B, K), standardised first.

    The bias starts at the logit of the class's frequency, so that the first epochs are not spent on
    learning that most cells are 0; the features are scaled by the mean and deviation that `fit_scale` saw.

    Args:
        n_features: width of the backbone's features.
        frequency: float of shape (K,), in (0, 1): how often each class was given.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, n_features: int, frequency: Tensor) -> None:
        super().__init__()
        self.linear = nn.Linear(n_features, frequency.numel())
        nn.init.normal_(self.linear.weight, std=0.01)
        with torch.no_grad():
            self.linear.bias.copy_(torch.logit(frequency.clamp(1e-4, 1 - 1e-4)))
        self.register_buffer("mean", torch.zeros(n_features))
        self.register_buffer("scale", torch.ones(n_features))

    def fit_scale(self, features: Tensor) -> None:
        """Take mean and deviation from features (N, n_features); a constant feature stays as it is."""
        values = features.float()
        deviation = values.std(dim=0)
        self.mean.copy_(values.mean(dim=0))
        self.scale.copy_(torch.where(deviation > 1e-6, 1 / deviation.clamp_min(1e-6), 1.0))

    def forward(self, features: Tensor) -> Tensor:
        """Return logits, float (B, K)."""
        logits: Tensor = self.linear((features.float() - self.mean) * self.scale)
        return logits
