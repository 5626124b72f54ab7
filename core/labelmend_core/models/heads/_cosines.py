"""Directions and the cosines between them, in float32 whatever the precision around them."""

import torch
import torch.nn.functional as F  # noqa: N812 – torch's own convention
from torch import Tensor, nn

# Below this length a vector shrinks to 0 instead of being blown up to 1: a feature of zeros has cosine 0 with
# every class, and a gradient of at most 1 / SHORTEST.
SHORTEST = 1e-4


def directions(vectors: Tensor, dim: int = -1) -> Tensor:
    """Return the vectors along `dim` at length 1 (shorter only for those below `SHORTEST`), float32."""
    return F.normalize(vectors.float(), dim=dim, eps=SHORTEST)


class CosineLayer(nn.Module):
    """Cosines of features (B, F) with one learned vector a class, (B, K) in [-1, 1].

    Args:
        n_features: F.
        n_classes: K.
    """

    def __init__(self, n_features: int, n_classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_classes, n_features))
        nn.init.normal_(self.weight, std=0.01)

    def forward(self, features: Tensor) -> Tensor:
        """Return cosines, float32 (B, K)."""
        # bfloat16 has 8 bits: a cosine of .99 and of 1 are neighbours there, and AAM scales the difference by 30.
        with torch.autocast(features.device.type, enabled=False):
            return F.linear(directions(features), directions(self.weight)).clamp(-1.0, 1.0)

    def by_place(self, features: Tensor) -> Tensor:
        """Return what each place adds to the cosines of the mean over the places, float32 (B, T, K).

        The mean over the places is that cosine. The cosines at the places themselves would not do: they forget how
        strong the features of a place are, so that empty ground would count as much as an object.

        Args:
            features: (B, T, n_features).
        """
        with torch.autocast(features.device.type, enabled=False):
            length = features.float().mean(dim=1, keepdim=True).norm(dim=2, keepdim=True).clamp_min(SHORTEST)
            return F.linear(features.float() / length, directions(self.weight))
