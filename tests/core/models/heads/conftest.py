"""Small heads of every kind, and data that they can learn."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from labelmend_core.models import HEADS, Head, build_head
from labelmend_core.types import LabelMatrix

SMALL: dict[str, dict[str, Any]] = {"ml_decoder": {"width": 32, "feed_forward": 48}, "graph": {"width": 12}}


@pytest.fixture
def chain_labels() -> Callable[[int], LabelMatrix]:
    """Return labels of K classes in which every class but the first comes with the one before it."""

    def build(n_classes: int) -> LabelMatrix:
        dense = np.random.default_rng(0).integers(0, 2, (60, n_classes))
        dense[:, :-1] |= dense[:, 1:]
        return LabelMatrix.from_dense(dense)

    return build


@pytest.fixture
def small_head(chain_labels) -> Callable[..., Head]:
    """Return a call that builds a small head of that name with K classes."""

    def build(name: str, n_features: int = 16, n_classes: int = 5, outputs: str = "logits", **settings: Any) -> Head:
        torch.manual_seed(0)
        settings = {**SMALL.get(name, {}), **settings}
        return build_head(name, n_features, chain_labels(n_classes), outputs=outputs, **settings)

    return build


@pytest.fixture
def features_for() -> Callable[..., Tensor]:
    """Return a call that draws what a head takes: (B, F), or (B, T, F)."""

    def draw(head: Head, n_features: int = 16, n_images: int = 7) -> Tensor:
        shape = (n_images, n_features) if HEADS[head.name].takes == "vectors" else (n_images, 9, n_features)
        return torch.randn(shape, generator=torch.Generator().manual_seed(1))

    return draw
