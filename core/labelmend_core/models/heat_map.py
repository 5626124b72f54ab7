"""Heat maps: where in an image a network sees a class."""

from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 – torch's own convention
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from labelmend_core.errors import InputError
from labelmend_core.models.backbone import Backbone
from labelmend_core.models.heads import Head

# left, top, right and bottom, as shares of the upright image's width and height.
Box = tuple[float, float, float, float]

_FEWEST = 4  # rows and columns of a feature map that can still tell where
_MOST = 32  # rows and columns of a heat map
_HOT = 0.35  # a place of the hottest region is at least so hot; measured on digits, see BENCHMARKS.md
_WINDOWS = 8  # rows and columns of windows that are covered one after the other
_AT_ONCE = 32
_NOISE = 1e-5  # a difference so small beside the numbers is the arithmetic's


class Method(StrEnum):
    """How a heat map was made."""

    ACTIVATION = "class activation"
    ATTENTION = "attention"
    OCCLUSION = "occlusion"


@dataclass(frozen=True, eq=False)
class HeatMap:
    """Where a network sees one class in one image.

    Attributes:
        values: float32 (H, W) in [0, 1]; 1 is the hottest place, 0 one that says nothing or speaks against the class.
            All 0 where no place is hotter than another. Row i and column j stand for the place that many steps of
            1 / H and 1 / W into `seen`.
        method: how it was made.
        seen: the part of the upright image that the network saw. It is all of it: every image is resized to a square
            whole, see `labelmend_datasets.images.ImageTensors`; so a map of a wide image has wide places.
    """

    values: NDArray[np.float32]
    method: Method
    seen: Box = (0.0, 0.0, 1.0, 1.0)

    def hottest(self) -> Box:
        """Return the box around the hottest region: the hottest place, and what is joined to it and a third as hot.

        All that the network saw where no place is hotter than another.

        Source: Zhou et al., 2016, arXiv 1512.04150, section 3.2. Deviations: 0.35 of the maximum instead of 0.2,
        and the region of the hottest place instead of the largest one, since the box is there to look closely.
        """
        left, top, right, bottom = self.seen
        if not self.values.any():
            return self.seen
        height, width = self.values.shape
        regions, _ = ndimage.label(self.values >= _HOT)
        row, column = np.unravel_index(self.values.argmax(), self.values.shape)
        rows, columns = np.nonzero(regions == regions[row, column])
        across, down = (right - left) / width, (bottom - top) / height
        return (
            left + int(columns.min()) * across,
            top + int(rows.min()) * down,
            left + (int(columns.max()) + 1) * across,
            top + (int(rows.max()) + 1) * down,
        )


@torch.inference_mode()
def make_heat_map(backbone: Backbone, head: Head, pixels: Tensor, class_index: int) -> HeatMap:
    """Return where the network sees a class in an image; its hottest place is where it sees it most.

    A head that weighs pooled features gives class activations, `ml_decoder` the attention of the class's query. Where
    the feature map has fewer than 4 x 4 places, or is not what the head sees the mean of, windows of the image are
    covered one after the other, and the places are hot where the class's output falls most.

    Args:
        backbone: in eval mode.
        head: in eval mode, on the features of `backbone`.
        pixels: uint8 (3, S, S), on their device.
        class_index: in [0, K).

    Raises:
        InputError: the network's outputs are not finite.

    Source: class activation, Zhou et al., 2016, arXiv 1512.04150; occlusion, Zeiler and Fergus, 2014,
    arXiv 1311.2901: 8 x 8 windows of a quarter of the side each, filled with the image's mean colour.

    Example:
        >>> from labelmend_core.models import BackboneSpec, build_backbone, build_head
        >>> from labelmend_core.types import LabelMatrix
        >>> backbone = build_backbone(BackboneSpec("test_resnet", "random", image_size=160)).eval()
        >>> head = build_head("linear", backbone.n_features, LabelMatrix.from_dense([[1, 0]])).eval()
        >>> found = make_heat_map(backbone, head, torch.zeros(3, 160, 160, dtype=torch.uint8), 1)
        >>> found.values.shape, str(found.method)
        ((5, 5), 'class activation')
    """
    features = backbone.by_place(pixels[None])
    if features is None or min(features.shape[1:3]) < _FEWEST:
        return HeatMap(_scaled(_by_occlusion(backbone, head, pixels, class_index)), Method.OCCLUSION)
    rows, columns = features.shape[1:3]
    places = head.by_place(features.float().flatten(1, 2))[:, :, class_index].view(1, rows, columns)
    smaller = F.adaptive_avg_pool2d(places.float(), (min(rows, _MOST), min(columns, _MOST)))[0]
    return HeatMap(_scaled(smaller), Method.ATTENTION if head.takes == "tokens" else Method.ACTIVATION)


def _by_occlusion(backbone: Backbone, head: Head, pixels: Tensor, class_index: int) -> Tensor:
    """Return how far the class's output falls when a window around each place is covered, (8, 8)."""
    side = pixels.shape[-1]
    edges = [round(i * side / _WINDOWS) for i in range(_WINDOWS + 1)]
    colour = pixels.float().mean(dim=(1, 2), keepdim=True).to(pixels.dtype)
    margin = side // (2 * _WINDOWS)
    spans = [slice(max(0, low - margin), high + margin) for low, high in pairwise(edges)]
    covered = [pixels]
    for rows in spans:
        for columns in spans:
            image = pixels.clone()
            image[:, rows, columns] = colour
            covered.append(image)
    batches = torch.split(torch.stack(covered), _AT_ONCE)
    outputs = torch.cat([head(backbone(batch)).float()[:, class_index] for batch in batches])
    return (outputs[0] - outputs[1:]).view(_WINDOWS, _WINDOWS)


def _scaled(places: Tensor) -> NDArray[np.float32]:
    """Return the numbers from 0 to 1, the highest.

    What speaks against the class is as cold as what says nothing, or ground would look warm beside another object.
    Where nothing speaks for it, the lowest is 0.
    """
    values: NDArray[np.float32] = places.float().cpu().numpy()
    if not np.isfinite(values).all():
        raise InputError("Expected a network with finite outputs, got NaN or infinity; has its training failed?")
    lowest, highest = values.min(), values.max()
    if highest - lowest <= _NOISE * max(abs(lowest), abs(highest)):
        return np.zeros_like(values)
    floor = max(lowest, 0) if highest > 0 else lowest
    scaled: NDArray[np.float32] = (values - floor).clip(0) / (highest - floor)
    return scaled
