"""The corrected dataset as a folder that other trainers read: links to the images, labels in a table beside them.

Each split, `train` and `validation`, holds `metadata.csv`, a row an image: `file_name` and a column a class with 1, 0
or -1, which is the layout of Hugging Face's `imagefolder` and loses nothing. Where every image has exactly one class
the images lie in a folder a class, as torchvision's and timm's image folders want them; otherwise below `images`,
because an image of two classes cannot lie in two folders without becoming two images.
"""

import shutil
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from labelmend_core.ledger import Policy
from labelmend_core.types import PRESENT, AnnotatedDataset, LabelMatrix
from labelmend_core.workspace import Workspace
from labelmend_datasets.folders import new_folder
from labelmend_datasets.formats._csv_records import write_rows
from labelmend_datasets.images import ImageSource, image_file, workspace_image
from labelmend_datasets.splits import corrected_split, split_of

TABLE = "metadata.csv"
_LONGEST_NAME = 255  # bytes of a folder's name
_BLOCK = 4096  # rows that are dense at a time


def write_training_folder(workspace: Workspace, destination: Path, policy: Policy = Policy.LATEST) -> bool:
    """Write the corrected labels and links to the images into a new folder; return whether it has a folder a class.

    Images that a training of the workspace could not read are left out.

    Args:
        workspace: read, not changed.
        destination: a new or an empty folder; the links in it lead to where the images lie.
        policy: whose word counts where several reviewers answered.

    Raises:
        InputError: `destination` holds something.
        WorkspaceError: the disk is full or the folder cannot be written to.
    """
    splits = {"train": False} | ({} if workspace.validation is None else {"validation": True})
    labels = {name: corrected_split(workspace, policy, validation=is_it) for name, is_it in splits.items()}
    by_class = _are_folder_names(workspace.dataset.class_names) and all(_is_single(one) for one, _ in labels.values())
    with new_folder(destination) as folder:
        for name, validation in splits.items():
            _write_split(workspace, folder / name, split_of(workspace, validation=validation), *labels[name], by_class)
    return by_class


def _write_split(
    workspace: Workspace, folder: Path, dataset: AnnotatedDataset, labels: LabelMatrix, first: int, by_class: bool
) -> None:
    folder.mkdir()
    placed = _placed_rows(workspace, folder, dataset, labels, first, by_class)
    write_rows(folder / TABLE, chain([("file_name", *dataset.class_names)], placed))


def _placed_rows(
    workspace: Workspace, folder: Path, dataset: AnnotatedDataset, labels: LabelMatrix, first: int, by_class: bool
) -> Iterator[tuple[str | int, ...]]:
    """Place each image, and yield its row of the table."""
    unreadable = workspace.catalog.problems()
    for row, cells in enumerate(_dense_rows(labels)):
        if first + row in unreadable:
            continue
        place = dataset.class_names[cells.index(PRESENT)] if by_class else "images"
        link = folder / place / dataset.paths[row]
        link.parent.mkdir(parents=True, exist_ok=True)
        _place_image(workspace_image(workspace, first + row), link)
        yield (f"{place}/{dataset.paths[row]}", *cells)


def _place_image(source: ImageSource, link: Path) -> None:
    """Link to a file; what has to be fetched is copied, because a cache does not keep it for ever."""
    if isinstance(source, Path):
        link.symlink_to(source.resolve())
    else:
        shutil.copyfile(image_file(source), link)


def _dense_rows(labels: LabelMatrix) -> Iterator[list[int]]:
    for start in range(0, labels.shape[0], _BLOCK):
        yield from labels.dense(slice(start, start + _BLOCK)).tolist()


def _is_single(labels: LabelMatrix) -> bool:
    """Whether every image has exactly one class."""
    images, _, values = labels.cells()
    return bool((np.bincount(images[values == PRESENT], minlength=labels.shape[0]) == 1).all())


def _are_folder_names(names: Sequence[str]) -> bool:
    def fits(name: str) -> bool:
        plain = name not in ("", ".", "..", TABLE) and not set(name) & set("/\\\0")
        return plain and len(name.encode()) <= _LONGEST_NAME

    return all(map(fits, names))
