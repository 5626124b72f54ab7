"""Images for the network, loaded while it computes."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

_AHEAD = 2  # batches


def loaded(
    images: Dataset[Tensor], batches: Iterable[list[int]], *, workers: int = 0, pinned: bool = False
) -> Iterator[Tensor]:
    """Yield the images of each batch, uint8 (B, 3, S, S), while the next ones are being loaded.

    Args:
        images: item i is uint8 (3, S, S).
        batches: indices into them.
        workers: processes that decode; with 0 a thread of this one loads, which is fastest where images come from a
            cache: they are copied without Python's lock.
        pinned: into memory that a GPU fetches from by itself.
    """
    if workers:
        yield from DataLoader(images, batch_sampler=batches, num_workers=workers, pin_memory=pinned)
        return

    def load(batch: list[int]) -> Tensor:
        # NumPy copies in this thread alone; torch would start threads of its own beside those of the network.
        pixels = torch.from_numpy(np.stack([images[index].numpy() for index in batch]))
        return pixels.pin_memory() if pinned else pixels

    coming = iter(batches)
    with ThreadPoolExecutor(1) as pool:
        waiting = deque(pool.submit(load, batch) for batch in islice(coming, _AHEAD))
        try:
            while waiting:
                yield waiting.popleft().result()
                waiting.extend(pool.submit(load, batch) for batch in islice(coming, 1))
        finally:
            pool.shutdown(cancel_futures=True)
