"""The nth largest of many numbers, for losses that treat the largest of a batch otherwise."""

import math

import torch
from torch import Tensor

# Numbers to a group below which the groups save nothing.
_WORTH_IT = 8


def nth_largest(values: Tensor, n: int) -> Tensor:
    """Return the nth largest of all values, a scalar; up to five times as fast as `topk` of all on a CPU.

    The n largest lie in the n groups of the largest maxima, so that only those have to be searched. Shapes do not
    depend on the values: it compiles, and a GPU need not be waited for.

    Args:
        values: Any shape, at least n of them, without NaN.
        n: 1 for the maximum.

    Example:
        >>> nth_largest(torch.tensor([[3.0, 1.0], [2.0, 3.0]]), 3)
        tensor(2.)
    """
    flat = values.flatten()
    size = math.isqrt(len(flat) // n)
    if size >= _WORTH_IT:
        groups = flat[: len(flat) // size * size].view(-1, size)
        chosen = groups.amax(dim=1).topk(n, sorted=False).indices
        flat = torch.cat([groups[chosen].flatten(), flat[groups.numel() :]])
    return flat.topk(n, sorted=False).values.min()
