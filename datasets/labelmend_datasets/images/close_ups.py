"""Close-ups: the part of an image that matters, as sharp as the file has it."""

import math
from pathlib import Path

from PIL import Image

from labelmend_datasets.images.decode import decode_image

_MARGIN = 0.25  # on each side, of the box's longer side
_ALMOST_ALL = 0.85  # from there on a close-up is no closer than the image


def close_up(path: Path, box: tuple[float, float, float, float], side: int, smallest: float = 0.5) -> Image.Image:
    """Return a square around a box of an image, with a margin, at most `side` pixels wide; the whole image if the
    box takes most of it.

    Args:
        path: the image file.
        box: left, top, right and bottom, as shares of the upright image's sides.
        side: the longer side of what is returned, at most.
        smallest: side of the square as a share of the image's shorter side, at least; closer, an object may be cut off
            where the box is rough, and nobody can tell what it is part of.

    Raises:
        ImageError: the image is missing, damaged, too large, or not an image.
    """
    image = decode_image(path, at_least=math.ceil(2 * side / smallest))
    cut = image.crop(around(box, image.size, smallest))
    cut.thumbnail((side, side), Image.Resampling.LANCZOS)
    return cut


def around(box: tuple[float, float, float, float], size: tuple[int, int], smallest: float) -> tuple[int, int, int, int]:
    """Return the pixels of the square around a box, inside the image: left, top, right, bottom; see `close_up`.

    Where the image is narrower than the square, the square becomes as narrow.

    Example:
        >>> around((0.5, 0.5, 0.6, 0.7), (200, 100), 0.5)
        (85, 35, 135, 85)
        >>> around((0.0, 0.0, 0.9, 0.9), (200, 100), 0.5)
        (0, 0, 200, 100)
    """
    width, height = size
    left, top, right, bottom = box[0] * width, box[1] * height, box[2] * width, box[3] * height
    side = max((1 + 2 * _MARGIN) * max(right - left, bottom - top), smallest * min(size))
    if side >= _ALMOST_ALL * max(size):
        return 0, 0, width, height
    across, down = min(round(side), width), min(round(side), height)
    x = min(max(round((left + right - across) / 2), 0), width - across)
    y = min(max(round((top + bottom - down) / 2), 0), height - down)
    return x, y, x + across, y + down
