"""Features of a frozen backbone, computed once and kept: what makes a probe a matter of seconds."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from labelmend_core.files import replacing
from labelmend_core.models import Backbone
from labelmend_core.training.loading import loaded
from labelmend_core.training.processes import Processes, own_part
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
    processes: Processes | None = None,
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
        batch_size: images a step of one process.
        progress: told how many images are done; may raise `Stopped`.
        processes: among which the images are split; the first one writes.
    """
    path, n = folder / FEATURES_FILE, 1 if processes is None else processes.n
    done = _begun(backbone, images, folder, n_images) if _writes(processes) else 0
    done = done if processes is None else processes.told(done)
    if done < n_images:
        backbone.eval().to(device)
        rank = 0 if processes is None else processes.rank
        ends = [min(start + batch_size * n, n_images) for start in range(done, n_images, batch_size * n)]
        own = ((own_part(end - start, rank, n) + start).tolist() for start, end in pairwise([done, *ends]))
        for end, pixels in zip(ends, loaded(images, own, pinned=device.type == "cuda"), strict=True):
            with torch.inference_mode():
                found = backbone(pixels.to(device, non_blocking=True)).float().cpu()
            found = found if processes is None else processes.gather(found.clone())[: end - done]
            done = end
            if _writes(processes):
                _write(folder, done, found.numpy())
            progress("looking at the images", done, n_images)
    if processes is not None:
        processes.told(done)  # the first process has written the last block
    complete: NDArray[np.float16] = np.load(path, mmap_mode="r")
    return complete


def _writes(processes: Processes | None) -> bool:
    return processes is None or processes.is_main


def _begun(backbone: Backbone, images: Dataset[torch.Tensor], folder: Path, n_images: int) -> int:
    """Make the file of the features where there is none; return how many images are done."""
    folder.mkdir(parents=True, exist_ok=True)
    path, done_path = folder / FEATURES_FILE, folder / DONE_FILE
    shape = (n_images, *_shape_of_one(backbone, images))
    if not path.exists() or np.load(path, mmap_mode="r").shape != shape:
        done_path.unlink(missing_ok=True)  # before the features of another number of images are gone
        with replacing(path) as temporary:
            np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float16, shape=shape).flush()
    return int(json.loads(done_path.read_text(encoding="utf-8"))["images"]) if done_path.exists() else 0


def _write(folder: Path, done: int, found: NDArray[np.float32]) -> None:
    """Write a block of features, which ends with image number `done`, and then that it is done."""
    features = np.lib.format.open_memmap(folder / FEATURES_FILE, mode="r+")
    features[done - len(found) : done] = found
    features.flush()
    with replacing(folder / DONE_FILE) as temporary:
        temporary.write_text(json.dumps({"images": done}), encoding="utf-8")


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
