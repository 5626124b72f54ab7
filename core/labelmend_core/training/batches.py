"""Where training batches come from: features in memory, or images through a loader."""

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from labelmend_core.training.loading import loaded
from labelmend_core.training.processes import own_part

Batch = tuple[Tensor, Tensor, Tensor]


class Batches(Protocol):
    """Shuffled batches of (inputs, targets int8 (B, K), indices int64 (B,)), the same for the same epoch.

    Of several processes each has the inputs of its own part of the B images (`own_part`), and all targets and indices.
    """

    def __len__(self) -> int:
        """Return the number of batches an epoch."""

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Yield every image once, in the order that belongs to this epoch."""


def order_of(rows: Tensor, seed: int, epoch: int) -> Tensor:
    """Return `rows` shuffled; depends on seed and epoch alone, so that a resumed run sees the same batches."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    return rows[torch.randperm(len(rows), generator=generator)]


class FeatureBatches:
    """Batches of features that are already in memory.

    Args:
        features: float16 or float32 (N, n_features).
        targets: int8 (N, K), on the same device.
        rows: int64 (M,), the images to train on.
        batch_size: images a batch, of all processes together.
        seed: of the order.
        rank, of: which process this is, of how many.
    """

    def __init__(
        self,
        features: Tensor,
        targets: Tensor,
        rows: Tensor,
        *,
        batch_size: int,
        seed: int,
        rank: int = 0,
        of: int = 1,
    ) -> None:
        self._features, self._targets, self._rows = features, targets, rows
        self._batch_size, self._seed, self._rank, self._of = batch_size, seed, rank, of

    def __len__(self) -> int:
        return -(-len(self._rows) // self._batch_size)

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of one epoch."""
        order = order_of(self._rows, self._seed, epoch).to(self._features.device)
        for indices in torch.split(order, self._batch_size):
            own = indices if self._of == 1 else indices[own_part(len(indices), self._rank, self._of)]
            yield self._features[own], self._targets[indices], indices


class ImageBatches:
    """Batches of decoded images.

    Args:
        images: item i is uint8 (3, S, S).
        targets: int8 (N, K), on the device that trains.
        rows: images to train on, int64 (M,).
        batch_size: images a batch, of all processes together.
        seed: of the order.
        workers: processes that decode; 0 decodes in a thread, which is fastest when the images are cached.
        rank, of: which process this is, of how many.
    """

    def __init__(
        self,
        images: Dataset[Tensor],
        targets: Tensor,
        rows: NDArray[np.int64],
        *,
        batch_size: int,
        seed: int,
        workers: int = 0,
        rank: int = 0,
        of: int = 1,
    ) -> None:
        self._images, self._targets, self._rows = images, targets, torch.from_numpy(rows)
        self._batch_size, self._seed, self._workers = batch_size, seed, workers
        self._rank, self._of = rank, of

    def __len__(self) -> int:
        return -(-len(self._rows) // self._batch_size)

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of one epoch."""
        batches = torch.split(order_of(self._rows, self._seed, epoch), self._batch_size)
        own = [indices[own_part(len(indices), self._rank, self._of)].tolist() for indices in batches]
        device = self._targets.device
        everything = loaded(self._images, own, workers=self._workers, pinned=device.type == "cuda")
        for pixels, indices in zip(everything, batches, strict=True):
            here = indices.to(device)
            yield pixels.to(device, non_blocking=True), self._targets[here], here
