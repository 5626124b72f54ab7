"""Images: where they lie and how they come here, safe decoding, thumbnails, close-ups, tensors, corrected datasets.

`ImageTensors` and `CorrectedImages` are imported when they are asked for: they take torch, whose import lasts seconds,
and who only shows thumbnails does without.
"""

from typing import TYPE_CHECKING, Any

from labelmend_datasets.images.close_ups import close_up
from labelmend_datasets.images.decode import decode_image
from labelmend_datasets.images.missing import find_missing_images
from labelmend_datasets.images.places import ImageSource, image_file, image_source, require_place, workspace_image
from labelmend_datasets.images.thumbnails import thumbnail

if TYPE_CHECKING:
    from labelmend_datasets.images.corrected import CorrectedImages
    from labelmend_datasets.images.tensors import ImageTensors

__all__ = [
    "CorrectedImages",
    "ImageSource",
    "ImageTensors",
    "close_up",
    "decode_image",
    "find_missing_images",
    "image_file",
    "image_source",
    "require_place",
    "thumbnail",
    "workspace_image",
]


def __getattr__(name: str) -> Any:
    if name == "ImageTensors":
        from labelmend_datasets.images.tensors import ImageTensors

        return ImageTensors
    if name == "CorrectedImages":
        from labelmend_datasets.images.corrected import CorrectedImages

        return CorrectedImages
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
