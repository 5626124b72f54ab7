"""Images as tensors for training: decoded once, and one bad image never stops a run."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from labelmend_core.cores import cores
from labelmend_core.errors import ImageError
from labelmend_datasets.images.decode import decode_image
from labelmend_datasets.images.pixel_cache import PixelCache
from labelmend_datasets.images.places import ImageSource, image_file

Progress = Callable[[int, int], None]
_AT_ONCE = 256


class ImageTensors(torch.utils.data.Dataset[torch.Tensor]):
    """Item i is image i as a uint8 tensor of shape (3, S, S); zeros if it cannot be decoded, see `problems`.

    The whole image is resized to S x S with an antialiasing bicubic filter, as the ASL and SPLC papers do: a label may
    rest on an object at the edge, which a crop would cut off.

    Args:
        paths: the image files, or where they are fetched from.
        image_size: S, in pixels.
        cache: where to keep the decoded images, one memory-mapped file; without it every access decodes anew.
            An image whose file has changed is decoded again, one that was fetched is not; other paths or sizes make a
            new cache.
        cache_limit_bytes: no cache is made that would be larger.
    """

    def __init__(
        self,
        paths: Sequence[ImageSource],
        image_size: int,
        cache: Path | None = None,
        cache_limit_bytes: int = 8 * 1024**3,
    ) -> None:
        self._paths, self._size = list(paths), image_size
        self._problems: dict[int, str] = {}
        self._cache: PixelCache | None = None
        shape = (3, image_size, image_size)
        if cache is not None and paths and PixelCache.size(len(paths), shape) <= cache_limit_bytes:
            self._cache = PixelCache(cache, [str(path) for path in paths], len(paths), shape)

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        index = range(len(self))[index]
        pixels = self._cached(index)
        if pixels is None:
            pixels = self._decode_and_keep(index)
        return (
            torch.zeros((3, self._size, self._size), dtype=torch.uint8) if pixels is None else torch.from_numpy(pixels)
        )

    @property
    def is_cached(self) -> bool:
        """Whether decoded images are kept, so that a second pass decodes nothing."""
        return self._cache is not None

    def problems(self) -> dict[int, str]:
        """Return what is wrong with each image that was found bad so far, by index; empty is good.

        With a cache that includes what DataLoader workers and earlier processes found.
        """
        if self._cache is not None:
            for index in np.flatnonzero(self._cache.marks < 0).tolist():
                if index not in self._problems:
                    self._decode(index)
        return dict(sorted(self._problems.items()))

    def check(self, indices: Iterable[int], progress: Progress | None = None) -> dict[int, str]:
        """Decode images, into the cache where there is one, and return what is wrong with each bad one by index.

        Args:
            indices: of the images to decode.
            progress: is called with the number of images done and the number of all.

        Raises:
            WorkspaceError: the disk is full.
        """
        indices = list(indices)
        with ThreadPoolExecutor(cores()) as pool:
            for start in range(0, len(indices), _AT_ONCE):
                block = indices[start : start + _AT_ONCE]
                for _ in pool.map(self._keep, block):
                    """Waiting for the block raises what a thread raised."""
                if progress is not None:
                    progress(start + len(block), len(indices))
        problems = self.problems()
        return {index: problems[index] for index in indices if index in problems}

    def _keep(self, index: int) -> None:
        if not self._is_cached(index):
            self._decode_and_keep(index)

    def _is_cached(self, index: int) -> bool:
        return self._cache is not None and self._cache.marks[index] == _stamp(self._paths[index]) != 0

    def _cached(self, index: int) -> NDArray[np.uint8] | None:
        return self._cache.get(index) if self._cache is not None and self._is_cached(index) else None

    def _decode_and_keep(self, index: int) -> NDArray[np.uint8] | None:
        stamp = _stamp(self._paths[index])
        pixels = self._decode(index)
        if self._cache is not None:
            self._cache.put(index, pixels, stamp if pixels is not None else -max(stamp, 1))
        return pixels

    def _decode(self, index: int) -> NDArray[np.uint8] | None:
        """Return the pixels, or note what is wrong and return nothing."""
        try:
            image = decode_image(image_file(self._paths[index]), at_least=2 * self._size)
        except ImageError as error:
            self._problems[index] = str(error)
            return None
        self._problems.pop(index, None)
        square = image.resize((self._size, self._size), Image.Resampling.BICUBIC)
        return np.ascontiguousarray(np.asarray(square).transpose(2, 0, 1))


def _stamp(path: ImageSource) -> int:
    """Return a positive number that changes with the file, or 0 if there is none; what is fetched does not change."""
    if not isinstance(path, Path):
        return 1
    try:
        status = path.stat()
    except OSError:
        return 0
    return 1 + (status.st_mtime_ns + status.st_size) % (1 << 62)
