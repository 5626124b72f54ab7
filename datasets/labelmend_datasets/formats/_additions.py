"""Classes that reviewers added in a format that knows only boxes: an image-level list, never an invented box."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labelmend_core.errors import InputError
from labelmend_core.files import replacing
from labelmend_core.types import AnnotatedDataset
from labelmend_datasets.formats._changes import Change

ADDITIONS_NAME = "labelmend_additions.json"


@contextmanager
def additions_beside(
    destination: Path, dataset: AnnotatedDataset, changes: dict[int, list[Change]]
) -> Iterator[list[Path]]:
    """List the classes that `changes` add in a file beside `destination`, whose writing the block holds.

    Gives the path that will be written, if any; it takes its place after the block, so that an error in either leaves
    both as they were. The file holds `annotations` (the name of the output that it completes), `additions` (a list
    of image and class) and `images_that_need_a_box`. One that an earlier export of the same output left is replaced,
    or removed when nothing is to be added any more.

    Raises:
        InputError: the folder holds the additions of another output, which would be lost.
    """
    path = destination.parent / ADDITIONS_NAME
    _require_own(path, destination.name)
    additions = [
        {"image": dataset.image_ids[image], "class": dataset.class_names[change.class_index]}
        for image, cells in sorted(changes.items())
        for change in cells
        if change.appears
    ]
    if not additions:
        yield []
        path.unlink(missing_ok=True)
        return
    document = {
        "annotations": destination.name,
        "additions": additions,
        "images_that_need_a_box": list(dict.fromkeys(addition["image"] for addition in additions)),
    }
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        yield [path]


def _require_own(path: Path, output: str) -> None:
    """Raise an `InputError` if there is an additions file that completes another output."""
    if not path.exists():
        return
    try:
        owner = json.loads(path.read_text(encoding="utf-8"))["annotations"]
    except (ValueError, KeyError, TypeError):
        owner = "something else"
    if owner != output:
        raise InputError(f"Expected {path} to complete {output}, but it completes {owner}; export into another folder.")
