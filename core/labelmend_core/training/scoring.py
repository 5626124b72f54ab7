"""From what a network says of a batch to what is kept of it."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from labelmend_core.types import IntArray


def kept_of(
    pred_probs: Tensor, k: int, images: IntArray, classes: IntArray
) -> list[tuple[IntArray, NDArray[np.float16]]]:
    """Return of each image the classes, rising, and p of its k highest and of the cells named.

    Args:
        pred_probs: float (B, K).
        k: at most K.
        images, classes: int64 (M,), cells whose p is kept in any case, such as the labelled ones.

    Example:
        >>> kept = kept_of(torch.tensor([[0.5, 0.25, 0.75]]), 1, np.array([0]), np.array([1]))
        >>> kept[0][0].tolist(), kept[0][1].tolist()
        ([1, 2], [0.25, 0.75])
    """
    highest = torch.topk(pred_probs, k, dim=1, sorted=False).indices.cpu().numpy()
    n_classes = pred_probs.shape[1]
    of_highest = (np.arange(len(highest))[:, None] * n_classes + highest).ravel()
    cells = np.union1d(of_highest, images * n_classes + classes)
    p = pred_probs.flatten()[torch.from_numpy(cells).to(pred_probs.device)].cpu().numpy().astype(np.float16)
    ends = np.searchsorted(cells, np.arange(1, len(highest)) * n_classes)
    return list(zip(np.split(cells % n_classes, ends), np.split(p, ends), strict=True))
