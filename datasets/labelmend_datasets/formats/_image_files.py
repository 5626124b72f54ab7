"""The files of a dataset that is a folder: its images, and all others, which are written back."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from labelmend_datasets.formats._source import readable

IMAGE_SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp", ".gif", ".jp2", ".jfif")
)


def is_image(name: str) -> bool:
    """Return whether a file of this name is an image."""
    return Path(name).suffix.lower() in IMAGE_SUFFIXES


def files_of(folder: Path) -> Iterator[str]:
    """Yield the paths of all files of a folder, relative to it, with forward slashes, in the order of their names.

    Hidden files and folders are passed over, and links to folders not followed.

    Raises:
        AnnotationError: it is no folder, or cannot be read.
    """
    with readable(folder):
        next(folder.iterdir(), None)  # os.walk would pass over what is no folder
    found = []
    for here, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        inside = Path(here).relative_to(folder).as_posix()
        found += [name if inside == "." else f"{inside}/{name}" for name in names if not name.startswith(".")]
    yield from sorted(found)


def copy_but_images(source: Path, folder: Path, changed: Mapping[str, bytes]) -> None:
    """Copy the files of a folder that are no images, those in `changed` with other content."""
    for name in files_of(source):
        if not is_image(name):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(changed[name] if name in changed else (source / name).read_bytes())
