"""Augmentation of whole batches; draws depend on seed, epoch and batch alone, so that a resumed run repeats them."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample
from torchvision.transforms import v2

_GREY = 128.0


class Draws:
    """Chance for a batch of n images, of which one process may have a part: each image's draws are the same anyway.

    Args:
        generator: on the CPU.
        n: images of the whole batch.
        own: int64 (B,), which of them are here; None for all.
    """

    def __init__(self, generator: torch.Generator, n: int, own: Tensor | None = None) -> None:
        self._generator, self._n, self._own = generator, n, own

    def uniform(self, *shape: int) -> Tensor:
        """Return numbers in [0, 1) for each image that is here, (B, *shape)."""
        return self._mine(torch.rand(self._n, *shape, generator=self._generator))

    def seeds(self) -> list[int]:
        """Return a seed for each image that is here."""
        seeds: list[int] = self._mine(torch.randint(2**62, (self._n,), generator=self._generator)).tolist()
        return seeds

    def _mine(self, of_all: Tensor) -> Tensor:
        return of_all if self._own is None else of_all[self._own]


class Step(Protocol):
    """One augmentation of a batch of pixels."""

    def __call__(self, pixels: Tensor, draws: Draws) -> Tensor:
        """Return augmented pixels, float (B, 3, S, S) in 0…255."""


class Augmentation:
    """Does several steps one after the other.

    Args:
        steps: in their order.
        seed: of the draws.
    """

    def __init__(self, steps: Sequence[Step], seed: int) -> None:
        self._steps, self._seed = steps, seed

    def __call__(
        self, pixels: Tensor, epoch: int, batch: int, *, own: Tensor | None = None, of: int | None = None
    ) -> Tensor:
        """Return augmented pixels, float (B, 3, S, S) in 0…255.

        Args:
            pixels: (B, 3, S, S).
            epoch, batch: from 0.
            own, of: which images of the whole batch these are, int64 (B,), and how many it has; all of them without.
        """
        generator = torch.Generator().manual_seed((self._seed * 10_007 + epoch) * 1_000_003 + batch)
        draws = Draws(generator, len(pixels) if of is None else of, own)
        for step in self._steps:
            pixels = step(pixels, draws)
        return pixels.float()


class MirrorAndMove:
    """Mirrors half of the images and moves each by up to `shift` of its side; edges are repeated.

    Args:
        flip: whether to mirror; leave it off where left and right matter (digits, text).
        shift: largest move in each direction, share of the side in [0, 1).
    """

    def __init__(self, *, flip: bool, shift: float) -> None:
        self._flip, self._shift = flip, shift

    def __call__(self, pixels: Tensor, draws: Draws) -> Tensor:
        """Return mirrored and moved pixels."""
        n = len(pixels)
        theta = torch.zeros(n, 2, 3)
        mirrored = draws.uniform() < 0.5
        theta[:, 0, 0] = torch.where(mirrored, -1.0, 1.0) if self._flip else 1.0
        theta[:, 1, 1] = 1.0
        theta[:, :, 2] = (draws.uniform(2) * 2 - 1) * self._shift * 2
        grid = affine_grid(theta.to(pixels.device), list(pixels.shape), align_corners=False)
        return grid_sample(pixels.float(), grid, padding_mode="border", align_corners=False)


class Cutout:
    """Greys out a square of each image, wholly or partly within it.

    Args:
        share: side of the square as a share of the image's, in (0, 1]; .5 in the training script of ASL.

    Source: DeVries & Taylor 2017, "Improved Regularization of Convolutional Neural Networks with Cutout", arXiv
    1708.04552.
    """

    def __init__(self, share: float) -> None:
        self._share = share

    def __call__(self, pixels: Tensor, draws: Draws) -> Tensor:
        """Return pixels with a grey square each."""
        height, width = pixels.shape[2:]
        inside = []
        for length in (height, width):
            centre = draws.uniform(1) * length
            place = torch.arange(length) + 0.5
            inside.append((place - centre).abs() <= self._share * length / 2)
        square = (inside[0][:, :, None] & inside[1][:, None, :])[:, None].to(pixels.device)
        return torch.where(square, _GREY, pixels.float())


class RandomOperations:
    """Does two random operations (rotate, shear, contrast, posterize, …) to each image, RandAugment.

    Args:
        magnitude: of the operations, 1 to 30; 9 in the training script of ASL.

    Source: Cubuk et al. 2020, "RandAugment: Practical automated data augmentation with a reduced search space", arXiv
    1909.13719, as torchvision has it.
    """

    def __init__(self, magnitude: int) -> None:
        self._transform = v2.RandAugment(num_ops=2, magnitude=magnitude)

    def __call__(self, pixels: Tensor, draws: Draws) -> Tensor:
        """Return changed pixels, uint8."""
        whole = pixels.round().clamp(0, 255).to(torch.uint8)
        changed = []
        # torchvision draws from the global generator, and one operation for a whole batch.
        with torch.random.fork_rng(devices=[]):
            for image, seed in zip(whole, draws.seeds(), strict=True):
                torch.manual_seed(seed)
                changed.append(self._transform(image))
        return torch.stack(changed)
