"""Pascal VOC: a folder of XML files, one an image, with `filename` and any number of `object` elements.

A class is present in an image that has at least one object of that name. Objects marked `difficult` count: a person
who looks closely does see them, and an image whose only dog is difficult must not be called an image without a dog.
(PASCAL's own evaluation leaves them out of both sides.) `part` elements inside an object are no objects.
The classes are those of the class file, or the names that occur, sorted. Only boxes can be written: a class that is
taken from an image loses its objects there, a class that is added goes to `labelmend_additions.json` beside the
output folder, and a verified negative is written as no object.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from labelmend_core.errors import AnnotationError
from labelmend_core.types import PRESENT, AnnotatedDataset, LabelMatrix
from labelmend_datasets.folders import new_folder
from labelmend_datasets.formats._additions import additions_beside
from labelmend_datasets.formats._changes import changes_by_image, require_other_place, require_same_source
from labelmend_datasets.formats._format import AnnotationFormat
from labelmend_datasets.formats._image_index import ImageIndex
from labelmend_datasets.formats._source import class_index, fault, read_class_names, readable


@dataclass(frozen=True)
class _Object:
    """A named object and where its element stands in the bytes of the file."""

    name: str
    start: int
    end: int


@dataclass(frozen=True)
class _File:
    """One annotation: the image that it names and the objects in it."""

    path: Path
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
    files = _files(source)
    found = sorted({one.name for file in files for one in file.objects})
    class_names = found if classes is None else read_class_names(classes)
    images, labels = _labels(source, files, class_names)
    return AnnotatedDataset(images.image_ids, images.paths, class_names, labels)


def write(source: Path, destination: Path, dataset: AnnotatedDataset, corrected: LabelMatrix) -> list[Path]:
    """Write the XML files without the objects of classes that are gone; all other bytes are kept.

    Raises:
        AnnotationError: the source has changed since `dataset` was read.
        InputError: `destination` is in the source or not empty, or beside it lie the additions of another output.
    """
    require_other_place(source, destination)
    files = _files(source)
    images, given = _labels(source, files, dataset.class_names)
    require_same_source(source, dataset, images.image_ids, given)
    changes = changes_by_image(given, corrected)
    with additions_beside(destination, dataset, changes) as additions, new_folder(destination) as folder:
        for image, file in enumerate(files):
            gone = {dataset.class_names[change.class_index] for change in changes.get(image, []) if change.vanishes}
            removed = [one for one in file.objects if one.name in gone]
            (folder / file.path.name).write_bytes(_without(file.path.read_bytes(), removed))
    return [destination, *additions]


def _files(source: Path) -> list[_File]:
    with readable(source):
        paths = sorted(path for path in source.iterdir() if path.suffix.lower() == ".xml" and path.is_file())
    if not paths:
        raise AnnotationError(f"{source}: expected a folder with XML files, got an empty list; is it the right folder?")
    return [_parse(path) for path in paths]


def _labels(source: Path, files: Sequence[_File], class_names: Sequence[str]) -> tuple[ImageIndex, LabelMatrix]:
    indices = {name: index for index, name in enumerate(class_names)}
    if not indices:
        raise fault(source, "every file", "at least one object", "none", "give a class file if there is none yet")
    images, cells = ImageIndex(source), []
    for file in files:
        image = images.add(file.filename, file.path.name)
        cells += [(image, class_index(one.name, indices, file.path, "object")) for one in file.objects]
    rows, columns = np.array(cells, dtype=np.int64).reshape(-1, 2).T
    return images, LabelMatrix.from_cells(rows, columns, np.full(len(rows), PRESENT), (len(files), len(class_names)))


def _parse(path: Path) -> _File:
    with readable(path):
        collector = _Collector(path, path.read_bytes())
    try:
        return collector.parse()
    except AnnotationError:
        raise
    except DefusedXmlException as error:
        got = f"an entity or an external reference ({type(error).__name__})"
        raise fault(path, "document type", "an XML file without entity definitions", got, "remove them") from error
    except ParseError as error:
        line, column = error.position
        got = f"an error at column {column} ({str(error).partition(':')[0]})"
        raise fault(path, f"line {line}", "well-formed XML", got, "was the file cut off or edited by hand?") from error
    except (LookupError, ValueError) as error:  # the declared encoding
        raise fault(path, "line 1", "XML in UTF-8", f"an error ({error})", "save the file as UTF-8") from error


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
        return _File(self._file, self._filename, self._objects)

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
