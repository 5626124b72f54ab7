"""Probabilities of datasets that are larger than memory: of each image the k highest, and those of its labelled cells.

An image of 9,600 classes shows a handful, so nearly all of its probabilities are of no use to anybody: what is not
kept reads as 0. Blocks of images are scored wherever there is room, each a file; merged, they are three arrays that
are mapped into memory, not read.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from labelmend_core.errors import InputError
from labelmend_core.files import replacing
from labelmend_core.types import IntArray, LabelMatrix

_ABOUT = "scores.json"
_FEW_CLASSES = 1 << 16  # that two bytes can tell apart


@dataclass(frozen=True)
class About:
    """What scores are of; blocks that differ in it do not belong together.

    Attributes:
        n_images: N of the whole dataset.
        class_names: length K.
        k: how many of an image's highest probabilities are kept.
        network: fingerprint of the checkpoint.
        images: fingerprint of the images' names in their order.
    """

    n_images: int
    class_names: tuple[str, ...]
    k: int
    network: str
    images: str

    def __post_init__(self) -> None:
        if not 1 <= self.k <= len(self.class_names):
            raise InputError(f"Expected to keep 1 to {len(self.class_names)} probabilities an image, got {self.k}")


class TopScores:
    """Probabilities (N, K) of which few are kept, as compressed sparse rows in memory-mapped files.

    Attributes:
        about: what they are of.
        shape: (N, K).
        indptr: int64 (N + 1,); those of image i are at `indptr[i]` to `indptr[i + 1]`.
        indices: uint16 or uint32, their classes, rising within an image.
        data: float16, in [0, 1].
        unreadable: int64, images that could not be read and have none.
    """

    def __init__(
        self,
        about: About,
        indptr: IntArray,
        indices: NDArray[np.unsignedinteger],
        data: NDArray[np.float16],
        unreadable: IntArray,
    ) -> None:
        self.about, self.unreadable = about, unreadable
        self.shape = (about.n_images, len(about.class_names))
        self.indptr, self.indices, self.data = indptr, indices, data

    @property
    def nnz(self) -> int:
        """How many probabilities are kept."""
        return len(self.data)

    @classmethod
    def open(cls, folder: Path) -> "TopScores":
        """Return what `merge` wrote.

        Raises:
            InputError: nothing whole is there.
        """
        try:
            values = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
            about = _about(values["about"])
            arrays = [
                np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
                for name in ("indptr", "indices", "data")
            ]
            unreadable = np.array(values["unreadable"], dtype=np.int64)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"Expected merged scores in {folder}, but they cannot be read ({error}); "
                "merge them with 'labelmend score --merge'."
            ) from error
        indptr, indices, data = arrays
        whole = len(indptr) == about.n_images + 1 and indptr[0] == 0 and indptr[-1] == len(indices) == len(data)
        if not whole or np.any(np.diff(indptr) < 0) or (len(indices) and indices.max() >= len(about.class_names)):
            raise InputError(f"Expected scores in {folder} that fit together, but they do not; merge them again.")
        return cls(about, indptr, indices, data, unreadable)

    def readable(self, labels: LabelMatrix) -> LabelMatrix:
        """Return labels without those of images that could not be read: nothing is known against them."""
        if not len(self.unreadable):
            return labels
        images, classes, _ = labels.cells()
        dropped = np.isin(images, self.unreadable)
        return labels.replace(images[dropped], classes[dropped], np.zeros(int(dropped.sum()), dtype=np.int8))

    def row(self, image: int) -> tuple[IntArray, NDArray[np.float16]]:
        """Return the classes and probabilities that are kept of an image."""
        kept = slice(self.indptr[image], self.indptr[image + 1])
        return self.indices[kept].astype(np.int64), self.data[kept]


def fingerprint_of(names: Sequence[str]) -> str:
    """Return 16 hex digits that change with the names or their order.

    Example:
        >>> fingerprint_of(["a.jpg", "b.jpg"]) == fingerprint_of(["b.jpg", "a.jpg"])
        False
    """
    digest = sha256()
    for name in names:
        digest.update(name.encode("utf-8", "surrogatepass") + b"\0")
    return digest.hexdigest()[:16]


def write_block(
    folder: Path,
    about: About,
    start: int,
    pred_probs: Sequence[tuple[IntArray, NDArray[np.floating]]],
    unreadable: Sequence[int] = (),
) -> None:
    """Write the kept probabilities of images `start`, `start` + 1, …: one file, whole or not at all.

    Args:
        folder: of the blocks.
        about: what they are of.
        start: the first image.
        pred_probs: of each image classes, rising, and their probabilities in [0, 1].
        unreadable: which images could not be read.
    """
    stop = start + len(pred_probs)
    kept = np.array([len(classes) for classes, _ in pred_probs], dtype=np.uint32)
    of_classes = np.uint16 if len(about.class_names) <= _FEW_CLASSES else np.uint32
    arrays = {
        "kept": kept,
        "indices": np.concatenate([classes for classes, _ in pred_probs]).astype(of_classes),
        "data": np.concatenate([p for _, p in pred_probs]).astype(np.float16),
        "unreadable": np.array(unreadable, dtype=np.int64),
    }
    metadata = {"about": json.dumps(asdict(about)), "start": f"{start}", "stop": f"{stop}"}
    with replacing(folder / f"images-{start:012}-{stop:012}.safetensors") as temporary:
        save_file(arrays, temporary, metadata=metadata)


def blocks(folder: Path, about: About | None = None) -> dict[tuple[int, int], Path]:
    """Return the blocks of a folder by first and last + 1 image.

    Raises:
        InputError: one is damaged, or of something else than `about` or the first block.
    """
    found: dict[tuple[int, int], Path] = {}
    for path in sorted(folder.glob("images-*.safetensors")):
        own, images = _described(path)
        about = about or own
        if own != about:
            raise InputError(
                f"Expected {path.name} to be of the same network, images and k as the others, but it is not; "
                f"take another folder than {folder}, or delete what is there."
            )
        found[images] = path
    return found


def merge(folder: Path) -> TopScores:
    """Make one of all blocks of a folder, in that folder, and return it; the blocks stay.

    Raises:
        InputError: an image is in none of the blocks or in two.
    """
    found = dict(sorted(blocks(folder).items()))
    if not found:
        raise InputError(f"Expected blocks of scores in {folder}, found none; make them with 'labelmend score'.")
    about, _ = _described(next(iter(found.values())))
    _require_each_once([*found, (about.n_images, about.n_images)], folder)
    indptr, unreadable = np.zeros(about.n_images + 1, dtype=np.int64), []
    for (start, stop), path in found.items():
        with safe_open(path, framework="numpy") as block:
            indptr[start + 1 : stop + 1] = block.get_tensor("kept")
            unreadable += block.get_tensor("unreadable").tolist()
            of_classes = block.get_tensor("indices").dtype
    np.cumsum(indptr, out=indptr)
    (folder / _ABOUT).unlink(missing_ok=True)  # nothing is merged until all is written
    for name, dtype in (("indices", of_classes), ("data", np.dtype(np.float16))):
        with replacing(folder / f"{name}.npy") as temporary:
            whole = np.lib.format.open_memmap(temporary, mode="w+", dtype=dtype, shape=(int(indptr[-1]),))
            for (start, stop), path in found.items():
                with safe_open(path, framework="numpy") as block:
                    whole[indptr[start] : indptr[stop]] = block.get_tensor(name)
            whole.flush()
    with replacing(folder / "indptr.npy") as temporary, temporary.open("wb") as stream:
        np.save(stream, indptr)
    with replacing(folder / _ABOUT) as temporary:
        values = {"about": asdict(about), "unreadable": unreadable}
        temporary.write_text(json.dumps(values, ensure_ascii=False), encoding="utf-8")
    return TopScores.open(folder)


def _require_each_once(ranges: list[tuple[int, int]], folder: Path) -> None:
    for (_, before), (start, _) in pairwise([(0, 0), *ranges]):
        if start > before:
            raise InputError(
                f"Expected scores of each image in {folder}, but images {before} to {start - 1} are in no block; "
                "score the shards that are missing: one that is done takes seconds."
            )
        if start < before:
            raise InputError(
                f"Expected each image once in {folder}, but images {start} to {before - 1} are in two blocks; were "
                "shards of different numbers mixed? Delete one kind."
            )


def _described(path: Path) -> tuple[About, tuple[int, int]]:
    try:
        with safe_open(path, framework="numpy") as block:
            metadata = block.metadata() or {}
            return _about(json.loads(metadata["about"])), (int(metadata["start"]), int(metadata["stop"]))
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"Expected a whole block of scores at {path}, got: {error}; delete it and score again."
        ) from error


def _about(values: Mapping[str, object]) -> About:
    return About(**{**values, "class_names": tuple(values["class_names"])})  # type: ignore[arg-type]
