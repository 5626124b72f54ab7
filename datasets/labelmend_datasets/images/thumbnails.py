"""Small JPEG copies of images for the screens."""

from pathlib import Path

from PIL import Image

from labelmend_core.files import replacing
from labelmend_datasets.images.decode import decode_image

_QUALITY = 85


def thumbnail(path: Path, side: int, destination: Path) -> Path:
    """Return `destination`, a JPEG copy of an image whose longer side is at most `side` pixels.

    A file that is there already is used again, and a small image is not made larger.

    Raises:
        ImageError: the image is missing, damaged, too large, or not an image.
        WorkspaceError: the disk is full or the folder cannot be written to.
    """
    if not destination.exists():
        image = decode_image(path, at_least=2 * side)
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
        with replacing(destination) as temporary:
            image.save(temporary, format="JPEG", quality=_QUALITY)
    return destination
