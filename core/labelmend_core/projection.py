"""Features of images on a plane: the two directions in which they differ most, worked out once and kept."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from labelmend_core.errors import InputError
from labelmend_core.run_folder import write_array

Progress = Callable[[float], None]  # share done, in [0, 1]

_BLOCK = 4096  # images at a time: the features may be larger than the memory
_LOOKED_AT = 256  # images that tell parts of one file apart
_of_files: dict[tuple[int, int, int, int, str], str] = {}


def principal_plane(features: NDArray[np.floating], progress: Progress = lambda share: None) -> NDArray[np.float32]:
    """Return where each image lies on the plane in which the features vary most; near means alike.

    Args:
        features: (N, D), may be memory-mapped; read twice, in blocks. D at least 2.
        progress: told how much is done.

    Returns:
        float32 (N, 2), in units of the features, centred; of each direction the longer side points up. NaN for images
        whose features are not finite.

    Raises:
        InputError: fewer than 3 images have finite features, or there are fewer than 2 features.

    Source: Pearson 1901, principal components; by the eigenvectors of the covariance, which is D x D and is summed in
    blocks. Deviation: the sign is chosen, so that the same features give the same map everywhere.

    Example:
        >>> line = np.array([[0, 0, 0], [1, 1, 0], [2, 2, 0], [9, 9, 1]], dtype=np.float32)
        >>> principal_plane(line)[:, 0].astype(float).round(1).tolist()
        [-4.2, -2.8, -1.4, 8.5]
    """
    n, n_features = features.shape
    total, squares, counted = np.zeros(n_features), np.zeros((n_features, n_features)), 0
    starts = range(0, n, _BLOCK)
    for start in starts:
        block = _finite(features[start : start + _BLOCK])[0]
        total += block.sum(axis=0, dtype=np.float64)
        squares += block.T @ block
        counted += len(block)
        progress(0.8 * min(start + _BLOCK, n) / n)
    if counted < 3 or n_features < 2:
        raise InputError(
            f"Expected features of at least 3 images, 2 numbers each, got {counted:,} images with {n_features:,} "
            "numbers; were the images readable when the run was trained?"
        )
    mean = total / counted
    covariance, last = squares / counted - np.outer(mean, mean), n_features - 1
    directions = eigh(covariance, subset_by_index=(last - 1, last))[1][:, ::-1].astype(np.float32)
    plane = np.full((n, 2), np.nan, dtype=np.float32)
    for start in starts:
        block, finite = _finite(features[start : start + _BLOCK])
        plane[start : start + _BLOCK][finite] = (block - mean.astype(np.float32)) @ directions
        progress(0.8 + 0.2 * min(start + _BLOCK, n) / n)
    return plane * np.where(np.nanmax(plane, axis=0) < -np.nanmin(plane, axis=0), -1, 1).astype(np.float32)


def kept_plane(
    folder: Path, features: NDArray[np.floating], progress: Progress = lambda share: None
) -> NDArray[np.float32]:
    """Return `principal_plane` of features, from `folder` where it was worked out before.

    Runs on the same features share it, and other features never get it: its file is named by a fingerprint of them.

    Args:
        folder: of all planes of a workspace; made when it is not there.
        features: (N, D), may be memory-mapped.
        progress: told how much is done, when there is something to do.
    """
    path = folder / f"{fingerprint(features)}.npy"
    if not path.exists():
        write_array(path, principal_plane(features, progress))
    plane: NDArray[np.float32] = np.load(path)
    return plane


def fingerprint(features: NDArray[np.floating]) -> str:
    """Return what tells features from others: their shape and all of their values.

    0.3 s for 100,000 images of 1,280 features. A file is read again only when it was written to since.
    """
    if not isinstance(features, np.memmap) or features.filename is None:
        return _digest(features, range(0, len(features), _BLOCK))
    file = Path(features.filename).stat()
    # Of one file somebody may see a part; a few of the rows tell which.
    seen = _digest(features, range(0, len(features), max(len(features) // _LOOKED_AT, 1)), rows=1)
    key = (file.st_dev, file.st_ino, file.st_size, file.st_mtime_ns, seen)
    if key not in _of_files:
        _of_files[key] = _digest(features, range(0, len(features), _BLOCK))
    return _of_files[key]


def _digest(features: NDArray[np.floating], starts: range, rows: int = _BLOCK) -> str:
    content = hashlib.sha256(repr((features.shape, str(features.dtype))).encode())
    for start in starts:
        content.update(np.ascontiguousarray(features[start : start + rows]).data)
    return content.hexdigest()[:20]


def _finite(block: NDArray[np.floating]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the images of a block that have finite features, and which these are."""
    wide = block.astype(np.float32)
    finite = np.asarray(np.isfinite(wide).all(axis=1))
    return (wide if finite.all() else wide[finite]), finite
