"""The JSON of COCO: images, categories and annotations, each annotation of one category in one image."""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from labelmend_core.types import PRESENT, IntArray, LabelMatrix
from labelmend_datasets.formats._image_index import ImageIndex
from labelmend_datasets.formats._json_elements import Element, arrays
from labelmend_datasets.formats._json_stream import fed
from labelmend_datasets.formats._source import class_index, fault, shown

NativeId = int | str


@dataclass
class Document:
    """The document: index by native id of images and categories; native ids and place of every annotation.

    `natives` numbers the native ids that annotations name, `of_image` and `of_category` are those numbers, and `places`
    holds first byte and end, annotation by annotation. `largest_id` is that of the annotations, of those that are
    numbers.
    """

    images: ImageIndex
    image_of: dict[NativeId, int] = field(default_factory=dict)
    category_of: dict[NativeId, int] = field(default_factory=dict)
    category_names: list[str] = field(default_factory=list)
    natives: dict[NativeId, int] = field(default_factory=dict)
    of_image: "array[int]" = field(default_factory=lambda: array("q"))
    of_category: "array[int]" = field(default_factory=lambda: array("q"))
    places: "array[int]" = field(default_factory=lambda: array("q"))
    largest_id: int = 0

    @property
    def spans(self) -> IntArray:
        """First byte and end of every annotation, shape (M, 2)."""
        return np.array(self.places, dtype=np.int64).reshape(-1, 2)


def parse(source: Path) -> Document:
    """Return the document, or raise an `AnnotationError` that names the record that is wrong."""
    instances, found = Document(ImageIndex(source)), set()
    take_in = {"images": _add_image, "categories": _add_category, "annotations": _add_annotation}
    with fed(source, "COCO instances") as feed:
        for key, elements in arrays(feed):
            found.add(key)
            for number, element in enumerate(elements if key in take_in else ()):
                take_in[key](instances, element, f"{key}[{number}]", source)
    for key in take_in:
        if key not in found:
            raise fault(source, "top level", f"a list {key!r}", "none", "is this a COCO instances file?")
    instances.images.require_some()
    if not instances.category_names:
        raise fault(source, "categories", "at least one category", "an empty list", "is this a COCO instances file?")
    return instances


def _add_image(instances: Document, element: Element, record: str, source: Path) -> None:
    native = _native_id(element, "id", record, source)
    _require_new(native, instances.image_of, record, source)
    instances.image_of[native] = instances.images.add(_string(element, "file_name", record, source), record)


def _add_category(instances: Document, element: Element, record: str, source: Path) -> None:
    native = _native_id(element, "id", record, source)
    _require_new(native, instances.category_of, record, source)
    name = _string(element, "name", record, source)
    if name in instances.category_names:
        raise fault(source, record, "every category name once", f"{shown(name)} again", "rename one of them")
    instances.category_of[native] = len(instances.category_names)
    instances.category_names.append(name)


def _add_annotation(instances: Document, element: Element, record: str, source: Path) -> None:
    image, category = (_native_id(element, name, record, source) for name in ("image_id", "category_id"))
    instances.of_image.append(instances.natives.setdefault(image, len(instances.natives)))
    instances.of_category.append(instances.natives.setdefault(category, len(instances.natives)))
    instances.places.extend((element.start, element.end))
    own = _value(element, "id")
    if isinstance(own, int):
        instances.largest_id = max(instances.largest_id, own)


def _value(element: Element, name: str) -> object:
    return element.value.get(name) if isinstance(element.value, dict) else None


def _native_id(element: Element, name: str, record: str, source: Path) -> NativeId:
    value = _value(element, name)
    if isinstance(value, int | str) and not isinstance(value, bool):
        return value
    raise fault(source, record, f"a number or string {name!r}", shown(value), "is this a COCO instances file?")


def _string(element: Element, name: str, record: str, source: Path) -> str:
    value = _value(element, name)
    if isinstance(value, str):
        return value
    raise fault(source, record, f"a string {name!r}", shown(value), "is this a COCO instances file?")


def _require_new(native: NativeId, known: Mapping[NativeId, int], record: str, source: Path) -> None:
    if native in known:
        raise fault(source, record, "every id once", f"id {shown(native)} again", "give it another id")


def labels_of(instances: Document, class_names: Sequence[str], source: Path) -> tuple[IntArray, IntArray, LabelMatrix]:
    """Return image and class index of every annotation, and the labels that follow."""
    indices = {name: index for index, name in enumerate(class_names)}
    class_of = {
        native: class_index(instances.category_names[category], indices, source, f"categories[{category}]")
        for native, category in instances.category_of.items()
    }
    rows = _resolved(instances.of_image, instances.image_of, instances)
    columns = _resolved(instances.of_category, class_of, instances)
    unknown = np.flatnonzero((rows < 0) | (columns < 0))
    if unknown.size:
        _refuse(instances, int(unknown[0]), source)
    shape = len(instances.images.image_ids), len(class_names)
    return rows, columns, LabelMatrix.from_cells(rows, columns, np.full(len(rows), PRESENT, dtype=np.int8), shape)


def _resolved(numbers: "array[int]", index_of: Mapping[NativeId, int], document: Document) -> IntArray:
    """Return the indices that native ids stand for, -1 for an unknown one."""
    of_number = np.array([index_of.get(native, -1) for native in document.natives], dtype=np.int64)
    resolved: IntArray = of_number[np.array(numbers, dtype=np.int64)]
    return resolved


def _refuse(document: Document, number: int, source: Path) -> None:
    """Say which id of an annotation is unknown."""
    record, natives = f"annotations[{number}]", list(document.natives)
    image, category = natives[document.of_image[number]], natives[document.of_category[number]]
    if image not in document.image_of:
        raise fault(source, record, "an image_id of the images list", shown(image), "add the image or mend the id")
    expected = f"a category_id of the {len(document.category_of)} categories"
    raise fault(source, record, expected, f"unknown id {shown(category)}", "add the category or mend the id")
