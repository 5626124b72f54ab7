"""The ML-Decoder head: a few fixed queries look at the feature map, each for its group of classes."""

from collections.abc import Mapping, Sequence
from typing import Self, cast

import torch
from torch import Tensor, nn

from labelmend_core.errors import InputError
from labelmend_core.hyperparameter import Hyperparameter, Value
from labelmend_core.models.heads._cosines import directions
from labelmend_core.models.heads._head import Head, Outputs, frequency_of, prior_logits
from labelmend_core.types import LabelMatrix

MOST_QUERIES = 100  # above it the paper lets each query answer for a group of classes


class MLDecoderHead(Head):
    """Tokens (B, T, n_features) to logits or cosines (B, K), through attention; higher is more present.

    Class c belongs to query c // g, with groups of g = ceil(K / queries) classes, and has a weight vector of
    its own on what that query gathered. With as many queries as classes each class has its own query.

    Args:
        n_features: width of the tokens.
        frequency: float of shape (K,), in [0, 1]: where the bias of the logits starts.
        outputs: "cosines" normalises the decoded queries and the class weights, and has no bias.
        queries: at most so many, and never more than K; 0 takes min(K, 100).
        width: of the embedding; divisible by `heads`.
        heads: of the attention.
        feed_forward: width between the two last layers.
        dropout: share of values left out in training.

    Raises:
        InputError: `width` is not divisible by `heads`.

    Source: Ridnik et al., "ML-Decoder: Scalable and Versatile Classification Head", WACV 2023, arXiv 2111.12933,
    and the authors' code: one decoder layer without self-attention, fixed random queries,
    group fully-connected layer. Deviations: queries that no class needs are not made (K = 101 needs 51 groups of
    two, the code decodes 100); class weights start small and the bias at the logit of the class's frequency;
    cosines, which the AAM paper (arXiv 2209.06585) adds.

    Example:
        >>> head = MLDecoderHead(8, torch.full((101,), 0.1), width=16, feed_forward=32)
        >>> head.queries.shape[0], head(torch.randn(2, 49, 8)).shape
        (51, torch.Size([2, 101]))
    """

    name = "ml_decoder"
    takes = "tokens"
    settings = (
        Hyperparameter("queries", 0, 0, 10_000, "how many look at the image, 0 for min(K, 100); more is slower"),
        Hyperparameter("width", 768, 8, 8192, "of the embedding; larger is slower and can learn more"),
        Hyperparameter("heads", 8, 1, 64, "of the attention; more look at more places, each in less detail"),
        Hyperparameter("feed_forward", 2048, 8, 32_768, "width between the last layers; larger can learn more"),
        Hyperparameter("dropout", 0.1, 0.0, 0.9, "share of values left out in training; more regularises more"),
    )
    queries: Tensor

    def __init__(
        self,
        n_features: int,
        frequency: Tensor,
        *,
        outputs: Outputs = "logits",
        queries: int = 0,
        width: int = 768,
        heads: int = 8,
        feed_forward: int = 2048,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if width % heads:
            raise InputError(
                f"Expected a width of head 'ml_decoder' that its heads divide, got width {width} and {heads} heads; "
                f"{width - width % heads or heads} would do."
            )
        self.n_classes = frequency.numel()
        group = -(-self.n_classes // min(queries or MOST_QUERIES, self.n_classes))
        n_queries = -(-self.n_classes // group)
        self.embed = nn.Sequential(nn.Linear(n_features, width), nn.ReLU())
        self.register_buffer("queries", torch.randn(n_queries, width))
        self.decoder = _DecoderLayer(width, heads, feed_forward, dropout)
        self.group_weight = nn.Parameter(torch.empty(n_queries, width, group))
        nn.init.normal_(self.group_weight, std=0.01)
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
        return cls(
            n_features,
            frequency_of(labels),
            outputs=outputs,
            queries=int(settings["queries"]),
            width=int(settings["width"]),
            heads=int(settings["heads"]),
            feed_forward=int(settings["feed_forward"]),
            dropout=float(settings["dropout"]),
        )

    def fit_scale(self, features: Tensor) -> None:
        """Do nothing: the embedding learns its own scale, and layer norms follow."""

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits or cosines (B, K); cosines are float32."""
        memory = self.embed(tokens.to(self.group_weight.dtype))
        decoded = self.decoder(self.queries.expand(len(tokens), -1, -1), memory)
        if self.bias is not None:
            return self._of_classes(decoded, self.group_weight) + self.bias
        with torch.autocast(tokens.device.type, enabled=False):
            cosines = self._of_classes(directions(decoded), directions(self.group_weight, dim=1))
            return cosines.clamp(-1.0, 1.0)

    def by_place(self, features: Tensor) -> Tensor:
        """Return the attention that the query of each class's group pays to each place, (B, T, K); its sum over T is 1.

        The mean over the heads of the attention. It says where the query looked, not whether that spoke for the class.
        """
        memory = self.embed(features.to(self.group_weight.dtype))
        attention = self.decoder.attention_of(self.queries.expand(len(features), -1, -1), memory)
        group = self.group_weight.shape[2]
        return attention.repeat_interleave(group, dim=1)[:, : self.n_classes].transpose(1, 2)

    def _of_classes(self, decoded: Tensor, weight: Tensor) -> Tensor:
        """Return each class's product with its group's query, (B, K); the last group may not be full."""
        products: Tensor = torch.einsum("bqd,qdg->bqg", decoded, weight)
        return products.flatten(1)[:, : self.n_classes]


class _DecoderLayer(nn.Module):
    """Cross-attention and a feed-forward part, each with a residual and a norm; queries do not see one another."""

    def __init__(self, width: int, heads: int, feed_forward: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.attention = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, feed_forward), nn.ReLU(), nn.Dropout(dropout), nn.Linear(feed_forward, width)
        )
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(3)])

    def forward(self, queries: Tensor, memory: Tensor) -> Tensor:
        """Return what each query gathered, (B, Q, width)."""
        # The paper puts a residual here, in place of the self-attention that it takes out.
        queries = self.norms[0](queries + self.dropout(queries))
        gathered, _ = self.attention(queries, memory, memory, need_weights=False)
        queries = self.norms[1](queries + self.dropout(gathered))
        decoded: Tensor = self.norms[2](queries + self.dropout(self.feed_forward(queries)))
        return decoded

    def attention_of(self, queries: Tensor, memory: Tensor) -> Tensor:
        """Return the share of each query's attention that each token gets, (B, Q, T), the mean over the heads."""
        queries = self.norms[0](queries + self.dropout(queries))
        _, attention = self.attention(queries, memory, memory, need_weights=True)
        return cast(Tensor, attention)
