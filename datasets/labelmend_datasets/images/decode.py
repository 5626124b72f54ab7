"""Decoding image files that strangers made: bounded, upright, always RGB with 8 bits."""

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from labelmend_core.errors import ImageError

# Only these: other plugins of Pillow start Ghostscript or read formats that no image dataset comes in.
FILE_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "JPEG2000")

# What Pillow's decoders raise for damaged files.
_DAMAGED = (OSError, SyntaxError, ValueError, TypeError, IndexError, KeyError, EOFError, struct.error, zlib.error)
_SIXTEEN_BITS = 65_535


def decode_image(path: Path, *, max_pixels: int = 64_000_000, at_least: int | None = None) -> Image.Image:
    """Return an image as upright 8-bit RGB; transparency is laid onto white, 16 bits are scaled to 8.

    Args:
        path: a JPEG, PNG, WebP, BMP, GIF, TIFF, PPM or JPEG 2000 file; of several frames the first counts.
        max_pixels: the largest width x height that is decoded; the header is checked before any pixel is. Pillow's
            own limit of about 179 million pixels holds besides.
        at_least: a side in pixels that is enough: a larger JPEG is decoded at a half, a quarter or an eighth as long
            as both its sides stay that large, which is several times faster.

    Raises:
        ImageError: the file is missing, damaged, too large, or not an image.
    """
    try:
        with path.open("rb") as file, Image.open(file, formats=FILE_FORMATS) as image:
            _require_size(path, image.size, max_pixels)
            if at_least is not None:
                image.draft(None, (at_least, at_least))
            image.load()
            return _rgb(path, _upright(image))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(path, str(error).partition("(")[2].partition(")")[0], max_pixels) from error
    except FileNotFoundError as error:
        raise ImageError(f"Expected an image at {path}, but no file is there; is the image folder right?") from error
    except (IsADirectoryError, PermissionError) as error:
        raise ImageError(f"Expected an image at {path}, but it cannot be read ({error.strerror}).") from error
    except UnidentifiedImageError as error:
        raise _no_image(path) from error
    except ImageError:
        raise
    except MemoryError as error:  # a damaged one may ask for gigabytes
        raise ImageError(
            f"Expected an image that can be decoded in the memory that is free, got {path}; is it damaged?"
        ) from error
    except _DAMAGED as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ImageError(
            f"Expected a whole image at {path}, but decoding fails ({reason}); "
            "was the file cut off in a copy or a download? Fetch it again."
        ) from error


def _require_size(path: Path, size: tuple[int, int], max_pixels: int) -> None:
    if size[0] * size[1] > max_pixels:
        raise _too_large(path, f"{size[0]} x {size[1]}", max_pixels)


def _too_large(path: Path, size: str, max_pixels: int) -> ImageError:
    return ImageError(
        f"Expected an image of at most {max_pixels:,} pixels at {path}, but its header says {size}; "
        "scale it down first, or leave it out if the header lies."
    )


def _no_image(path: Path) -> ImageError:
    with path.open("rb") as file:
        head = file.read(16)
    got = f"it starts with {head!r}" if head else "it is empty"
    return ImageError(
        f"Expected an image at {path}, but the file is none ({got}); "
        "was a web page, a text or a Git LFS pointer saved under an image's name?"
    )


def _upright(image: Image.Image) -> Image.Image:
    """Turn the image as its EXIF orientation says; one with damaged EXIF data stays as it lies."""
    try:
        return ImageOps.exif_transpose(image)
    except _DAMAGED:
        return image


def _rgb(path: Path, image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        return _from_sixteen_bits(path, image).convert("RGB")
    if image.mode == "F":
        raise ImageError(
            f"Expected an image of 8 or 16 bits a channel at {path}, but its pixels are floating-point numbers, "
            "whose black and white are unknown; save it with 8 bits."
        )
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def _from_sixteen_bits(path: Path, image: Image.Image) -> Image.Image:
    """Scale 0…65,535 to 0…255; Pillow's own conversion clips at 255 and makes nearly all white."""
    pixels = np.asarray(image)
    if pixels.size and (pixels.min() < 0 or pixels.max() > _SIXTEEN_BITS):
        raise ImageError(
            f"Expected an image of 8 or 16 bits a channel at {path}, "
            f"but its pixels reach from {pixels.min()} to {pixels.max()}; save it with 8 bits."
        )
    return Image.fromarray(((pixels.astype(np.uint32) * 255 + _SIXTEEN_BITS // 2) // _SIXTEEN_BITS).astype(np.uint8))
