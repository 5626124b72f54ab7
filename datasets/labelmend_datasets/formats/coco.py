"""COCO instances JSON: images, categories, and annotations that are boxes of one category in one image.

A category is present in an image that has at least one annotation of it, crowds included. Class indices follow the
order of the categories list; the native ids may have gaps. Only boxes can be written: a class that is taken from an
image loses all its annotations there, a class that is added goes to `labelmend_additions.json` beside the output,
and a verified negative is written as no annotation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from json import JSONDecodeError
from pathlib import Path

import numpy as np

from labelmend_core.errors import AnnotationError
from labelmend_core.files import replacing
from labelmend_core.types import PRESENT, AnnotatedDataset, LabelMatrix
from labelmend_datasets.formats._additions import additions_beside
from labelmend_datasets.formats._changes import changes_by_image, require_other_place, require_same_source
from labelmend_datasets.formats._format import AnnotationFormat
from labelmend_datasets.formats._image_index import ImageIndex
from labelmend_datasets.formats._json_elements import Element, arrays, cut
from labelmend_datasets.formats._source import class_index, decoded, fault, read_class_names, readable, shown

NativeId = int | str


@dataclass
class _Instances:
    """The document: index by native id of images and categories; native ids and place of every annotation."""

    images: ImageIndex
    image_of: dict[NativeId, int] = field(default_factory=dict)
    category_of: dict[NativeId, int] = field(default_factory=dict)
    category_names: list[str] = field(default_factory=list)
    annotations: list[tuple[NativeId, NativeId]] = field(default_factory=list)
    places: list[tuple[int, int]] = field(default_factory=list)


def read(source: Path, *, classes: Path | None = None) -> AnnotatedDataset:
    """Return the images of a COCO file and, 1 or 0, which categories have an annotation in each.

    Args:
        source: the JSON file.
        classes: the order of the classes, one name a line, at least those of the categories; without it theirs.

    Raises:
        AnnotationError: the JSON is malformed, a record lacks a field, an id is unknown, an image is listed twice.
    """
    instances = _parse(_text(source), source)
    class_names = instances.category_names if classes is None else read_class_names(classes)
    _, labels = _labels(instances, class_names, source)
    return AnnotatedDataset(instances.images.image_ids, instances.images.paths, class_names, labels)


def write(source: Path, destination: Path, dataset: AnnotatedDataset, corrected: LabelMatrix) -> list[Path]:
    """Write the JSON without the annotations of classes that are gone; all other text is kept byte for byte.

    Raises:
        AnnotationError: the source has changed since `dataset` was read.
        InputError: `destination` is the source, or its folder holds the additions of another output.
    """
    require_other_place(source, destination)
    text = _text(source)
    instances = _parse(text, source)
    cells, given = _labels(instances, dataset.class_names, source)
    require_same_source(source, dataset, instances.images.image_ids, given)
    changes = changes_by_image(given, corrected)
    gone = {(image, change.class_index) for image, changed in changes.items() for change in changed if change.vanishes}
    removed = [cell in gone for cell in cells]
    with (
        additions_beside(destination, dataset, changes) as additions,
        replacing(destination) as temporary,
        temporary.open("wb") as output,
    ):
        output.writelines(piece.encode() for piece in cut(text, instances.places, removed))
    return [destination, *additions]


def _text(source: Path) -> str:
    with readable(source):
        return decoded(source.read_bytes(), source)


def _parse(text: str, source: Path) -> _Instances:
    instances, found = _Instances(ImageIndex(source)), set()
    take_in = {"images": _add_image, "categories": _add_category, "annotations": _add_annotation}
    try:
        for key, elements in arrays(text):
            found.add(key)
            for number, element in enumerate(elements if key in take_in else ()):
                take_in[key](instances, element, f"{key}[{number}]", source)
    except JSONDecodeError as error:
        got = f"an error at column {error.colno} ({error.msg})"
        raise fault(source, f"line {error.lineno}", "JSON", got, "was the file cut off or edited by hand?") from error
    except RecursionError as error:
        raise AnnotationError(f"{source}: expected COCO instances, got JSON that is nested too deeply.") from error
    for key in take_in:
        if key not in found:
            raise fault(source, "top level", f"a list {key!r}", "none", "is this a COCO instances file?")
    instances.images.require_some()
    if not instances.category_names:
        raise fault(source, "categories", "at least one category", "an empty list", "is this a COCO instances file?")
    return instances


def _add_image(instances: _Instances, element: Element, record: str, source: Path) -> None:
    native = _native_id(element, "id", record, source)
    _require_new(native, instances.image_of, record, source)
    instances.image_of[native] = instances.images.add(_string(element, "file_name", record, source), record)


def _add_category(instances: _Instances, element: Element, record: str, source: Path) -> None:
    native = _native_id(element, "id", record, source)
    _require_new(native, instances.category_of, record, source)
    name = _string(element, "name", record, source)
    if name in instances.category_names:
        raise fault(source, record, "every category name once", f"{shown(name)} again", "rename one of them")
    instances.category_of[native] = len(instances.category_names)
    instances.category_names.append(name)


def _add_annotation(instances: _Instances, element: Element, record: str, source: Path) -> None:
    image, category = (_native_id(element, name, record, source) for name in ("image_id", "category_id"))
    instances.annotations.append((image, category))
    instances.places.append((element.start, element.end))


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


def _labels(
    instances: _Instances, class_names: Sequence[str], source: Path
) -> tuple[list[tuple[int, int]], LabelMatrix]:
    """Return image and class index of every annotation, and the labels that follow."""
    indices = {name: index for index, name in enumerate(class_names)}
    class_of = {
        native: class_index(instances.category_names[category], indices, source, f"categories[{category}]")
        for native, category in instances.category_of.items()
    }
    cells = []
    for number, (image, category) in enumerate(instances.annotations):
        record = f"annotations[{number}]"
        if image not in instances.image_of:
            raise fault(source, record, "an image_id of the images list", shown(image), "add the image or mend the id")
        if category not in class_of:
            expected = f"a category_id of the {len(class_of)} categories"
            raise fault(source, record, expected, f"unknown id {shown(category)}", "add the category or mend the id")
        cells.append((instances.image_of[image], class_of[category]))
    rows, columns = np.array(cells, dtype=np.int64).reshape(-1, 2).T
    shape = len(instances.images.image_ids), len(class_names)
    return cells, LabelMatrix.from_cells(rows, columns, np.full(len(rows), PRESENT), shape)


COCO = AnnotationFormat(
    name="coco",
    title="COCO instances (JSON)",
    description="Images, categories and boxed annotations; a category is present where it has an annotation.",
    read=read,
    write=write,
    suffix=".json",
    boxes=True,
)
