"""The image list of the SPLC and ASL papers: `name.jpg,i j k`, one image a line, zero-based class indices.

A space may follow the comma, an image may have no label (`name.jpg,`), empty lines are passed over. The list cannot
say that a class is absent: a verified negative is written as no label.
"""

import re
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from labelmend_core.files import replacing
from labelmend_core.types import PRESENT, AnnotatedDataset, LabelMatrix
from labelmend_datasets.formats._changes import Change, changes_by_image, require_other_place, require_same_source
from labelmend_datasets.formats._format import AnnotationFormat
from labelmend_datasets.formats._image_index import ImageIndex
from labelmend_datasets.formats._source import LARGEST_UNNAMED, fault, read_class_names, read_lines, shown

_INDEX = re.compile(r"-?[0-9]{1,18}")


class _Line(NamedTuple):
    name: str
    lead: str
    tokens: list[str]
    end: str


def read(source: Path, *, classes: Path | None = None) -> AnnotatedDataset:
    """Return the images of a list and their labels, 1 where listed and 0 elsewhere.

    Args:
        source: the list, UTF-8.
        classes: class names, one a line; without it they are class_0, class_1, … up to the largest index.

    Raises:
        AnnotationError: a line is malformed, an image is listed twice, or an index is outside the classes.
    """
    names = None if classes is None else read_class_names(classes)
    images, labels = _parse(source, None if names is None else len(names))
    names = names or [f"class_{index}" for index in range(labels.shape[1])]
    return AnnotatedDataset(images.image_ids, images.paths, names, labels)


def write(source: Path, destination: Path, dataset: AnnotatedDataset, corrected: LabelMatrix) -> list[Path]:
    """Write the list with the corrected labels; every line whose positives stayed is kept byte for byte.

    Raises:
        AnnotationError: the source has changed since `dataset` was read.
        InputError: `destination` is the source.
    """
    require_other_place(source, destination)
    images, given = _parse(source, len(dataset.class_names))
    require_same_source(source, dataset, images.image_ids, given)
    changes = changes_by_image(given, corrected)
    with replacing(destination) as temporary, temporary.open("wb") as output:
        image = -1
        for _, raw, text in read_lines(source):
            image += bool(text.strip())
            cells = changes.get(image) if text.strip() else None
            output.write(_changed_line(raw, text, cells) if cells else raw)
    return [destination]


def _parse(source: Path, n_classes: int | None) -> tuple[ImageIndex, LabelMatrix]:
    """Read a list against K known classes, or against as many as it names."""
    images, rows, columns = ImageIndex(source), array("q"), array("q")
    for number, line in _image_lines(source):
        image = images.add(line.name, f"line {number}")
        for token in line.tokens:
            rows.append(image)
            columns.append(_index(token, n_classes, source, number))
    images.require_some()
    k = n_classes or max(columns, default=0) + 1
    ones = np.full(len(rows), PRESENT, dtype=np.int8)
    return images, LabelMatrix.from_cells(np.array(rows), np.array(columns), ones, (len(images.image_ids), k))


def _image_lines(source: Path) -> Iterator[tuple[int, _Line]]:
    for number, _, text in read_lines(source):
        if text.strip():
            name, comma, _ = text.rpartition(",")
            if not comma:
                raise fault(
                    source, f"line {number}", "name.jpg,i j k", shown(text.strip()), "put a comma after the name"
                )
            if "," in name and name.rpartition(",")[2].strip().isdigit():
                cure = "write spaces between the class indices"
                raise fault(source, f"line {number}", "name.jpg,i j k", shown(text.strip()), cure)
            yield number, _split(text)


def _split(text: str) -> _Line:
    """Take a line apart; the last comma ends the name, so that a name may hold commas."""
    name, _, rest = text.rpartition(",")
    body = rest.rstrip()
    tokens = body.split()
    return _Line(name, body[: len(body) - len(body.lstrip())], tokens, rest[len(body) :])


def _index(token: str, n_classes: int | None, source: Path, number: int) -> int:
    if not _INDEX.fullmatch(token):
        cure = "write zero-based class indices with spaces between them"
        raise fault(source, f"line {number}", "class indices after the comma", shown(token), cure)
    index = int(token)
    largest = LARGEST_UNNAMED if n_classes is None else n_classes - 1
    if not 0 <= index <= largest:
        known = "no class file was given" if n_classes is None else f"K = {n_classes}"
        cure = "name so many in a class file" if n_classes is None else "does the class file belong to this list?"
        expected = f"zero-based class indices 0…{largest} ({known})"
        raise fault(source, f"line {number}", expected, str(index), cure)
    return index


def _changed_line(raw: bytes, text: str, cells: list[Change]) -> bytes:
    """Return a line with classes added and removed; what stays is written as it was, in its order.

    >>> _changed_line(b"a.jpg, 2 7\\r\\n", "a.jpg, 2 7\\r\\n", [Change(2, 1, -1), Change(5, 0, 1)])
    b'a.jpg, 5 7\\r\\n'
    """
    line = _split(text)
    removed = {change.class_index for change in cells if change.vanishes}
    added = [str(change.class_index) for change in cells if change.appears]
    if not removed and not added:
        return raw
    indices = [int(token) for token in line.tokens]
    tokens = [token for token in line.tokens if int(token) not in removed] + added
    if indices == sorted(indices):
        tokens.sort(key=int)
    changed = f"{line.name},{line.lead if tokens else ''}{' '.join(tokens)}{line.end}".encode()
    return raw[: len(raw) - len(text.encode())] + changed


LIST = AnnotationFormat(
    name="list",
    title="Image list (SPLC, ASL)",
    description="One image a line: name.jpg,i j k with zero-based class indices.",
    read=read,
    write=write,
    suffix=".txt",
)
