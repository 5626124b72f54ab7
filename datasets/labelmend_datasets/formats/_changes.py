"""What a correction changes, image by image, and what must hold before it is written."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from labelmend_core.errors import AnnotationError, InputError
from labelmend_core.types import PRESENT, AnnotatedDataset, IntArray, LabelMatrix


class Change(NamedTuple):
    """One cell of one image: its class and its label before and after."""

    class_index: int
    before: int
    after: int

    @property
    def appears(self) -> bool:
        """Whether the class is present after and was not before."""
        return self.after == PRESENT

    @property
    def vanishes(self) -> bool:
        """Whether the class was present before and is not after."""
        return self.before == PRESENT


def changes_by_image(given: LabelMatrix, corrected: LabelMatrix) -> dict[int, list[Change]]:
    """Return the changed cells of every image that has some, in class order."""
    images, classes = given.changed_cells(corrected)
    before, after = given.values(images, classes), corrected.values(images, classes)
    changes: dict[int, list[Change]] = {}
    for image, *cell in zip(images.tolist(), classes.tolist(), before.tolist(), after.tolist(), strict=True):
        changes.setdefault(image, []).append(Change(*cell))
    return changes


def vanished(given: LabelMatrix, corrected: LabelMatrix, images: IntArray, classes: IntArray) -> NDArray[np.bool_]:
    """Return for cells (images[i], classes[i]), which are present, whether they are no more, shape (M,)."""
    changed_images, changed_classes = given.changed_cells(corrected)
    k = given.shape[1]
    stay = corrected.values(changed_images, changed_classes) == PRESENT
    keys = (changed_images * k + changed_classes)[~stay]
    return np.isin(images * k + classes, keys)


def require_other_place(source: Path, destination: Path) -> None:
    """Raise an `InputError` if writing would touch the source annotations, which are never written to."""
    here, there = source.resolve(), destination.resolve()
    if here == there or here in there.parents:
        raise InputError(f"Expected a destination other than the source annotations {source}, which are never changed.")


def require_same_source(source: Path, dataset: AnnotatedDataset, images: list[str], given: LabelMatrix) -> None:
    """Raise an `AnnotationError` if the source no longer says what `dataset` says, so that nothing goes astray."""
    if list(dataset.image_ids) != images or dataset.given_labels != given:
        raise AnnotationError(
            f"Expected {source} to hold the {len(dataset.image_ids)} images and labels that were imported, "
            "but it has changed since; import it again."
        )
