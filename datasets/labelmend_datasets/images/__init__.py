"""Images: safe decoding, missing files, thumbnails, and tensors for training.

`ImageTensors` is imported when it is asked for: it takes torch, whose import lasts seconds, and who only shows
thumbnails does without.
"""

from typing import TYPE_CHECKING, Any

from labelmend_datasets.images.decode import decode_image
from labelmend_datasets.images.missing import find_missing_images
from labelmend_datasets.images.thumbnails import thumbnail

if TYPE_CHECKING:
    from labelmend_datasets.images.tensors import ImageTensors

__all__ = ["ImageTensors", "decode_image", "find_missing_images", "thumbnail"]


def __getattr__(name: str) -> Any:
    if name == "ImageTensors":
        from labelmend_datasets.images.tensors import ImageTensors

        return ImageTensors
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
