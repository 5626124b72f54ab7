"""CVAT for images 1.1: one XML file with an `image` element each, and in it a `tag` for each label of the whole image.

A class is present where an image has a tag of it, or a shape (box, polygon, …). The classes are those of the class
file, else the labels of the task, in its order, else those that occur, sorted. A class that is taken from an image
loses its tags and shapes there, one that is added becomes a tag. CVAT cannot say that a class is absent: a verified
negative is written as no tag.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from defusedxml.ElementTree import DefusedXMLParser

from labelmend_core.files import replacing
from labelmend_core.types import AnnotatedDataset, LabelMatrix
from labelmend_datasets.formats._changes import Change, changes_by_image, require_other_place, require_same_source
from labelmend_datasets.formats._collected import Collected
from labelmend_datasets.formats._format import AnnotationFormat
from labelmend_datasets.formats._source import fault, read_class_names, readable
from labelmend_datasets.formats._xml import well_formed

_PIECE = 1 << 20
_LABEL = ["annotations", "meta", "*", "labels", "label", "name"]
_START_TAG = re.compile(rb"<[^\s/>]+(?:\s+[^\s=/>]+\s*=\s*(?:\"[^\"]*\"|'[^']*'))*\s*(?P<closed>/?)>")
_ENCODING = re.compile(rb"<\?xml[^>]*encoding\s*=\s*[\"']([A-Za-z0-9._-]+)")


@dataclass(slots=True)
class _Image:
    """An image: its name, the line and place of its element, what is labelled in it and where, where it ends."""

    name: str
    line: int
    start: int
    labelled: list[tuple[str, int, int]] = field(default_factory=list)
    end: int = 0


@dataclass
class _Document:
    """The file: its bytes, the labels of the task, and the images."""

    raw: bytes
    labels: list[str] = field(default_factory=list)
    images: list[_Image] = field(default_factory=list)


def read(source: Path, *, classes: Path | None = None) -> AnnotatedDataset:
    """Return the images of a CVAT file, in its order, and their labels, 1 or 0.

    Args:
        source: the XML file.
        classes: class names, one a line; without it the labels of the task.

    Raises:
        AnnotationError: the XML is malformed or defines entities, or an image has no name or is listed twice.
    """
    given = None if classes is None else read_class_names(classes)
    collected, used, labels = _read(source, given)
    if used != labels and given is None:  # the labels of the task stand behind its images
        collected, _, _ = _read(source, labels)
    return collected.dataset()


def write(source: Path, destination: Path, dataset: AnnotatedDataset, corrected: LabelMatrix) -> list[Path]:
    """Write the file with the corrected tags; all else is kept byte for byte.

    Raises:
        AnnotationError: the source has changed since `dataset` was read.
        InputError: `destination` is the source.
    """
    require_other_place(source, destination)
    document = _parse(source)
    again = _dataset(document, source, dataset.class_names)
    require_same_source(source, dataset, list(again.image_ids), again.given_labels)
    changes = changes_by_image(dataset.given_labels, corrected)
    position = 0
    with replacing(destination) as temporary, temporary.open("wb") as output:
        for index, cells in sorted(changes.items()):
            image = document.images[index]
            output.write(document.raw[position : image.start])
            output.write(_changed(document.raw, image, cells, dataset.class_names))
            position = image.end
        output.write(document.raw[position:])
    return [destination]


def _dataset(document: _Document, source: Path, class_names: Sequence[str] | None) -> AnnotatedDataset:
    collected = Collected(source, class_names or list(dict.fromkeys(document.labels)) or None)
    for image in document.images:
        collected.add(image.name, [label for label, _, _ in image.labelled], f"line {image.line}")
    return collected.dataset()


def _read(source: Path, class_names: Sequence[str] | None) -> tuple[Collected, list[str], list[str]]:
    """Return what the images say, read bit by bit; the labels of the task before the first image, and all of them."""
    collected, used = None, list[str]()
    parser = _Collector(source, keeps_places=False)
    with readable(source), source.open("rb") as file, well_formed(source):
        while piece := file.read(_PIECE):
            for image in parser.images_in(piece):
                if collected is None:
                    used = parser.labels()
                    collected = Collected(source, class_names or used or None)
                collected.add(image.name, [label for label, _, _ in image.labelled], f"line {image.line}")
        parser.close_file()
    return collected or Collected(source, class_names), used, parser.labels()


def _changed(raw: bytes, image: _Image, cells: Sequence[Change], class_names: Sequence[str]) -> bytes:
    """Return the element of an image without what is gone, and with a tag for what comes."""
    gone = {class_names[cell.class_index] for cell in cells if cell.vanishes}
    pieces, position = [], image.start
    for label, start, end in image.labelled:
        if label in gone:
            pieces.append(raw[position:start].rstrip())
            position = end
    pieces.append(raw[position : image.end])
    element = b"".join(pieces)
    encoding = _encoding(raw)
    tags = [
        f'<tag label={quoteattr(class_names[cell.class_index])} source="manual"></tag>'.encode(
            encoding, errors="xmlcharrefreplace"
        )
        for cell in cells
        if cell.appears
    ]
    return _with_tags(element, tags) if tags else element


def _with_tags(element: bytes, tags: Sequence[bytes]) -> bytes:
    """Return an image element with tags as its first children, indented as CVAT does.

    Example:
        >>> _with_tags(b'<image name="a>b"/>', [b"<tag/>"])
        b'<image name="a>b">\\n    <tag/>\\n  </image>'
    """
    head = _START_TAG.match(element)
    if head is None:
        raise ValueError("Expected an element at the place where the parser found one.")
    new = b"".join(b"\n    " + tag for tag in tags)
    if not head["closed"]:
        return element[: head.end()] + new + element[head.end() :]
    name = element[1 : re.compile(rb"[\s/>]").search(element, 1).start()]  # type: ignore[union-attr]
    return element[: head.start("closed")].rstrip() + b">" + new + b"\n  </" + name + b">"


def _encoding(raw: bytes) -> str:
    declared = _ENCODING.match(raw.removeprefix(b"\xef\xbb\xbf"))
    return declared[1].decode() if declared else "utf-8"


def _parse(source: Path) -> _Document:
    with readable(source):
        raw = source.read_bytes()
    with well_formed(source):
        return _Collector(source).document(raw)


class _Collector:
    """What the parser calls as it meets elements and text."""

    def __init__(self, source: Path, *, keeps_places: bool = True) -> None:
        self._source, self._keeps_places = source, keeps_places
        self._document = _Document(b"")
        self._parser = DefusedXMLParser(target=self)
        self._expat: Any = self._parser.parser  # expat's own, which knows the place in the bytes
        self._open: list[str] = []
        self._text, self._label, self._start = "", "", 0
        self._once: dict[str, str] = {}
        self._is_begun = False

    def document(self, raw: bytes) -> _Document:
        """Return what a file says, or raise what the parser raises."""
        self._document.raw = raw
        self._feed(raw)
        self.close_file()
        return self._document

    def images_in(self, piece: bytes) -> list[_Image]:
        """Take in the next piece of a file and return the images that are over in it."""
        self._feed(piece)
        found = self._document.images
        n_over = len(found) - (self._open[:2] == ["annotations", "image"])
        self._document.images = found[n_over:]
        return found[:n_over]

    def labels(self) -> list[str]:
        """Return the labels of the task so far."""
        return list(dict.fromkeys(self._document.labels))

    def close_file(self) -> None:
        """End the file, or raise what is wrong with an end here."""
        self._parser.close()

    def _feed(self, piece: bytes) -> None:
        if not self._is_begun and piece.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise ValueError("UTF-16")
        self._is_begun = True
        self._parser.feed(piece)

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Enter an element."""
        if not self._open and tag != "annotations":
            cure = "is this an export as 'CVAT for images 1.1'?"
            raise fault(self._source, "line 1", "an element annotations", f"{tag[:80]!r}", cure)
        self._open.append(tag)
        self._text = ""
        place: int = self._expat.CurrentByteIndex
        if self._open == ["annotations", "track"]:
            cure = "export the task as 'CVAT for images 1.1', not for video"
            raise fault(self._source, f"line {self._line()}", "an element image", "a track", cure)
        if self._open == ["annotations", "image"]:
            self._document.images.append(_Image(self._attribute(attributes, "name"), self._line(), place))
        elif self._open[:2] == ["annotations", "image"] and len(self._open) == 3:
            self._label, self._start = self._attribute(attributes, "label"), place

    def data(self, text: str) -> None:
        """Take in text."""
        self._text += text

    def end(self, tag: str) -> None:
        """Leave an element."""
        if self._open == ["annotations", "image"] and self._keeps_places:
            self._document.images[-1].end = self._after(self._document.images[-1].start)
        elif self._open[:2] == ["annotations", "image"] and len(self._open) == 3:
            label = self._once.setdefault(self._label, self._label)  # one text for all images, not one each
            end = self._after(self._start) if self._keeps_places else 0
            self._document.images[-1].labelled.append((label, self._start, end))
        elif self._open[:2] == _LABEL[:2] and self._open[3:] == _LABEL[3:]:
            self._document.labels.append(self._text.strip())
        self._open.pop()
        self._text = ""

    def close(self) -> None:
        """End the document."""

    def _line(self) -> int:
        return int(self._expat.CurrentLineNumber)

    def _attribute(self, attributes: dict[str, str], name: str) -> str:
        if attributes.get(name):
            return attributes[name]
        expected = f"an attribute {name} of the element {self._open[-1]}"
        cure = "is this an export as 'CVAT for images 1.1'?"
        raise fault(self._source, f"line {self._line()}", expected, "none or an empty one", cure)

    def _after(self, start: int) -> int:
        """Return where an element that began at `start`, and ends now, is over."""
        raw = self._document.raw
        head = _START_TAG.match(raw, start)
        if head is not None and head["closed"]:
            return head.end()
        return raw.index(b">", self._expat.CurrentByteIndex) + 1


CVAT = AnnotationFormat(
    name="cvat",
    title="CVAT for images (XML)",
    description="An XML file of image elements; a tag (or a shape) says that its label is present.",
    read=read,
    write=write,
    suffix=".xml",
)
