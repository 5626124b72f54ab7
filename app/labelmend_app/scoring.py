"""Scoring images past memory: a shard of them here, the others elsewhere, and all merged in the end."""

from collections.abc import Callable
from hashlib import file_digest
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from labelmend_app.evaluation import Images, columns_of, in_batches
from labelmend_app.whole_number import whole_number
from labelmend_core.errors import InputError
from labelmend_core.time_left import TimeLeft
from labelmend_core.top_scores import About, blocks, fingerprint_of, write_block

if TYPE_CHECKING:
    from labelmend_core.training.trained import Trained

BLOCK = 4_096  # images of a file: what a kill may cost
_MOST_SHARDS = 10**9
Show = Callable[[str, int, int, float | None], None]


def shard_of(text: str) -> tuple[int, int]:
    """Return which shard of how many, from 1, of a text such as "3/8".

    Raises:
        InputError: it is none.

    Example:
        >>> shard_of("3/8")
        (3, 8)
    """
    number, _, of = text.partition("/")
    shards = whole_number(of, _MOST_SHARDS, least=1)
    shard = None if shards is None else whole_number(number, shards, least=1)
    if shards is None or shard is None:
        raise InputError(f"Expected a shard such as 1/8, the first of eight, got {text[:40]!r}")
    return shard, shards


def about(checkpoint: Path, images: Images, k: int) -> About:
    """Return what scores of these images by this checkpoint are called."""
    with checkpoint.open("rb") as stream:
        network = file_digest(stream, "sha256").hexdigest()[:16]
    names = tuple(images.dataset.class_names)
    return About(
        len(images.dataset.paths), names, min(k, len(names)), network, fingerprint_of(images.dataset.image_ids)
    )


def score(
    trained: "Trained",
    images: Images,
    folder: Path,
    of: About,
    *,
    shard: tuple[int, int] = (1, 1),
    batch_size: int = 64,
    show: Show | None = None,
) -> int:
    """Score a shard of the images into blocks of a folder and return how many of them were scored now.

    Blocks that are there are left as they are: a scoring that was killed goes on.

    Args:
        trained: from `network_from_checkpoint`.
        images: from `split_of` or `annotated`.
        folder: of the blocks.
        of: from `about`.
        shard: which one, from 1, of how many.
        batch_size: images a step.
        show: called with phase, images done, images in all and the estimated seconds left.

    Raises:
        InputError: the classes are not those of the network, or the folder holds scores of something else.
    """
    columns = columns_of(of.class_names, trained.class_names, images.name)
    number, shards = shard
    first, end = ((part * of.n_images) // shards for part in (number - 1, number))
    there = blocks(folder, of)
    ranges = [(start, min(start + BLOCK, end)) for start in range(first, end, BLOCK)]
    missing = [one for one in ranges if one not in there]
    total, done, left = sum(stop - start for start, stop in missing), 0, TimeLeft()
    left(done, total)  # before the first block, which takes time, too
    for start, stop in missing:
        _score_block(trained, images, folder, of, (start, stop), columns, batch_size)
        done += stop - start
        if show is not None:
            show("looking at the images", done, total, left(done, total))
    return total


def _score_block(
    trained: "Trained",
    images: Images,
    folder: Path,
    of: About,
    block: tuple[int, int],
    columns: list[int],
    batch_size: int,
) -> None:
    from accelerate import PartialState
    from torch.utils.data import Subset

    from labelmend_core.training.scoring import kept_of

    start, stop = block
    device = PartialState().device
    trained.to(device)
    kept, at = [], start
    for pixels in in_batches(Subset(images.pixels, range(start, stop)), stop - start, batch_size):
        rows, classes, _ = images.labels.cells(at, at + len(pixels))
        kept += kept_of(trained(pixels.to(device))[:, columns], of.k, rows - at, classes)
        at += len(pixels)
    unreadable = [image for image in images.unreadable() if start <= image < stop]
    for image in unreadable:
        kept[image - start] = (np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float16))
    write_block(folder, of, start, kept, unreadable)
