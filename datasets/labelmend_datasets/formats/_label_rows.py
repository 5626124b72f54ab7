"""Labels that stand one a row: the cell of each row, and which rows a correction changes, drops or adds."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from labelmend_core.types import ABSENT, PRESENT, UNOBSERVED, AnnotatedDataset, LabelMatrix
from labelmend_datasets.formats._changes import Change, changes_by_image
from labelmend_datasets.formats._image_index import ImageIndex
from labelmend_datasets.formats._source import class_index, fault, shown

ANY_VALUE = frozenset({PRESENT, ABSENT, UNOBSERVED})
ONLY_PRESENT = frozenset({PRESENT})
_NO_LABEL = -1


@dataclass
class Edit:
    """What happens to one row: a new label or value, its removal, labels with values in new rows after it."""

    label: str | None = None
    value: int | None = None
    removed: bool = False
    new: list[tuple[str, int]] = field(default_factory=list)


class LabelRows:
    """The rows of a table, parsed: number, image, class (or none) and value of each, in order.

    Args:
        source: the file, for messages.
        class_names: of the class file; None where the labels that occur are the classes, sorted by name.
        values: what a row can say; a label that changes to anything else loses its row.
        noun: how a message calls a row.
    """

    def __init__(
        self,
        source: Path,
        class_names: Sequence[str] | None,
        values: frozenset[int] = ANY_VALUE,
        noun: str = "line",
    ) -> None:
        self._source, self._noun, self._holds = source, noun, values
        self._given = class_names
        self._indices = {name: index for index, name in enumerate(class_names or ())}
        self._numbers, self._image_of = array("q"), array("q")
        self._class_of, self._values = array("q"), array("b")
        self.images = ImageIndex(source)
        self.class_names: Sequence[str] = class_names or ()

    def add(self, number: int, image: str, label: str, value: int) -> None:
        """Take in a row; an empty label lists the image only.

        Raises:
            AnnotationError: the image leaves the image folder, or the class file does not know the label.
        """
        place = f"{self._noun} {number}"
        if label and self._given is None:
            self._indices.setdefault(label, len(self._indices))
        self._image_of.append(self.images.add_or_find(image, place))
        self._class_of.append(class_index(label, self._indices, self._source, place) if label else _NO_LABEL)
        self._values.append(value)
        self._numbers.append(number)

    def finish(self) -> LabelMatrix:
        """Return the labels of all rows; two rows may repeat a cell but not contradict each other.

        Raises:
            AnnotationError: there is no image or no class, or a row contradicts another.
        """
        self.images.require_some()
        if not self._indices:
            cure = "give a class file if there is none yet"
            raise fault(self._source, f"every {self._noun}", "at least one label", "none", cure)
        if self._given is None:
            self.class_names = sorted(self._indices)
            rank = {self._indices[name]: index for index, name in enumerate(self.class_names)} | {_NO_LABEL: _NO_LABEL}
            self._class_of = array("q", (rank[index] for index in self._class_of))
        return self._labels()

    def dataset(self) -> AnnotatedDataset:
        """Return what the rows say, once all are taken in."""
        labels = self.finish()
        return AnnotatedDataset(self.images.image_ids, self.images.paths, self.class_names, labels)

    def edits(self, given: LabelMatrix, corrected: LabelMatrix) -> dict[int, Edit]:
        """Return the edit of every row, counted from 0, of the images that change."""
        changes = changes_by_image(given, corrected)
        own: dict[int, list[int]] = {image: [] for image in changes}
        for row, image in enumerate(self._image_of):
            if image in own:
                own[image].append(row)
        edits: dict[int, Edit] = {}
        for image, cells in changes.items():
            edits |= self._planned_image(own[image], cells)
        return edits

    def _labels(self) -> LabelMatrix:
        images, classes, values = np.array(self._image_of), np.array(self._class_of), np.array(self._values)
        labelled = np.flatnonzero(classes != _NO_LABEL)
        keys = images[labelled] * len(self.class_names) + classes[labelled]
        order = labelled[np.argsort(keys, kind="stable")]
        contradicts = (np.diff(np.sort(keys)) == 0) & (np.diff(values[order]) != 0)
        if contradicts.any():
            row = order[1:][contradicts][0]
            image, name = self.images.image_ids[images[row]], self.class_names[classes[row]]
            got = f"a second, different one for {shown(name)} of {shown(image)}"
            place = f"{self._noun} {self._numbers[row]}"
            raise fault(self._source, place, "one value a label", got, "keep the row that is right")
        shape = len(self.images.image_ids), len(self.class_names)
        return LabelMatrix.from_cells(images[labelled], classes[labelled], values[labelled], shape)

    def _planned_image(self, own: list[int], cells: list[Change]) -> dict[int, Edit]:
        edits = {row: Edit() for row in own}
        last = edits[own[-1]]
        for change in cells:
            held = [edits[row] for row in own if self._class_of[row] == change.class_index]
            for edit in held:
                edit.value, edit.removed = change.after, change.after not in self._holds
            if not held and change.after in self._holds:
                last.new.append((self.class_names[change.class_index], change.after))
        unlabelled = [edits[row] for row in own if self._class_of[row] == _NO_LABEL]
        if last.new and unlabelled:
            unlabelled[0].label, unlabelled[0].value = last.new.pop(0)
        if not last.new and all(edit.removed for edit in edits.values()):
            last.removed, last.label = False, ""  # the image stays listed
        return edits
