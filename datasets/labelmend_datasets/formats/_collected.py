"""What a reader of records of any kind collects: images, and which classes are present in each."""

from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from labelmend_core.types import PRESENT, AnnotatedDataset, LabelMatrix
from labelmend_datasets.formats._image_index import ImageIndex
from labelmend_datasets.formats._source import class_index, fault


class Collected:
    """Images and the classes that are present in them, in the order of the records.

    Args:
        source: for messages.
        class_names: in index order; None where the names that occur are the classes, sorted.
    """

    def __init__(self, source: Path, class_names: Sequence[str] | None) -> None:
        self._source, self._given = source, class_names
        self._indices = {name: index for index, name in enumerate(class_names or ())}
        self._rows, self._columns = array("q"), array("q")
        self.images = ImageIndex(source)

    def add(self, image: str, present: Iterable[str], record: str) -> int:
        """Take in a new image and return its index.

        Raises:
            AnnotationError: it is not new or leaves the image folder, or a class is unknown.
        """
        index = self.images.add(image, record)
        self.add_classes(index, present, record)
        return index

    def add_classes(self, image: int, present: Iterable[str], record: str) -> None:
        """Take in more classes of an image; one that is named again counts once."""
        for name in present:
            if self._given is None:
                self._indices.setdefault(name, len(self._indices))
            self._rows.append(image)
            self._columns.append(class_index(name, self._indices, self._source, record))

    def dataset(self) -> AnnotatedDataset:
        """Return all that was taken in.

        Raises:
            AnnotationError: there is no image or no class.
        """
        self.images.require_some()
        if not self._indices:
            cure = "give a class file if there is none yet"
            raise fault(self._source, "every record", "at least one label", "none", cure)
        columns = np.array(self._columns, dtype=np.int64)
        names = self._given
        if names is None:
            names = sorted(self._indices)
            rank = np.empty(len(names), dtype=np.int64)
            rank[[self._indices[name] for name in names]] = np.arange(len(names))
            columns = rank[columns]
        shape = len(self.images.image_ids), len(names)
        labels = LabelMatrix.from_cells(np.array(self._rows), columns, np.full(len(columns), PRESENT), shape)
        return AnnotatedDataset(self.images.image_ids, self.images.paths, names, labels)
