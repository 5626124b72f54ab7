"""The processes that train together: whose images are whose, and what they tell one another.

Each batch is split: every process has its part of the images go through the network, and the outputs of all are
gathered before the loss. So each process computes the loss of the whole batch, which is little beside the network, and
knows the gradient of every output without asking: losses that look at a whole batch or remember images, and the
recorder, which the first process alone keeps, are those of one process. Gradients of the network are summed.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import parse_flag_from_env
from numpy.typing import NDArray
from torch import Tensor, distributed, nn

from labelmend_core.training.progress import Progress, Stopped

_BLOCK_NUMBERS = 2**24  # of gradients that are summed at a time
# The first process may decode images for hours before the others hear of it; that one has failed they hear otherwise.
_PATIENCE = timedelta(days=7)
_Value = TypeVar("_Value")


def are_many() -> bool:
    """Whether this process was launched as one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def join_others() -> None:
    """Meet the other processes; NCCL between GPUs, and gloo for what lies in main memory."""
    cpu = parse_flag_from_env("ACCELERATE_USE_CPU") or not torch.cuda.is_available()
    backend = {} if cpu else {"backend": "cuda:nccl,cpu:gloo"}
    PartialState(cpu=cpu, timeout=_PATIENCE, **backend)


def leave_others() -> None:
    """Part from the other processes when all is done."""
    PartialState().destroy_process_group()


def own_part(n: int, rank: int, of: int) -> Tensor:
    """Return which of a batch's n images are those of a process, int64 (ceil(n / of),).

    All have equally many: where they do not come out even, the last ones start over, and what is over n in the order
    of all is dropped when outputs are gathered.

    Example:
        >>> [own_part(5, rank, 2).tolist() for rank in range(2)]
        [[0, 1, 2], [3, 4, 0]]
    """
    size = -(-n // of)
    return torch.arange(rank * size, (rank + 1) * size) % n


class Processes:
    """This process among those that train together; alone, nothing is gathered and nothing is told.

    Args:
        accelerator: knows which process this is, of how many.

    Attributes:
        rank: of this process, from 0.
        n: how many there are.
    """

    def __init__(self, accelerator: Accelerator) -> None:
        self.rank, self.n = int(accelerator.process_index), int(accelerator.num_processes)

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def outputs(self, own: Tensor) -> Tensor:
        """Return the outputs of all, (n · B, K), from each one's own, (B, K); the gradient flows into one's own."""
        return own if self.n == 1 else _Gathered.apply(own, self.rank, self.n)

    def sum_gradients(self, network: nn.Module) -> None:
        """Replace the gradients of a network by their sum over all processes."""
        if self.n == 1:
            return
        gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
        for block in _blocks(gradients):
            flat = torch.cat([gradient.flatten() for gradient in block])
            distributed.all_reduce(flat)
            pieces = torch.split(flat, [gradient.numel() for gradient in block])
            for gradient, summed in zip(block, pieces, strict=True):
                gradient.copy_(summed.view_as(gradient))

    def equalise(self, tensors: Iterable[Tensor]) -> None:
        """Give every process the first one's values."""
        if self.n == 1:
            return
        for tensor in tensors:
            whole = tensor.detach().contiguous()
            distributed.broadcast(whole, src=0)
            tensor.detach().copy_(whole)

    def ask(
        self, rows: NDArray[np.int64], predict: Callable[[NDArray[np.int64]], NDArray[np.float32]]
    ) -> NDArray[np.float32]:
        """Return what `predict` says of each row, (M, K); each process asks about a part of them."""
        if self.n == 1 or not len(rows):
            return predict(rows)
        own = torch.from_numpy(predict(rows[own_part(len(rows), self.rank, self.n).numpy()]))
        found: NDArray[np.float32] = self.gather(own)[: len(rows)].numpy()
        return found

    def gather(self, own: Tensor) -> Tensor:
        """Return the tensors of all, which have one shape, one after the other; without gradient."""
        if self.n == 1:
            return own
        everyones = [torch.empty_like(own) for _ in range(self.n)]
        distributed.all_gather(everyones, own.contiguous())
        return torch.cat(everyones)

    def told(self, value: _Value) -> _Value:
        """Return the first process's value to all."""
        if self.n == 1:
            return value
        held: list[Any] = [value]
        distributed.broadcast_object_list(held, src=0)
        found: _Value = held[0]
        return found

    def progress(self, own: Progress) -> Progress:
        """Return a progress that all processes report in step, so that all stop when the first one is to stop."""
        if self.n == 1:
            return own

        def report(phase: str, done: int, total: int) -> None:
            stop = torch.zeros(1, dtype=torch.int64)
            try:
                own(phase, done, total)
            except Stopped:
                stop += 1
            distributed.all_reduce(stop)
            if stop:
                raise Stopped(f"stopped in {phase} after {done} of {total}")

        return report


class _Gathered(torch.autograd.Function):
    """The outputs of all processes, of which only one's own have a gradient here."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, rank: int, n: int) -> Tensor:
        ctx.own = slice(rank * len(own), (rank + 1) * len(own))
        everyones = [torch.empty_like(own, memory_format=torch.contiguous_format) for _ in range(n)]
        distributed.all_gather(everyones, own.contiguous())
        return torch.cat(everyones)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return gradients[0][ctx.own], None, None


def _blocks(tensors: Sequence[Tensor]) -> list[list[Tensor]]:
    """Return tensors in blocks of one dtype that are not much larger than `_BLOCK_NUMBERS`."""
    blocks: list[list[Tensor]] = []
    numbers = 0
    for tensor in tensors:
        if not blocks or numbers >= _BLOCK_NUMBERS or blocks[-1][0].dtype != tensor.dtype:
            blocks.append([])
            numbers = 0
        blocks[-1].append(tensor)
        numbers += tensor.numel()
    return blocks
