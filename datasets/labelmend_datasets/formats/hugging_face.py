"""Hugging Face's layout of image folders: `metadata.jsonl`, one JSON object a line, with `file_name` and labels.

The labels are a list in `labels`, `label`, `tags`, `categories` or `classes`, whichever the first line has, of class
names or of class indices from 0. The classes are those of the class file; else the names that occur, sorted, or
class_0, class_1, … up to the largest index. The list cannot say that a class is absent: a verified negative is written
as no label.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from labelmend_core.files import replacing
from labelmend_core.types import AnnotatedDataset, LabelMatrix
from labelmend_datasets.formats._changes import Change, changes_by_image, require_other_place, require_same_source
from labelmend_datasets.formats._collected import Collected
from labelmend_datasets.formats._format import AnnotationFormat
from labelmend_datasets.formats._json_stream import dumped
from labelmend_datasets.formats._source import LARGEST_UNNAMED, fault, read_class_names, read_lines, shown

FILE_NAME = "file_name"
LABEL_KEYS = ("labels", "label", "tags", "categories", "classes")


class _Line(NamedTuple):
    """One image: its line, what it says, the key of its labels, and its text without the line ending."""

    number: int
    value: dict[str, object]
    key: str
    text: str

    @property
    def labels(self) -> list[object]:
        labels = self.value[self.key]
        return labels if isinstance(labels, list) else []

    @property
    def record(self) -> str:
        return f"line {self.number}"


def read(source: Path, *, classes: Path | None = None) -> AnnotatedDataset:
    """Return the images of a metadata.jsonl, in its order, and their labels, 1 or 0.

    Args:
        source: the file, UTF-8.
        classes: class names, one a line, in index order.

    Raises:
        AnnotationError: a line is malformed, an image is listed twice, or a label is outside the classes.
    """
    names = None if classes is None else read_class_names(classes)
    if names is None and _are_indices(source):
        largest = max(index for line in _lines(source) for index in _checked(line, LARGEST_UNNAMED + 1, source))
        names = [f"class_{index}" for index in range(largest + 1)]
    return _parse(source, names)


def write(source: Path, destination: Path, dataset: AnnotatedDataset, corrected: LabelMatrix) -> list[Path]:
    """Write the file with the corrected lists; an unchanged line is kept byte for byte, and all else of a changed.

    Raises:
        AnnotationError: the source has changed since `dataset` was read.
        InputError: `destination` is the source.
    """
    require_other_place(source, destination)
    again = _parse(source, dataset.class_names)
    require_same_source(source, dataset, list(again.image_ids), again.given_labels)
    changes = changes_by_image(dataset.given_labels, corrected)
    are_indices = _are_indices(source)
    lines = enumerate(_lines(source))
    with replacing(destination) as temporary, temporary.open("wb") as output:
        for _, raw, text in read_lines(source):
            image, line = next(lines) if text.strip() else (-1, None)
            cells = [one for one in changes.get(image, ()) if one.appears or one.vanishes]
            output.write(_changed(line, raw, cells, dataset.class_names, are_indices) if line and cells else raw)
    return [destination]


def is_line(text: str) -> bool:
    """Return whether a first line can be one of this format."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and FILE_NAME in value and _key_of(value) is not None


def _key_of(value: Mapping[str, object]) -> str | None:
    return next((key for key in LABEL_KEYS if isinstance(value.get(key), list)), None)


def _lines(source: Path) -> Iterator[_Line]:
    key = None
    for number, _, text in read_lines(source):
        if not text.strip():
            continue
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            got = f"an error ({str(error).partition(';')[0][:80]})"
            raise fault(source, f"line {number}", "a JSON object", got, "write one object a line") from error
        if not isinstance(value, dict) or not isinstance(value.get(FILE_NAME), str):
            raise fault(source, f"line {number}", f"an object with {FILE_NAME!r}", shown(value), "add the file's name")
        key = key or _key_of(value)
        if key is None or not isinstance(value.get(key), list):
            expected = f"a list in {key!r}" if key else f"a list in one of {', '.join(LABEL_KEYS)}"
            raise fault(source, f"line {number}", expected, shown(value), "write an empty list where there is none")
        yield _Line(number, value, key, text.strip())


def _are_indices(source: Path) -> bool:
    """Return whether the labels are numbers: whether the first one is."""
    first = next((line.labels[0] for line in _lines(source) if line.labels), None)
    return isinstance(first, int)


def _checked(line: _Line, n_classes: int, source: Path) -> Iterator[int]:
    """Yield the class indices of an image."""
    for label in line.labels:
        if isinstance(label, bool) or not isinstance(label, int) or not 0 <= label < n_classes:
            expected = f"class indices 0…{n_classes - 1}"
            raise fault(source, line.record, expected, shown(label), "does the class file belong to this file?")
        yield label


def _parse(source: Path, class_names: Sequence[str] | None) -> AnnotatedDataset:
    collected = Collected(source, class_names)
    are_indices = _are_indices(source)
    for line in _lines(source):
        if are_indices and class_names is not None:
            present = [class_names[index] for index in _checked(line, len(class_names), source)]
        else:
            present = [label for label in line.labels if isinstance(label, str) and label]
            if len(present) < len(line.labels):
                raise fault(source, line.record, "class names as text", shown(line.labels), "mend the list")
        collected.add(str(line.value[FILE_NAME]), present, line.record)
    return collected.dataset()


def _changed(line: _Line, raw: bytes, cells: Sequence[Change], class_names: Sequence[str], are_indices: bool) -> bytes:
    """Return a line with labels added and removed; what stays is in its order."""

    def written(cell: Change) -> object:
        return cell.class_index if are_indices else class_names[cell.class_index]

    gone = [written(cell) for cell in cells if cell.vanishes]
    labels = [label for label in line.labels if label not in gone]
    labels += [written(cell) for cell in cells if cell.appears]
    text = dumped({**line.value, line.key: labels}, like=line.text)
    return raw.replace(line.text.encode(), text.encode(), 1)


HUGGING_FACE = AnnotationFormat(
    name="hf-jsonl",
    title="Hugging Face image folder (metadata.jsonl)",
    description="A JSON object a line with file_name and a list of labels, names or zero-based indices.",
    read=read,
    write=write,
    suffix=".jsonl",
)
