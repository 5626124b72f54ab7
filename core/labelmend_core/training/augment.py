"""Augmentation of whole batches: mirroring and moving, drawn from seed, epoch and batch alone."""

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample


class MirrorAndMove:
    """Mirrors half of the images and moves each by up to `shift` of its side; edges are repeated.

    Args:
        flip: whether to mirror; leave it off where left and right matter (digits, text).
        shift: largest move in each direction, share of the side in [0, 1).
        seed: of the draws; a resumed run draws what the undisturbed one did.
    """

    def __init__(self, *, flip: bool, shift: float, seed: int) -> None:
        self._flip, self._shift, self._seed = flip, shift, seed

    def __call__(self, pixels: Tensor, epoch: int, batch: int) -> Tensor:
        """Return augmented pixels, float (B, 3, S, S) in 0…255."""
        generator = torch.Generator().manual_seed((self._seed * 10_007 + epoch) * 1_000_003 + batch)
        n = len(pixels)
        theta = torch.zeros(n, 2, 3)
        mirrored = torch.rand(n, generator=generator) < 0.5
        theta[:, 0, 0] = torch.where(mirrored, -1.0, 1.0) if self._flip else 1.0
        theta[:, 1, 1] = 1.0
        theta[:, :, 2] = (torch.rand(n, 2, generator=generator) * 2 - 1) * self._shift * 2
        floats = pixels.float()
        grid = affine_grid(theta.to(pixels.device), list(pixels.shape), align_corners=False)
        return grid_sample(floats, grid, padding_mode="border", align_corners=False)
