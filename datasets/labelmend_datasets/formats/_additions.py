"""Classes that reviewers added in a format that knows only boxes: lists of images, never an invented box."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from labelmend_core.errors import InputError
from labelmend_core.files import replacing
from labelmend_core.types import AnnotatedDataset
from labelmend_datasets.formats._box_tasks import CVAT_TASKS, LABEL_STUDIO_TASKS, cvat_tasks, label_studio_tasks
from labelmend_datasets.formats._changes import Change

ADDITIONS_NAME = "labelmend_additions.json"
TASK_NAMES = (LABEL_STUDIO_TASKS, CVAT_TASKS)


@contextmanager
def additions_beside(
    destination: Path, dataset: AnnotatedDataset, changes: dict[int, list[Change]]
) -> Iterator[list[Path]]:
    """List the classes that `changes` add in a file beside `destination`, whose writing the block holds.

    Gives the paths that will be written, if any; they take their places after the block, so that an error in either
    leaves all as they were. The file holds `annotations` (the name of the output that it completes), `additions` (a
    list of image and class) and `images_that_need_a_box`; beside it are the same as tasks for Label Studio and for
    CVAT. Those that an earlier export of the same output left are replaced, or removed when nothing is to be added any
    more.

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
        if path.exists():
            for own in (path, *(path.with_name(name) for name in TASK_NAMES)):
                own.unlink(missing_ok=True)
        return
    document = {
        "annotations": destination.name,
        "additions": additions,
        "images_that_need_a_box": list(dict.fromkeys(addition["image"] for addition in additions)),
    }
    classes_of: dict[str, list[str]] = {}
    for image, cells in sorted(changes.items()):
        for change in cells:
            if change.appears:
                classes_of.setdefault(dataset.paths[image], []).append(dataset.class_names[change.class_index])
    texts = {
        path: json.dumps(document, ensure_ascii=False, indent=1) + "\n",
        path.with_name(LABEL_STUDIO_TASKS): label_studio_tasks(classes_of),
        path.with_name(CVAT_TASKS): cvat_tasks(classes_of, dataset.class_names),
    }
    with ExitStack() as files:
        for place, text in texts.items():
            files.enter_context(replacing(place)).write_text(text, encoding="utf-8", errors="replace")
        yield list(texts)


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
