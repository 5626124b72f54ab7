"""Pascal VOC: a folder of XML files, one an image, with `filename` and any number of `object` elements.

A class is present in an image that has at least one object of that name. Objects marked `difficult` count: a person
who looks closely does see them, and an image whose only dog is difficult must not be called an image without a dog.
(PASCAL's own evaluation leaves them out of both sides.) `part` elements inside an object are no objects.
The classes are those of the class file, or the names that occur, sorted. Only boxes can be written: a class that is
taken from an image loses its objects there, a class that is added goes to `labelmend_additions.json` beside the
output folder, and a verified negative is written as no object.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from defusedxml.ElementTree import DefusedXMLParser

from labelmend_core.errors import AnnotationError
from labelmend_core.types import AnnotatedDataset, LabelMatrix
from labelmend_datasets.folders import new_folder
from labelmend_datasets.formats._additions import additions_beside
from labelmend_datasets.formats._changes import changes_by_image, require_other_place, require_same_source
from labelmend_datasets.formats._collected import Collected
from labelmend_datasets.formats._format import AnnotationFormat
from labelmend_datasets.formats._source import fault, read_class_names, readable
from labelmend_datasets.formats._xml import well_formed


@dataclass(frozen=True)
class _Object:
    """A named object and where its element stands in the bytes of the file."""

    name: str
    start: int
    end: int


@dataclass(frozen=True)
class _File:
    """One annotation: the image that it names and the objects in it."""

    filename: str
    objects: list[_Object]


def read(source: Path, *, classes: Path | None = None) -> AnnotatedDataset:
    """Return the images of a folder of VOC files, in the order of the files' names, and their labels, 1 or 0.

    Args:
        source: the folder; files that do not end in .xml and subfolders are passed over.
        classes: class names, one a line; without it the names that occur, sorted.

    Raises:
        AnnotationError: a file is malformed or defines entities, or two files name one image.
    """
    return _read(source, _names(source), None if classes is None else read_class_names(classes))


def write(source: Path, destination: Path, dataset: AnnotatedDataset, corrected: LabelMatrix) -> list[Path]:
    """Write the XML files without the objects of classes that are gone; all other bytes are kept.

    Raises:
        AnnotationError: the source has changed since `dataset` was read.
        InputError: `destination` is in the source or not empty, or beside it lie the additions of another output.
    """
    require_other_place(source, destination)
    names = _names(source)
    again = _read(source, names, dataset.class_names)
    require_same_source(source, dataset, list(again.image_ids), again.given_labels)
    changes = changes_by_image(dataset.given_labels, corrected)
    with additions_beside(destination, dataset, changes) as additions, new_folder(destination) as folder:
        for image, name in enumerate(names):
            gone = {dataset.class_names[change.class_index] for change in changes.get(image, []) if change.vanishes}
            removed = [one for one in _parse(source / name).objects if one.name in gone] if gone else []
            (folder / name).write_bytes(_without((source / name).read_bytes(), removed))
    return [destination, *additions]


def _names(source: Path) -> list[str]:
    """Return the names of the XML files of a folder, sorted; a million paths would take a gigabyte."""
    with readable(source), os.scandir(source) as entries:
        names = sorted(entry.name for entry in entries if _is_xml(entry.name) and entry.is_file())
    if not names:
        raise AnnotationError(f"{source}: expected a folder with XML files, got an empty list; is it the right folder?")
    return names


def _is_xml(name: str) -> bool:
    return name.lower().endswith(".xml") and not name.startswith(".")


def _read(source: Path, names: Sequence[str], class_names: Sequence[str] | None) -> AnnotatedDataset:
    collected = Collected(source, class_names)
    for name in names:
        file = _parse(source / name)
        collected.add(file.filename, [one.name for one in file.objects], name)
    return collected.dataset()


def _parse(path: Path) -> _File:
    with readable(path):
        collector = _Collector(path, path.read_bytes())
    with well_formed(path):
        return collector.parse()


class _Collector:
    """What the parser calls as it meets elements and text."""

    def __init__(self, path: Path, raw: bytes) -> None:
        self._file, self._raw = path, raw
        self._parser = DefusedXMLParser(target=self)
        self._expat: Any = self._parser.parser  # expat's own, which knows the place in the bytes
        self._open: list[str] = []
        self._text, self._start = "", 0
        self._filename, self._name = "", ""
        self._objects: list[_Object] = []

    def parse(self) -> _File:
        """Return what the file says, or raise what the parser raises."""
        if self._raw.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise ValueError("UTF-16")
        self._parser.feed(self._raw)
        self._parser.close()
        if not self._filename:
            cure = "is this a Pascal VOC annotation?"
            raise fault(self._file, "annotation", "a filename element", "none or an empty one", cure)
        return _File(self._filename, self._objects)

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Enter an element."""
        self._open.append(tag)
        self._text = ""
        if self._open == ["annotation", "object"]:
            self._start, self._name = self._expat.CurrentByteIndex, ""

    def data(self, text: str) -> None:
        """Take in text."""
        self._text += text

    def end(self, tag: str) -> None:
        """Leave an element."""
        match self._open:
            case ["annotation", "filename"]:
                self._filename = self._text.strip()
            case ["annotation", "object", "name"]:
                self._name = self._text.strip()
            case ["annotation", "object"]:
                self._end_object()
        self._open.pop()
        self._text = ""

    def close(self) -> None:
        """End the document."""

    def _end_object(self) -> None:
        if not self._name:
            line = self._raw.count(b"\n", 0, self._start) + 1
            raise fault(self._file, f"line {line}", "an object with a name", "none or an empty one", "name its class")
        end = self._raw.index(b">", self._expat.CurrentByteIndex) + 1
        self._objects.append(_Object(self._name, self._start, end))


def _without(raw: bytes, objects: Sequence[_Object]) -> bytes:
    """Return the bytes of a file without some of its objects and the space before them."""
    pieces, position = [], 0
    for one in objects:
        pieces.append(raw[position : one.start].rstrip())
        position = one.end
    return b"".join([*pieces, raw[position:]])


VOC = AnnotationFormat(
    name="voc",
    title="Pascal VOC (folder of XML)",
    description="One XML file an image, with filename and object elements; difficult objects count as present.",
    read=read,
    write=write,
    suffix="",
    is_folder=True,
    boxes=True,
)
