"""COCO's JSON with labels of whole images: images, categories, and annotations without a box.

Read as COCO instances are. As an annotation is only an image and a category, a class that is added becomes one, after
the last; a class that is taken from an image loses its annotations there. A verified negative is written as none.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from labelmend_core.errors import InputError
from labelmend_core.files import replacing
from labelmend_core.types import AnnotatedDataset, LabelMatrix
from labelmend_datasets.formats._changes import (
    Change,
    changes_by_image,
    require_other_place,
    require_same_source,
    vanished,
)
from labelmend_datasets.formats._coco_document import Document, labels_of, parse
from labelmend_datasets.formats._format import AnnotationFormat
from labelmend_datasets.formats._json_elements import cut, members, part
from labelmend_datasets.formats._json_stream import fed
from labelmend_datasets.formats._source import shown
from labelmend_datasets.formats.coco import read

_MOST_SPACE = 256  # between two annotations; more is not kept


def write(source: Path, destination: Path, dataset: AnnotatedDataset, corrected: LabelMatrix) -> list[Path]:
    """Write the JSON with annotations removed and added; all else is kept byte for byte.

    Raises:
        AnnotationError: the source has changed since `dataset` was read.
        InputError: `destination` is the source.
    """
    require_other_place(source, destination)
    document = parse(source)
    rows, columns, given = labels_of(document, dataset.class_names, source)
    require_same_source(source, dataset, document.images.image_ids, given)
    removed = vanished(given, corrected, rows, columns).tolist()
    changes = changes_by_image(given, corrected)
    new = _new(document, changes, dataset.class_names)
    end = _end_of_annotations(source, document)
    with replacing(destination) as temporary, temporary.open("wb") as output, source.open("rb") as file:
        output.writelines(cut(file, document.spans, removed, end))
        if new:
            is_first = all(removed)
            space = "" if not document.places else _space_before(file, document.places[0])
            output.write((("" if is_first else f",{space}") + f",{space}".join(new)).encode())
        output.writelines(part(file, end))
    return [destination]


def _new(document: Document, changes: Mapping[int, Sequence[Change]], class_names: Sequence[str]) -> list[str]:
    """Return the new annotations as JSON, with numbers of their own."""
    native_image = list(document.image_of)
    native_category = {document.category_names[index]: native for native, index in document.category_of.items()}
    new: list[str] = []
    for image, cells in sorted(changes.items()):
        for cell in cells:
            if cell.appears:
                number = document.largest_id + 1 + len(new)
                category = _category(class_names[cell.class_index], native_category)
                new.append(json.dumps({"id": number, "image_id": native_image[image], "category_id": category}))
    return new


def _category(name: str, native: Mapping[str, int | str]) -> int | str:
    if name in native:
        return native[name]
    raise InputError(
        f"Expected the added class {shown(name)} among the categories of the JSON, but only the class file has it; "
        "add it to the categories and import again."
    )


def _end_of_annotations(source: Path, document: Document) -> int:
    """Return the byte where the list of annotations ends: after its last element, or before its closing bracket."""
    if document.places:
        return document.places[-1]
    with fed(source, "COCO instances") as feed:
        return next(value.end - 1 for key, value in members(feed) if key == "annotations")


def _space_before(file: BinaryIO, position: int) -> str:
    """Return the space that separates elements."""
    file.seek(max(0, position - _MOST_SPACE))
    head = file.read(min(position, _MOST_SPACE)).decode("latin-1")
    return head[len(head.rstrip(" \t\r\n")) :] or " "


COCO_IMAGE = AnnotationFormat(
    name="coco-image",
    title="COCO, labels of whole images (JSON)",
    description="As coco, with annotations that have no box: an image and a category each.",
    read=read,
    write=write,
    suffix=".json",
)
