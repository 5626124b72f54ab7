"""Where training batches come from: features in memory, or images through a loader."""

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset

Batch = tuple[Tensor, Tensor, Tensor]


class Batches(Protocol):
    """Shuffled batches of (inputs, targets int8 (B, K), indices int64 (B,)), the same for the same epoch."""

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
        batch_size: images a batch.
        seed: of the order.
    """

    def __init__(self, features: Tensor, targets: Tensor, rows: Tensor, *, batch_size: int, seed: int) -> None:
        self._features, self._targets, self._rows = features, targets, rows
        self._batch_size, self._seed = batch_size, seed

    def __len__(self) -> int:
        return -(-len(self._rows) // self._batch_size)

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of one epoch."""
        order = order_of(self._rows, self._seed, epoch).to(self._features.device)
        for indices in torch.split(order, self._batch_size):
            yield self._features[indices], self._targets[indices], indices


class ImageBatches:
    """Batches of decoded images.

    Args:
        images: item i is uint8 (3, S, S).
        targets: int8 (N, K), on the device that trains.
        rows: images to train on, int64 (M,).
        batch_size: images a batch.
        seed: of the order.
        workers: processes that decode; 0 decodes here, which is fastest when the images are cached.
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
    ) -> None:
        self._images, self._targets, self._rows = images, targets, torch.from_numpy(rows)
        self._batch_size, self._seed, self._workers = batch_size, seed, workers

    def __len__(self) -> int:
        return -(-len(self._rows) // self._batch_size)

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of one epoch."""
        order = order_of(self._rows, self._seed, epoch)
        device = self._targets.device
        loader = DataLoader(
            Subset(self._images, order.tolist()),
            batch_size=self._batch_size,
            num_workers=self._workers,
            pin_memory=device.type == "cuda",
        )
        for pixels, indices in zip(loader, torch.split(order, self._batch_size), strict=True):
            here = indices.to(device)
            yield pixels.to(device, non_blocking=True), self._targets[here], here
