"""The images that look most like one, among those that carry a class and among those that do not."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from labelmend_core.run_folder import RunFolder
from labelmend_core.types import PRESENT, IntArray
from labelmend_core.workspace import Workspace

SHOWN = 3  # of either side
_MOST = 3_000  # images that one is compared with on either side: an answer takes milliseconds at any size
_CLASSES = 3  # whose vectors are kept: some 30 MB each
_LOOKED_THROUGH = 30  # of either side, for as many as answers leave where they are


@dataclass(frozen=True, eq=False)
class _Side:
    images: IntArray
    vectors: NDArray[np.float32]

    def nearest(self, vector: NDArray[np.float32], image: int, keep: Callable[[int], bool]) -> list[int]:
        """Return the images whose vectors point most nearly the same way, without the image itself."""
        order = np.argsort(-(self.vectors @ vector), kind="stable")[:_LOOKED_THROUGH]
        found = (other for other in self.images[order].tolist() if other != image and keep(other))
        return [other for other, _ in zip(found, range(SHOWN), strict=False)]


@dataclass(frozen=True, eq=False)
class _Compared:
    middle: NDArray[np.float32]
    scale: NDArray[np.float32]
    labelled: _Side
    others: _Side


class LookAlikes:
    """Compares by cosine of the standardised features, as the score "most similar images" does."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace, self._lock = workspace, Lock()
        self._kept: OrderedDict[tuple[str, int], _Compared] = OrderedDict()

    def of(
        self, run_id: str, image: int, class_index: int, is_present: Callable[[int], bool | None]
    ) -> dict[str, list[int]] | None:
        """Return the nearest images by name of the side, `labelled` and `others`; None where the run kept no features.

        Args:
            run_id: whose features.
            image: training image.
            class_index: that the sides differ in, by the given labels.
            is_present: what somebody answered of the class in an image, None where nobody did.
        """
        n = len(self._workspace.dataset.image_ids)
        embeddings = RunFolder(self._workspace.run_folder(run_id)).embeddings(n)
        if embeddings is None or len(embeddings) < n:
            return None
        compared = self._compared(run_id, class_index, embeddings)
        vector = _unit((np.asarray(embeddings[image], dtype=np.float32) - compared.middle) / compared.scale)
        return {
            "labelled": compared.labelled.nearest(vector, image, lambda other: is_present(other) is not False),
            "others": compared.others.nearest(vector, image, lambda other: is_present(other) is not True),
        }

    def _compared(self, run_id: str, class_index: int, embeddings: NDArray[np.float16]) -> _Compared:
        with self._lock:  # a second question about the class waits, and finds it
            key = (run_id, class_index)
            if key not in self._kept:
                column = self._workspace.dataset.given_labels.column(class_index)
                self._kept[key] = _read(embeddings, column == PRESENT, class_index)
                while len(self._kept) > _CLASSES:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key]


def _read(embeddings: NDArray[np.float16], present: NDArray[np.bool_], seed: int) -> _Compared:
    rng = np.random.default_rng(seed)
    chosen = [_some(np.flatnonzero(side), rng) for side in (present, ~present)]
    rows = [np.asarray(embeddings[images], dtype=np.float32) for images in chosen]
    all_rows = np.concatenate(rows)
    middle = all_rows.mean(axis=0)
    scale = np.maximum(all_rows.std(axis=0), np.float32(1e-6))
    sides = [_Side(images, _unit((of_side - middle) / scale)) for images, of_side in zip(chosen, rows, strict=True)]
    return _Compared(middle, scale, *sides)


def _some(images: IntArray, rng: np.random.Generator) -> IntArray:
    return images if len(images) <= _MOST else np.sort(rng.choice(images, _MOST, replace=False))


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit: NDArray[np.float32] = vectors / np.maximum(length, np.float32(1e-12))
    return unit
