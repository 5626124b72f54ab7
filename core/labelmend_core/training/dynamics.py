"""The recorder: what every cell did while the network learned.

A label that a network comes to doubt early and keeps doubting is suspicious; the recorder keeps, for
each of the N x K cells, mean and variance of p over the epochs (Swayamdipta et al. 2020, arXiv
2009.10795), the last p, and when SPLC (arXiv 2112.07368, eq. 7) would first have relabelled it; and for
every epoch the mean loss gradient by probability.
"""

from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from labelmend_core.errors import InputError
from labelmend_core.gradient_groups import GROUP_WORDS
from labelmend_core.types import Dynamics, IntArray

GROUPS = tuple(GROUP_WORDS)
N_BINS = 20
NEVER = -1
_PLANTED = GROUPS.index("planted") * N_BINS
_BLOCK_CELLS = 65_536  # cells a block at the end of an epoch: 256 KiB an array


class Recorder:
    """Watches training batch by batch; call `observe` after each backward pass and `end_epoch` after each epoch.

    `observe` only keeps the batch; the arithmetic is done once an epoch, in blocks that stay in the
    processor's cache, so that it costs little beside the network.

    Args:
        given_labels: int8 of shape (N, K), what the network is trained on.
        tau: threshold of SPLC's rule.
        planted: image and class indices of unobserved cells that are known to be present, because they were hidden
            from training: a group of their own among the gradients.
        same_images: whether each epoch shows the same images, each once, which is then checked. Without, mean and
            variance of an image are over the epochs that showed it, and of several times in one epoch the last counts.
    """

    def __init__(
        self,
        given_labels: Tensor,
        tau: float = 0.6,
        planted: tuple[IntArray, IntArray] | None = None,
        *,
        same_images: bool = True,
    ) -> None:
        n, k = given_labels.shape
        device = given_labels.device
        self.tau = tau
        self._same_images = same_images
        self._batches: list[tuple[Tensor, Tensor, Tensor | None]] = []
        self._curves: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
        self._unobserved = given_labels == 0
        self._shown = torch.zeros((n, 1), dtype=torch.bool, device=device)
        self._epochs_shown = torch.zeros((n, 1), device=device)
        self._probs = torch.zeros((n, k), device=device)
        self._mean = torch.zeros((n, k), device=device)
        self._squares = torch.zeros((n, k), device=device)
        self._above = torch.zeros((n, k), dtype=torch.bool, device=device)
        self._flip_epoch = torch.full((n, k), NEVER, dtype=torch.int16, device=device)
        self._flips = torch.zeros((n, k), dtype=torch.int16, device=device)
        # First bin of each cell's group in the flat histogram.
        group = torch.where(given_labels == 1, 0, torch.where(self._unobserved, 1, 2))
        self._first_bin = (group * N_BINS).to(torch.uint8)
        self._planted = None if planted is None else tuple(torch.from_numpy(i).long().to(device) for i in planted)
        self._group_planted()

    def observe(self, indices: Tensor, logits: Tensor, gradients: Tensor | None) -> None:
        """Keep one batch.

        Args:
            indices: int64 (B,), rows of `given_labels`.
            logits: (B, K), detached.
            gradients: (B, K), dL/dz of each cell of a loss that is a mean over the B images; an epoch in which they
                are not known for a batch has no gradients.
        """
        self._batches.append((indices, logits, gradients))

    @torch.no_grad()
    def end_epoch(self) -> None:
        """Fold the epoch's p and gradients into the statistics.

        Raises:
            InputError: the epoch did not show the same images as the first one.
        """
        indices, logits = (
            torch.cat([batch[0] for batch in self._batches]),
            torch.cat([batch[1] for batch in self._batches]),
        )
        gradients = self._gradients()
        self._batches.clear()
        self._note_shown(indices)
        every = slice(None) if self._same_images else _last_of_each(indices, len(self._probs))
        self._probs.index_copy_(0, indices[every], logits[every].float().sigmoid_())
        step = max(1, _BLOCK_CELLS // self._probs.shape[1])
        for start in range(0, len(self._probs), step):
            self._fold(slice(start, start + step))
        self._curves.append(self._curve(indices, gradients))

    def _gradients(self) -> Tensor | None:
        """Return what the batches' gradients would be of a loss that is a sum over the images, None if one has none."""
        known = [gradients.float() * len(gradients) for _, _, gradients in self._batches if gradients is not None]
        return torch.cat(known) if len(known) == len(self._batches) else None

    def _curve(self, indices: Tensor, gradients: Tensor | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the number of cells and the sum of their gradients in each bin of p of each group."""
        n_bins = len(GROUPS) * N_BINS
        if gradients is None:
            return np.zeros(n_bins), np.zeros(n_bins)
        # p = 1 belongs to the last bin of its group, not to the first of the next.
        place = (self._probs * (N_BINS * (1 - 1e-6))).to(torch.uint8).add_(self._first_bin)
        place = place.index_select(0, indices).flatten()  # six times as fast as place[indices]
        counts = torch.bincount(place, minlength=n_bins)
        sums = torch.bincount(place, weights=gradients.flatten(), minlength=n_bins)
        return counts.cpu().double().numpy(), sums.cpu().double().numpy()

    def _note_shown(self, indices: Tensor) -> None:
        shown = torch.zeros_like(self._shown)
        shown.index_fill_(0, indices, True)
        if self._same_images and self._curves and not torch.equal(shown, self._shown):
            raise InputError("Expected each epoch to show the images of the first one, got others")
        self._shown = shown
        self._epochs_shown += shown

    def _fold(self, rows: slice) -> None:
        """Update one block of cells; those of images that are never shown hold nothing and are masked in the end."""
        p, mean = self._probs[rows], self._mean[rows]
        delta = p - mean
        if not self._same_images:
            delta.mul_(self._shown[rows])
        mean.addcdiv_(delta, self._epochs_shown[rows].clamp(min=1))
        self._squares[rows].addcmul_(delta, p - mean)
        # Bitwise, because torch's logical_and is twenty times slower on a CPU.
        above = (p > self.tau).bitwise_and_(self._unobserved[rows])
        changed = above ^ self._above[rows]
        if not changed.any():
            return
        self._flips[rows] += changed
        self._above[rows] = above
        first = above.bitwise_and_(self._flip_epoch[rows] == NEVER)
        self._flip_epoch[rows].masked_fill_(first, len(self._curves))
        bins = self._first_bin[rows]
        bins.masked_fill_(first & (bins != _PLANTED), GROUPS.index("flagged") * N_BINS)

    def _group_planted(self) -> None:
        if self._planted is not None:
            self._first_bin[self._planted] = _PLANTED

    def dynamics(self) -> Dynamics:
        """Return the statistics so far."""
        seen, nan = self._epochs_shown > 0, torch.tensor(torch.nan)
        return Dynamics(
            mean=torch.where(seen, self._mean, nan).cpu().numpy(),
            variance=torch.where(seen, self._squares / self._epochs_shown, nan).cpu().numpy(),
            last=torch.where(seen, self._probs, nan).cpu().numpy(),
            flip_epoch=self._flip_epoch.cpu().numpy().copy(),
            flips=self._flips.cpu().numpy().copy(),
        )

    def epoch(self) -> NDArray[np.float32]:
        """Return p of every cell in the last epoch, (N, K); NaN rows of images that it did not show."""
        p: NDArray[np.float32] = torch.where(self._shown, self._probs, torch.tensor(torch.nan)).cpu().numpy()
        return p

    def gradients(self) -> pd.DataFrame:
        """Return the mean gradient by epoch, group and bin of p.

        Columns epoch, group, p_low, p_high, count, gradient (mean dL/dz, negative pushes p up). A cell is in one
        group: an unobserved one in `planted` if it is known to be present, in `flagged` from the epoch on at which
        p first passed tau, in `unobserved` before. Empty bins are left out.
        """
        edges = np.linspace(0, 1, N_BINS + 1)
        frames = []
        for epoch, (counts, sums) in enumerate(self._curves):
            frame = pd.DataFrame(
                {
                    "epoch": epoch,
                    "group": np.repeat(GROUPS, N_BINS),
                    "p_low": np.tile(edges[:-1], len(GROUPS)),
                    "p_high": np.tile(edges[1:], len(GROUPS)),
                    "count": counts.astype(np.int64),
                    "gradient": sums / np.maximum(counts, 1),
                }
            )
            frames.append(frame[frame["count"] > 0])
        columns = ["epoch", "group", "p_low", "p_high", "count", "gradient"]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)

    def state_dict(self) -> dict[str, Any]:
        """Return everything needed to go on after an epoch, as tensors."""
        curves = torch.from_numpy(np.array(self._curves).reshape(-1, 2, len(GROUPS) * N_BINS))
        names = (
            "_shown",
            "_epochs_shown",
            "_probs",
            "_mean",
            "_squares",
            "_above",
            "_flip_epoch",
            "_flips",
            "_first_bin",
        )
        return {"curves": curves, **{name: getattr(self, name) for name in names}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned, also before it had the group `planted` and the epochs of an image."""
        curves = state["curves"].cpu().numpy()
        missing = len(GROUPS) * N_BINS - curves.shape[-1]
        self._curves = [(counts, sums) for counts, sums in np.pad(curves, ((0, 0), (0, 0), (0, missing)))]
        for name, tensor in state.items():
            if name != "curves":
                getattr(self, name).copy_(tensor)
        if "_epochs_shown" not in state:
            self._epochs_shown.copy_(self._shown * len(self._curves))
        self._group_planted()


def _last_of_each(indices: Tensor, n: int) -> Tensor:
    """Return the position of the last time that each index occurs."""
    last = torch.full((n,), -1, dtype=torch.int64, device=indices.device)
    positions = torch.arange(len(indices), device=indices.device)
    last.scatter_reduce_(0, indices, positions, reduce="amax")
    return last[last >= 0]
