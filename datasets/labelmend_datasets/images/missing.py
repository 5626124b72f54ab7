"""Which images of a dataset are not there."""

import os
from collections import defaultdict
from pathlib import Path, PurePosixPath

from labelmend_core.errors import AnnotationError, ImageError
from labelmend_core.types import AnnotatedDataset


def find_missing_images(dataset: AnnotatedDataset, folder: Path) -> list[str]:
    """Return the paths of the dataset that are no file in `folder`, in order; none is good.

    Every folder is listed once, so that 100,000 images take about a second even over a network. A link to a file or
    a folder counts as what it leads to: whoever put it there meant it.

    Raises:
        ImageError: `folder` is no folder.
        AnnotationError: a path leads out of it by its name.
    """
    if not folder.is_dir():
        raise ImageError(f"Expected the image folder at {folder}, but no folder is there; is the path right?")
    names: dict[str, list[str]] = defaultdict(list)
    for path in dataset.paths:
        parent, _, name = path.rpartition("/")
        if PurePosixPath(path).is_absolute() or ".." in path.split("/"):
            raise AnnotationError(f"Expected paths inside the image folder {folder}, got {path!r}, which escapes it.")
        names[parent].append(name)
    there = {f"{parent}/{name}" if parent else name for parent in names for name in _files(folder / parent)}
    return [path for path in dataset.paths if path not in there]


def _files(folder: Path) -> set[str]:
    """Return the names of the files in a folder, none if it is not there."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries if entry.is_file()}
    except (FileNotFoundError, NotADirectoryError):
        return set()
