"""ImageFolder: one folder a class, with the images of that class in it.

Every image has the one class of its folder. The layout cannot hold an image of two classes, or of none, and its
images are never moved or copied here, so a correction is written as two tables in a new folder: `labels.csv`, with all
labels, verified negatives too, which `--format csv` reads; and `moves.csv`, a row for each image that is in the wrong
folder, with the place where it belongs, empty where no single folder is right, and its classes.
"""

from pathlib import Path, PurePosixPath

from labelmend_core.types import ABSENT, AnnotatedDataset, LabelMatrix
from labelmend_datasets.folders import new_folder
from labelmend_datasets.formats import csv_long
from labelmend_datasets.formats._changes import changes_by_image, require_other_place, require_same_source
from labelmend_datasets.formats._collected import Collected
from labelmend_datasets.formats._csv_records import write_rows
from labelmend_datasets.formats._format import AnnotationFormat, always
from labelmend_datasets.formats._image_files import files_of, is_image
from labelmend_datasets.formats._source import read_class_names

LABELS_NAME, MOVES_NAME = "labels.csv", "moves.csv"


def read(source: Path, *, classes: Path | None = None) -> AnnotatedDataset:
    """Return the images of a folder of folders, in the order of their names, each with the class of its folder.

    Args:
        source: the folder; images are named relative to it, and images that lie in no folder are passed over.
        classes: the order of the classes, one name a line; without it the names of the folders, sorted.

    Raises:
        AnnotationError: no folder holds an image, or the class file does not know one.
    """
    collected = Collected(source, None if classes is None else read_class_names(classes))
    for name in _images(source):
        collected.add(name, [PurePosixPath(name).parts[0]], name)
    return collected.dataset()


def write(source: Path, destination: Path, dataset: AnnotatedDataset, corrected: LabelMatrix) -> list[Path]:
    """Write the labels and the list of moves as CSV files into a new folder; no image is touched.

    Raises:
        AnnotationError: the source has changed since `dataset` was read.
        InputError: `destination` is in the source or not empty.
    """
    require_other_place(source, destination)
    # A workspace keeps the source without its images, which is without anything.
    if source.is_dir() and _images(source):
        again = _again(source, dataset)
        require_same_source(source, dataset, list(again.image_ids), again.given_labels)
    with new_folder(destination) as folder:
        labels = AnnotatedDataset(dataset.image_ids, dataset.paths, dataset.class_names, corrected)
        csv_long.create(folder / LABELS_NAME, labels)
        write_rows(folder / MOVES_NAME, [("image", "to", "classes"), *_moves(dataset, corrected)])
    return [destination / LABELS_NAME, destination / MOVES_NAME]


def is_image_folder(folder: Path) -> bool:
    """Return whether a folder can be one of this format: a folder in it holds an image."""
    return bool(_images(folder))


def _images(source: Path) -> list[str]:
    return [name for name in files_of(source) if "/" in name and is_image(name)]


def _again(source: Path, dataset: AnnotatedDataset) -> AnnotatedDataset:
    collected = Collected(source, dataset.class_names)
    for name in _images(source):
        collected.add(name, [PurePosixPath(name).parts[0]], name)
    return collected.dataset()


def _moves(dataset: AnnotatedDataset, corrected: LabelMatrix) -> list[tuple[str, str, str]]:
    """Return image, new place and classes of every image whose folder is not the one that it should be in."""
    moves = []
    for image, cells in changes_by_image(dataset.given_labels, corrected).items():
        if all(change.after == ABSENT and not change.vanishes for change in cells):
            continue  # where somebody only saw that others are absent, the folder is right
        names = [dataset.class_names[index] for index in corrected.positives(image)]
        inside = "/".join(PurePosixPath(dataset.paths[image]).parts[1:])
        moves.append((dataset.image_ids[image], f"{names[0]}/{inside}" if len(names) == 1 else "", "; ".join(names)))
    return moves


IMAGE_FOLDER = AnnotationFormat(
    name="image-folder",
    title="ImageFolder (a folder a class)",
    description="One folder a class with its images; corrections are written as CSV and a list of moves.",
    read=read,
    write=write,
    suffix="",
    is_folder=True,
    holds_absent=always,
    written_as="csv",
)
