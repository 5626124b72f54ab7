"""The graph head: what the classes mean, and which of them come together, weighs the channels of the features."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self, cast

import torch
import torch.nn.functional as F  # noqa: N812 – torch's own convention
from torch import Tensor, nn

from labelmend_core.hyperparameter import Hyperparameter, Value
from labelmend_core.models.heads._class_vectors import read_class_vectors
from labelmend_core.models.heads._cosines import CosineLayer
from labelmend_core.models.heads._graph_layers import GraphAttention, GraphConvolution
from labelmend_core.models.heads._head import Outputs, StandardisingHead, frequency_of, prior_logits
from labelmend_core.models.heads.co_occurrence import co_occurrence_adjacency
from labelmend_core.types import LabelMatrix

_LAYERS = {"gcn": GraphConvolution, "gat": GraphAttention}
# The tensors that the channel weights came from, each with its version, and the channel weights.
_Cached = tuple[list[tuple[Tensor, int]], Tensor]


class GraphHead(StandardisingHead):
    """Features (B, n_features), each channel weighted, to logits or cosines (B, K); higher is more present.

    Class vectors go through two graph layers over the co-occurrence of the classes, from (K, width) to
    (K, n_features); the largest value over the classes, through a sigmoid, is the weight of each channel. The
    paper weighs the channels of the feature map and then pools it by average: the two commute, so the head
    takes pooled vectors. Standardisation commutes as well, but for the mean, which is weighted along.

    The channel weights depend on the parameters and not on the image: in eval mode without gradients they are
    kept, until a tensor that they came from is another one or has been written to, or the mode is set.

    Args:
        n_features: width of the backbone's features.
        frequency: float of shape (K,), in [0, 1]: where the bias of the logits starts.
        adjacency: float (K, K), rows sum to 1, of `co_occurrence_adjacency`; kept with the weights (4 K² bytes).
        outputs: "cosines" ends in a cosine layer without a bias, "logits" in a linear one.
        class_vectors: float (K, d), fixed; None learns them.
        width: of learned class vectors.
        layer: "gcn" or "gat".
        hidden: width between the two layers; 0 for n_features.

    Source: Prokofiev and Sovrasov, 2022, arXiv 2209.06585 (GCN branch), and the authors' code:
    2 layers, leaky ReLU, max over classes, sigmoid, cosine classifier. Deviations: standardised features, learned
    class vectors, a linear layer for losses on logits, no dropout within the attention.

    Example:
        >>> head = GraphHead(8, torch.tensor([0.5, 0.1]), torch.eye(2), outputs="cosines")
        >>> head(torch.randn(3, 8)).shape, head.channel_weights().shape
        (torch.Size([3, 2]), torch.Size([8]))
    """

    name = "graph"
    settings = (
        Hyperparameter("layer", "gcn", 0, 0, "graph convolution or graph attention", ("gcn", "gat")),
        Hyperparameter("vectors", "", 0, 0, "file of class vectors, .npy or text such as GloVe's; empty learns them"),
        Hyperparameter("width", 300, 1, 8192, "of learned class vectors; larger can tell more classes apart"),
        Hyperparameter("hidden", 0, 0, 32_768, "width between the graph layers, 0 for that of the features"),
        Hyperparameter("threshold", 0.4, 0.01, 1.0, "P(j | i) from which i has an edge to j; larger gives fewer edges"),
        Hyperparameter("rho", 0.25, 0.0, 1.0, "share that a class gives its neighbours; larger smooths more"),
    )
    adjacency: Tensor
    _cached: _Cached | None = None

    def __init__(
        self,
        n_features: int,
        frequency: Tensor,
        adjacency: Tensor,
        *,
        outputs: Outputs = "logits",
        class_vectors: Tensor | None = None,
        width: int = 300,
        layer: str = "gcn",
        hidden: int = 0,
    ) -> None:
        super().__init__(n_features)
        n_classes = frequency.numel()
        self.register_buffer("adjacency", adjacency)
        if class_vectors is None:
            # The spread of GloVe's numbers, for which the layers' start is made.
            self.class_vectors = nn.Parameter(0.4 * torch.randn(n_classes, width))
        else:
            self.register_buffer("class_vectors", class_vectors)
        n_inner = hidden or n_features
        kind = _LAYERS[layer]
        self.layers = nn.ModuleList([kind(self.class_vectors.shape[1], n_inner), kind(n_inner, n_features)])
        self.classifier: nn.Module
        if outputs == "cosines":
            self.classifier = CosineLayer(n_features, n_classes)
        else:
            self.classifier = nn.Linear(n_features, n_classes)
            nn.init.normal_(self.classifier.weight, std=0.01)
            with torch.no_grad():
                self.classifier.bias.copy_(prior_logits(frequency))

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
        path = str(settings["vectors"])
        adjacency = co_occurrence_adjacency(labels, float(settings["threshold"]), float(settings["rho"]))
        return cls(
            n_features,
            frequency_of(labels),
            torch.from_numpy(adjacency),
            outputs=outputs,
            class_vectors=read_class_vectors(Path(path), class_names, labels.shape[1]) if path else None,
            width=int(settings["width"]),
            layer=str(settings["layer"]),
            hidden=int(settings["hidden"]),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return logits or cosines (B, K); cosines are float32."""
        outputs: Tensor = self.classifier(self.standardised(features) * self.channel_weights())
        return outputs

    def by_place(self, features: Tensor) -> Tensor:
        """Return class activations (B, T, K); their mean is the cosine, or the logit without its bias.

        The channel weights are the same at every place, so the class weights speak for a place as they do for the mean.
        """
        weighted = self.standardised(features) * self.channel_weights()
        if isinstance(self.classifier, CosineLayer):
            return self.classifier.by_place(weighted)
        return F.linear(weighted, cast(nn.Linear, self.classifier).weight)

    def channel_weights(self) -> Tensor:
        """Return the weight of each channel, float32 (n_features,), in (0, 1); larger lets more of it through."""
        if self.training or torch.is_grad_enabled():
            self._cached = None
            return self._computed_weights()
        sources = [self.class_vectors, self.adjacency, *self.layers.parameters()]
        if self._cached is None or not _unchanged(self._cached[0], sources):
            # A detached view keeps the memory, so that no new tensor can come to lie at the same address.
            watched = [(source.detach(), source._version) for source in sources]
            self._cached = watched, self._computed_weights()
        return self._cached[1]

    def _computed_weights(self) -> Tensor:
        with torch.autocast(self.class_vectors.device.type, enabled=False):
            nodes: Tensor = self.class_vectors
            for layer in self.layers:
                nodes = F.leaky_relu(layer(nodes, self.adjacency), 0.2)
            return nodes.amax(dim=0).sigmoid()

    def train(self, mode: bool = True) -> Self:
        """Set the mode, and forget the channel weights."""
        self._cached = None
        return super().train(mode)

    def __getstate__(self) -> dict[str, Any]:
        # A copy has tensors of its own, whose versions are counted anew.
        return {**self.__dict__, "_cached": None}


def _unchanged(watched: list[tuple[Tensor, int]], sources: list[Tensor]) -> bool:
    """Return whether the tensors lie where they lay and have not been written to."""
    return all(
        view.data_ptr() == source.data_ptr() and view.dtype == source.dtype and version == source._version
        for (view, version), source in zip(watched, sources, strict=True)
    )
