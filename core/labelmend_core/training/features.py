"""Features of a frozen backbone, computed once and kept: what makes a probe a matter of seconds."""

import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, Subset

from labelmend_core.files import replacing
from labelmend_core.models import Backbone
from labelmend_core.training.progress import Progress, silent

FEATURES_FILE = "features.npy"
DONE_FILE = "done.json"
_BLOCK = 1024  # images whose tokens are averaged at a time


def extract_features(
    backbone: Backbone,
    images: Dataset[torch.Tensor],
    folder: Path,
    *,
    n_images: int,
    device: torch.device,
    batch_size: int = 64,
    progress: Progress = silent,
) -> NDArray[np.float16]:
    """Return the features of all images, a float16 memory map: (N, n_features), or of tokens (N, T, n_features).

    Batches are written in order and counted in `done.json`, so a stopped or killed extraction goes
    on where it was; a complete one is only opened.

    Args:
        backbone: put into eval mode and moved to `device`.
        images: item i is uint8 (3, S, S).
        folder: made when it is not there; one folder a backbone (see `BackboneSpec.fingerprint`).
        n_images: N.
        device: where the backbone runs.
        batch_size: images a step.
        progress: told how many images are done; may raise `Stopped`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path, done_path = folder / FEATURES_FILE, folder / DONE_FILE
    done = int(json.loads(done_path.read_text(encoding="utf-8"))["images"]) if done_path.exists() else 0
    shape = (n_images, *_shape_of_one(backbone, images))
    if not path.exists() or np.load(path, mmap_mode="r").shape != shape:
        done = 0
        with replacing(path) as temporary:
            np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float16, shape=shape).flush()
    features = np.lib.format.open_memmap(path, mode="r+")
    if done < n_images:
        backbone.eval().to(device)
        loader = DataLoader(Subset(images, range(done, n_images)), batch_size=batch_size)
        with torch.inference_mode():
            for pixels in loader:
                batch = backbone(pixels.to(device)).float().cpu().numpy()
                features[done : done + len(batch)] = batch
                features.flush()
                done += len(batch)
                with replacing(done_path) as temporary:
                    temporary.write_text(json.dumps({"images": done}), encoding="utf-8")
                progress("looking at the images", done, n_images)
    complete: NDArray[np.float16] = np.load(path, mmap_mode="r")
    return complete


def embeddings_of(folder: Path) -> Path:
    """Return the file of one vector an image: the features, or the mean over their tokens, computed once."""
    path, pooled = folder / FEATURES_FILE, folder / "pooled.npy"
    features = np.load(path, mmap_mode="r")
    if features.ndim == 2:
        return path
    if not pooled.exists():
        with replacing(pooled) as temporary:
            shape = (features.shape[0], features.shape[2])
            means = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float16, shape=shape)
            for start in range(0, len(features), _BLOCK):
                block = slice(start, start + _BLOCK)
                means[block] = features[block].mean(axis=1, dtype=np.float32)
            means.flush()
    return pooled


@torch.inference_mode()
def _shape_of_one(backbone: Backbone, images: Dataset[torch.Tensor]) -> tuple[int, ...]:
    device = next(backbone.parameters()).device
    return tuple(backbone.eval()(torch.zeros_like(images[0])[None].to(device)).shape[1:])
