"""Which images of a dataset are not there."""

import os
from collections import defaultdict
from pathlib import Path, PurePosixPath

from labelmend_core.errors import AnnotationError
from labelmend_core.types import AnnotatedDataset
from labelmend_datasets.images.archives import opened
from labelmend_datasets.images.places import archive_of, require_place, shard_of
from labelmend_datasets.images.remote import RemoteFolder, is_address


def find_missing_images(dataset: AnnotatedDataset, place: Path | str) -> list[str]:
    """Return the paths of the dataset that are no file in `place`, in order; none is good.

    Every folder and archive is listed once, so that 100,000 images take about a second even over a network. A link to
    a file or a folder counts as what it leads to: whoever put it there meant it. Behind `https://` nothing can be
    listed, and what lies in shards far away would have to be fetched: that is taken to be there.

    Args:
        dataset: whose paths to look for.
        place: a folder, an archive or an address.

    Raises:
        ImageError: `place` is none, or cannot be reached.
        AnnotationError: a path leads out of it by its name.
    """
    require_place(place)
    names: dict[str, list[str]] = defaultdict(list)
    for path in dataset.paths:
        parent, _, name = path.rpartition("/")
        if PurePosixPath(path).is_absolute() or ".." in path.split("/"):
            raise AnnotationError(f"Expected paths inside the image folder {place}, got {path!r}, which escapes it.")
        names[parent].append(name)
    if is_address(str(place)):
        return _missing_far_away(dataset, str(place))
    folder = Path(place)
    there = {f"{parent}/{name}" if parent else name for parent in names for name in _files(folder / parent)}
    return [path for path in dataset.paths if path not in there]


def _files(folder: Path) -> set[str]:
    """Return the names of the files in a folder or in one of an archive, none if it is not there."""
    archive, inside = archive_of(folder)
    if archive is not None:
        start = f"{inside}/" if inside else ""
        return {name.removeprefix(start) for name in opened(archive).names if name.startswith(start)}
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries if entry.is_file()}
    except (FileNotFoundError, NotADirectoryError):
        return set()


def _missing_far_away(dataset: AnnotatedDataset, address: str) -> list[str]:
    there = RemoteFolder(address).names()
    return [] if there is None else [path for path in dataset.paths if shard_of(path)[0] not in there]
