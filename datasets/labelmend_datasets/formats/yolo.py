"""YOLO: a folder with `data.yaml`, images in folders `images`, and a text file of boxes for each in `labels`.

`images/train/a.jpg` has its boxes in `labels/train/a.txt`, a line each: the class index first, then a box or polygon.
A class is present where it has a line; an image without a text file has none. Every image of the folder is read, of
all splits. Only boxes can be written: a class that is taken from an image loses its lines there, a class that is added
goes to `labelmend_additions.json` beside the output, and a verified negative is written as no line.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import yaml

from labelmend_core.errors import AnnotationError
from labelmend_core.types import AnnotatedDataset, LabelMatrix
from labelmend_datasets.folders import new_folder
from labelmend_datasets.formats._additions import additions_beside
from labelmend_datasets.formats._changes import changes_by_image, require_other_place, require_same_source
from labelmend_datasets.formats._collected import Collected
from labelmend_datasets.formats._format import AnnotationFormat
from labelmend_datasets.formats._image_files import copy_but_images, files_of, is_image
from labelmend_datasets.formats._source import (
    class_index,
    decoded,
    fault,
    read_class_names,
    read_lines,
    readable,
    shown,
)

CONFIG_SUFFIXES = (".yaml", ".yml")
_LARGEST_CONFIG = 1 << 20
_INDEX = re.compile(r"[0-9]{1,9}")


class _Line(NamedTuple):
    """One line of a label file: its number, its class name, empty where it says nothing, and its bytes."""

    number: int
    name: str
    raw: bytes


def read(source: Path, *, classes: Path | None = None) -> AnnotatedDataset:
    """Return the images of a YOLO dataset, in the order of their names, and their labels, 1 or 0.

    Args:
        source: the folder with `data.yaml`; images are named relative to it.
        classes: the order of the classes, one name a line, at least those of `data.yaml`; without it theirs.

    Raises:
        AnnotationError: `data.yaml` is missing or malformed, a line is, or a label file has no image.
    """
    names = class_names_of(source)
    files = list(files_of(source))
    images = [name for name in files if is_image(name) and "images" in PurePosixPath(name).parts[:-1]]
    known = {label_file(name) for name in images}
    for name in files:
        if name.endswith(".txt") and "labels" in PurePosixPath(name).parts[:-1] and name not in known:
            cure = "put its image into the folder images, or remove the file"
            raise fault(source / name, "the file", "boxes of an image of that name", "no such image", cure)
    return _parse(source, images, names, names if classes is None else read_class_names(classes))


def write(source: Path, destination: Path, dataset: AnnotatedDataset, corrected: LabelMatrix) -> list[Path]:
    """Write the folder without its images, and without the lines of classes that are gone; all else is kept.

    Raises:
        AnnotationError: the source has changed since `dataset` was read.
        InputError: `destination` is in the source or not empty, or beside it lie the additions of another output.
    """
    require_other_place(source, destination)
    names = class_names_of(source)
    # A workspace keeps the source without its images, so they are those that were read.
    again = _parse(source, dataset.paths, names, dataset.class_names)
    require_same_source(source, dataset, list(again.image_ids), again.given_labels)
    changes = changes_by_image(dataset.given_labels, corrected)
    changed = {}
    for image, cells in changes.items():
        gone = {dataset.class_names[change.class_index] for change in cells if change.vanishes}
        name = label_file(dataset.paths[image])
        if gone:
            changed[name] = b"".join(line.raw for line in _lines(source / name, names) if line.name not in gone)
    with additions_beside(destination, dataset, changes) as additions, new_folder(destination) as folder:
        copy_but_images(source, folder, changed)
    return [destination, *additions]


def label_file(image: str) -> str:
    """Return where the boxes of an image are.

    Example:
        >>> label_file("images/train/images.old/a.b.jpg"), label_file("train/images/a.jpg")
        ('labels/train/images.old/a.b.txt', 'train/labels/a.txt')
    """
    parts = list(PurePosixPath(image).with_suffix(".txt").parts)
    place = len(parts) - 1 - parts[::-1].index("images")
    return "/".join([*parts[:place], "labels", *parts[place + 1 :]])


def config_of(folder: Path) -> Path | None:
    """Return the file that names the classes: `data.yaml`, else the only YAML file with names."""
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in CONFIG_SUFFIXES and path.is_file())
    return next((path for path in found if path.stem == "data"), found[0] if len(found) == 1 else None)


def class_names_of(source: Path) -> list[str]:
    """Return the names in `data.yaml`, a list or a mapping from 0, 1, ….

    Raises:
        AnnotationError: there is no such file, or it is malformed.
    """
    with readable(source):
        path = config_of(source)
    if path is None:
        raise AnnotationError(f"{source}: expected a folder with a data.yaml, got none; is it the right folder?")
    names = _config(path).get("names")
    if isinstance(names, dict):
        if set(names) != set(range(len(names))):
            cure = "number them without gaps"
            raise fault(path, "names", "the class indices 0, 1, …", shown(sorted(names, key=str)), cure)
        names = [names[index] for index in range(len(names))]
    if not isinstance(names, list) or not names:
        raise fault(path, "names", "a list of class names", shown(names), "is this the data.yaml of a YOLO dataset?")
    for index, name in enumerate(names):
        if not isinstance(name, str) or not name:
            raise fault(path, f"names[{index}]", "a class name as text", shown(name), "put it into quotes")
        if name in names[:index]:
            raise fault(path, f"names[{index}]", "every class name once", f"{shown(name)} again", "rename one of them")
    return names


def _config(path: Path) -> Mapping[object, object]:
    with readable(path):
        raw = path.read_bytes()
    if len(raw) > _LARGEST_CONFIG:
        raise fault(path, "the file", "less than 1 MB", f"{len(raw):,} bytes", "is this the data.yaml?")
    text = decoded(raw, path)
    try:
        # An alias of aliases of aliases is small until it is shown.
        has_alias = any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.CSafeLoader))
        document = None if has_alias else yaml.load(text, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        record = f"line {mark.line + 1}" if mark else "the file"
        got = f"an error ({' '.join(str(getattr(error, 'problem', '') or error).split())[:80]})"
        raise fault(path, record, "YAML", got, "was the file edited by hand?") from error
    if has_alias:
        raise fault(path, "the file", "YAML without aliases", "an alias (*name)", "write out what it stands for")
    if not isinstance(document, dict):
        raise fault(path, "the file", "a mapping with names", shown(document), "is this the data.yaml?")
    return document


def _parse(source: Path, images: Sequence[str], names: Sequence[str], class_names: Sequence[str]) -> AnnotatedDataset:
    indices = {name: index for index, name in enumerate(class_names)}
    for index, name in enumerate(names):
        class_index(name, indices, source, f"names[{index}]")
    collected = Collected(source, class_names)
    for image in images:
        path = source / label_file(image)
        lines = _lines(path, names) if path.is_file() else ()
        collected.add(image, [line.name for line in lines if line.name], image)
    return collected.dataset()


def _lines(path: Path, names: Sequence[str]) -> Iterator[_Line]:
    for number, raw, text in read_lines(path):
        token = text.split(maxsplit=1)[:1]
        if token and (not _INDEX.fullmatch(token[0]) or int(token[0]) >= len(names)):
            expected = f"a class index 0…{len(names) - 1} and a box"
            raise fault(path, f"line {number}", expected, shown(text.strip()), "does data.yaml belong to this file?")
        yield _Line(number, names[int(token[0])] if token else "", raw)


YOLO = AnnotationFormat(
    name="yolo",
    title="YOLO (folder with data.yaml)",
    description="A folder with data.yaml, images/… and labels/…, a box a line; a class is present where it has a box.",
    read=read,
    write=write,
    suffix="",
    is_folder=True,
    boxes=True,
)
