"""Visual Genome 500 as SSGRL published it: a JSON object that gives every image its list of class indices, from 0.

The classes are those of the class file, or class_0, class_1, … up to the largest index. The list cannot say that a
class is absent: a verified negative is written as no index.
"""

import json
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from labelmend_core.files import replacing
from labelmend_core.types import PRESENT, AnnotatedDataset, LabelMatrix
from labelmend_datasets.formats._changes import Change, changes_by_image, require_other_place, require_same_source
from labelmend_datasets.formats._format import AnnotationFormat
from labelmend_datasets.formats._image_index import ImageIndex
from labelmend_datasets.formats._json_elements import Element, members, part
from labelmend_datasets.formats._json_stream import fed
from labelmend_datasets.formats._source import LARGEST_UNNAMED, fault, read_class_names, shown


def read(source: Path, *, classes: Path | None = None) -> AnnotatedDataset:
    """Return the images of the object, in its order, and their labels, 1 where listed and 0 elsewhere.

    Args:
        source: the JSON file, such as `vg_category_500_labels_index.json`.
        classes: class names, one a line.

    Raises:
        AnnotationError: the JSON is malformed, an image is listed twice, or an index is outside the classes.
    """
    names = None if classes is None else read_class_names(classes)
    images, labels, _ = _parse(source, None if names is None else len(names))
    names = names or [f"class_{index}" for index in range(labels.shape[1])]
    return AnnotatedDataset(images.image_ids, images.paths, names, labels)


def write(source: Path, destination: Path, dataset: AnnotatedDataset, corrected: LabelMatrix) -> list[Path]:
    """Write the object with the corrected lists; all else is kept byte for byte.

    Raises:
        AnnotationError: the source has changed since `dataset` was read.
        InputError: `destination` is the source.
    """
    require_other_place(source, destination)
    images, given, lists = _parse(source, len(dataset.class_names))
    require_same_source(source, dataset, images.image_ids, given)
    position = 0
    with replacing(destination) as temporary, temporary.open("wb") as output, source.open("rb") as file:
        for image, cells in sorted(changes_by_image(given, corrected).items()):
            start, end = lists[2 * image : 2 * image + 2]
            output.writelines(part(file, position, start))
            output.write(_changed(b"".join(part(file, start, end)).decode(), cells).encode())
            position = end
        output.writelines(part(file, position))
    return [destination]


def _parse(source: Path, n_classes: int | None) -> tuple[ImageIndex, LabelMatrix, "array[int]"]:
    """Return images, labels, and first byte and end of the list of each image."""
    images, rows, columns, lists = ImageIndex(source), array("q"), array("q"), array("q")
    largest = (n_classes or LARGEST_UNNAMED + 1) - 1
    with fed(source, "lists of indices") as feed:
        for name, value in members(feed):
            record = f"image {len(lists) // 2 + 1}"
            image = images.add(name, record)
            lists.extend((value.start, value.end))
            for index in _indices(value, largest, source, f"{record}, {shown(name)}"):
                rows.append(image)
                columns.append(index)
    images.require_some()
    ones = np.full(len(rows), PRESENT, dtype=np.int8)
    shape = len(images.image_ids), n_classes or max(columns, default=0) + 1
    return images, LabelMatrix.from_cells(np.array(rows), np.array(columns), ones, shape), lists


def _indices(value: Element, largest: int, source: Path, record: str) -> Iterator[int]:
    if not isinstance(value.value, list):
        cure = "is this the file of VG500's labels?"
        raise fault(source, record, "a list of class indices", shown(value.value), cure)
    for index in value.value:
        if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index <= largest:
            cure = "does the class file belong to this file?"
            raise fault(source, record, f"class indices 0…{largest}", shown(index), cure)
        yield index


def _changed(text: str, cells: list[Change]) -> str:
    """Return a list with indices added and removed; what stays is in its order.

    Example:
        >>> _changed("[2, 7]", [Change(2, 1, -1), Change(5, 0, 1)]), _changed("[]", [Change(5, 0, -1)])
        ('[7, 5]', '[]')
    """
    gone = {cell.class_index for cell in cells if cell.vanishes}
    come = [cell.class_index for cell in cells if cell.appears]
    if not gone and not come:
        return text
    return json.dumps([index for index in json.loads(text) if index not in gone] + come)


VG500 = AnnotationFormat(
    name="vg500",
    title="Visual Genome 500 (JSON)",
    description="A JSON object that gives every image its list of zero-based class indices.",
    read=read,
    write=write,
    suffix=".json",
)
