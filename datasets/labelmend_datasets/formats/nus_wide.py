"""NUS-WIDE as it is published: image lists, and for every concept a file with a 1 or a 0 for each image of a list.

A folder that holds, at any depth, `Labels_<concept>.txt` with the list `Imagelist.txt`, or `Labels_<concept>_Train.txt`
and `…_Test.txt` with `TrainImagelist.txt` and `TestImagelist.txt`, whose images are read one after the other.
Names in the lists have backslashes, which are read as forward slashes. The classes are those of the class file, else
of `Concepts81.txt`, else the concepts, sorted. The files cannot say that a class is absent because somebody looked: a
verified negative is written as 0.
"""

import re
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from labelmend_core.errors import AnnotationError
from labelmend_core.types import PRESENT, AnnotatedDataset, LabelMatrix
from labelmend_datasets.folders import new_folder
from labelmend_datasets.formats._changes import changes_by_image, require_other_place, require_same_source
from labelmend_datasets.formats._format import AnnotationFormat
from labelmend_datasets.formats._image_files import copy_but_images, files_of
from labelmend_datasets.formats._image_index import ImageIndex
from labelmend_datasets.formats._source import class_index, fault, read_class_names, read_lines, shown

_LABELS = re.compile(r"Labels_(?P<concept>.+?)(?P<split>_Train|_Test)?\.txt")
_LISTS = {"": "Imagelist.txt", "_Train": "TrainImagelist.txt", "_Test": "TestImagelist.txt"}
_CONCEPTS = "Concepts81.txt"


@dataclass(frozen=True)
class _Split:
    """An image list, and the label file of every concept for it; names are relative to the source."""

    images: str
    labels: Mapping[str, str]


def read(source: Path, *, classes: Path | None = None) -> AnnotatedDataset:
    """Return the images of the lists, in their order, and their labels, 1 or 0.

    Args:
        source: the folder.
        classes: class names, one a line, at least the concepts; without it those of `Concepts81.txt`.

    Raises:
        AnnotationError: a file is missing or has not a line an image, or a line is neither 1 nor 0.
    """
    splits = _splits(source)
    images, labels, class_names, _ = _parse(source, splits, _class_names(source, splits, classes))
    return AnnotatedDataset(images.image_ids, images.paths, class_names, labels)


def write(source: Path, destination: Path, dataset: AnnotatedDataset, corrected: LabelMatrix) -> list[Path]:
    """Write the folder without images, with the corrected label files; lines of unchanged cells are kept as they are.

    Raises:
        AnnotationError: the source has changed since `dataset` was read.
        InputError: `destination` is in the source or not empty.
    """
    require_other_place(source, destination)
    splits = _splits(source)
    images, given, _, starts = _parse(source, splits, dataset.class_names)
    require_same_source(source, dataset, images.image_ids, given)
    by_file: dict[str, dict[int, bytes]] = {}
    for image, cells in changes_by_image(given, corrected).items():
        place = max(place for place, start in enumerate(starts) if start <= image)
        for cell in cells:
            name = splits[place].labels[dataset.class_names[cell.class_index]]
            if cell.appears or cell.vanishes:
                by_file.setdefault(name, {})[image - starts[place]] = b"1" if cell.appears else b"0"
    changed = {name: _edited(source / name, lines) for name, lines in by_file.items()}
    with new_folder(destination) as folder:
        copy_but_images(source, folder, changed)
    return [destination]


def is_nus_wide(folder: Path) -> bool:
    """Return whether a folder can be one of this format."""
    names = {PurePosixPath(name).name for name in files_of(folder)}
    return bool(names & set(_LISTS.values())) and any(_LABELS.fullmatch(name) for name in names)


def _splits(source: Path) -> list[_Split]:
    lists: dict[str, str] = {}
    labels: dict[str, dict[str, str]] = {}
    for path in files_of(source):
        name = PurePosixPath(path).name
        found = _LABELS.fullmatch(name)
        if found:
            labels.setdefault(found["split"] or "", {})[found["concept"]] = path
        elif name in _LISTS.values():
            lists[name] = path
    # The split files say of the same images what the files of all images say.
    kinds = [kind for kind in _LISTS if kind in labels and _LISTS[kind] in lists]
    if not kinds:
        raise AnnotationError(
            f"{source}: expected an image list such as {_LISTS['_Train']} and files such as Labels_airport_Train.txt, "
            "got none that belong together; is it the right folder?"
        )
    if "" in kinds and len(kinds) > 1:
        raise AnnotationError(
            f"{source}: expected the labels of all images or those of training and test images, got both; "
            "put one of them into a folder of its own."
        )
    return [_Split(lists[_LISTS[kind]], labels[kind]) for kind in kinds]


def _class_names(source: Path, splits: Sequence[_Split], classes: Path | None) -> list[str]:
    if classes is not None:
        return read_class_names(classes)
    listed = [name for name in files_of(source) if PurePosixPath(name).name == _CONCEPTS]
    return read_class_names(source / listed[0]) if listed else sorted(splits[0].labels)


def _parse(
    source: Path, splits: Sequence[_Split], class_names: Sequence[str]
) -> tuple[ImageIndex, LabelMatrix, list[str], list[int]]:
    """Return images, labels, class names, and the index of the first image of every split."""
    indices = {name: index for index, name in enumerate(class_names)}
    images, rows, columns, starts = ImageIndex(source), array("q"), array("q"), []
    for split in splits:
        start = len(images.image_ids)
        starts.append(start)
        path = source / split.images
        for number, _, text in read_lines(path):
            if text.strip():
                images.add(text.strip().replace("\\", "/"), f"{split.images}, line {number}")
        n = len(images.image_ids) - start
        for concept in sorted(indices.keys() - split.labels.keys())[:1]:
            expected = f"a file of labels for each of the {len(indices)} classes"
            raise fault(source, split.images, expected, f"none for {shown(concept)}", "mend the class file")
        for concept, name in split.labels.items():
            index = class_index(concept, indices, source, name)
            present = _present(source / name, n)
            rows.extend(start + image for image in present)
            columns.extend([index] * len(present))
    images.require_some()
    ones = np.full(len(rows), PRESENT, dtype=np.int8)
    shape = len(images.image_ids), len(class_names)
    labels = LabelMatrix.from_cells(np.array(rows), np.array(columns), ones, shape)
    return images, labels, list(class_names), starts


def _present(path: Path, n: int) -> list[int]:
    """Return the images, counted from 0, that a label file says 1 of."""
    present, count = [], 0
    for number, _, text in read_lines(path):
        value = text.strip()
        if value == "1":
            present.append(count)
        elif value not in ("0", ""):
            raise fault(path, f"line {number}", "1 or 0", shown(value), "1 is present, 0 is not")
        count += bool(value)
    if count != n:
        cure = "does the file belong to that list?"
        raise fault(path, "the file", f"a line for each of the {n} images of the list", f"{count}", cure)
    return present


def _edited(path: Path, lines: Mapping[int, bytes]) -> bytes:
    """Return a label file with other values for some images."""
    pieces, image = [], -1
    for _, raw, text in read_lines(path):
        image += bool(text.strip())
        new = lines.get(image) if text.strip() else None
        pieces.append(raw if new is None else raw.replace(text.strip().encode(), new, 1))
    return b"".join(pieces)


NUS_WIDE = AnnotationFormat(
    name="nus-wide",
    title="NUS-WIDE (folder of lists)",
    description="A folder with an Imagelist.txt and Labels_<concept>.txt, a 1 or 0 a line.",
    read=read,
    write=write,
    suffix="",
    is_folder=True,
)
