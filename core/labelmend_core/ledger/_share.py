"""Which cells belong to a share of all: a hash, the same in Python, in numpy and in SQL."""

import hashlib
from functools import lru_cache
from typing import Any

PLACE_IN_SHARE = "place_in_share"  # its name in SQL
_MASK = 2**64 - 1
_CLASSES = 2**32


def place_in_share(run_id: str, image: Any, class_index: Any) -> Any:
    """Return a number in 0…99 for each cell: those below the percentage are asked twice.

    Args:
        run_id: of the run that suggested the cells.
        image, class_index: integers, or uint64 arrays (M,).

    Source: the finaliser of SplitMix64 (Steele, Lea & Flood 2014, OOPSLA).

    Example:
        >>> import numpy as np
        >>> images, classes = np.arange(10_000, dtype=np.uint64), np.zeros(10_000, dtype=np.uint64)
        >>> round(float((place_in_share("run", images, classes) < 10).mean()), 1)
        0.1
        >>> int(place_in_share("run", images, classes)[7]) == place_in_share("run", 7, 0)
        True
    """
    return place_in_salted_share(salt(run_id), image, class_index)


def place_in_salted_share(salt: int, image: Any, class_index: Any) -> Any:
    """Return the same by the salt of a run: what SQL calls `place_in_share`."""
    mixed = (image * _CLASSES + class_index) ^ (salt & _MASK)
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
    return (mixed ^ (mixed >> 31)) % 100


@lru_cache(maxsize=64)
def salt(run_id: str) -> int:
    """Return a hash of a run, signed, as databases keep 64 bits."""
    return int.from_bytes(hashlib.blake2b(run_id.encode(), digest_size=8).digest(), signed=True)
