"""A batch in the parts that it goes through the network in: one, or several where memory is short."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from labelmend_core.training.processes import Processes, own_part


@dataclass(frozen=True)
class Batch:
    """One step's images: the inputs of this process, and of all processes (B,) targets int8 (B, K) and indices."""

    inputs: Tensor
    targets: Tensor
    indices: Tensor
    epoch: int
    number: int


@dataclass(frozen=True)
class Part:
    """What goes through the network at once.

    Attributes:
        inputs, own_targets: of this process.
        targets, indices: of all processes, without the images that fill up the last process's part.
        kept: which of the gathered outputs those are; None is all.
        share: of the whole batch's images, in (0, 1].
        own_share: the same of the images of this process that nothing else counts.
    """

    inputs: Tensor
    own_targets: Tensor
    targets: Tensor
    indices: Tensor
    kept: Tensor | None
    share: float
    own_share: float

    def of_all(self, outputs: Tensor) -> Tensor:
        """Return the gathered outputs without those that only fill up."""
        return outputs if self.kept is None else outputs[self.kept]


def parts_of(batch: Batch, processes: Processes, parts: int) -> Iterator[Part]:
    """Yield a batch in at most so many parts, each with images of every process.

    Args:
        batch: the inputs are those of `own_part`.
        processes: among which it is split.
        parts: as many, or fewer where a process has fewer images.
    """
    n, own = len(batch.indices), len(batch.inputs)
    if processes.n == 1 and parts == 1:
        yield Part(batch.inputs, batch.targets, batch.targets, batch.indices, None, 1.0, 1.0)
        return
    places = torch.arange(own * processes.n).view(processes.n, own)
    mine = own_part(n, processes.rank, processes.n).to(batch.indices.device)
    step = -(-own // parts)
    for start in range(0, own, step):
        of_all = places[:, start : start + step].flatten()
        there = of_all < n
        images = of_all[there].to(batch.indices.device)
        here = places[processes.rank, start : start + step]
        yield Part(
            inputs=batch.inputs[start : start + step],
            own_targets=batch.targets[mine[start : start + step]],
            targets=batch.targets[images],
            indices=batch.indices[images],
            kept=None if bool(there.all()) else there.nonzero().flatten().to(batch.indices.device),
            share=len(images) / n,
            own_share=int((here < n).sum()) / n,
        )
