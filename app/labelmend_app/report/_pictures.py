"""Examples of what was mended, with their pictures inside the page."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from labelmend_core.errors import ImageError
from labelmend_core.workspace import Workspace
from labelmend_datasets.images import decode_image, image_file, workspace_image

MOST_BYTES = 20_000  # of a picture
MOST_CLASSES, OF_A_CLASS = 20, 4
_SIDES = (192, 128, 96, 64)
_QUALITIES = (80, 60, 40)


@dataclass(frozen=True)
class Example:
    """One mended cell: `picture` is a data URI, None where the image cannot be read."""

    image: str
    before: str
    after: str
    reviewer: str
    picture: str | None


@dataclass(frozen=True)
class ClassExamples:
    """The examples of one class, and how many labels of it were mended in all."""

    name: str
    mended: int
    examples: Sequence[Example]


def class_examples(workspace: Workspace, mended: pd.DataFrame) -> list[ClassExamples]:
    """Return examples of the classes with most mended labels, most first.

    Args:
        workspace: whose images to show; they are only read.
        mended: changes of meaning, as `labelmend_app.export.changes` returns them.
    """
    place = {image_id: index for index, image_id in enumerate(workspace.dataset.image_ids)}
    often = mended["class"].value_counts().head(MOST_CLASSES)
    found = []
    for name, n in often.items():
        rows = _spread(mended[mended["class"] == name])
        examples = [
            Example(row.image, row.before, row.after, row.reviewer, small_picture(workspace, place[row.image]))
            for row in rows.itertuples()
        ]
        found.append(ClassExamples(str(name), int(n), examples))
    return found


def small_picture(workspace: Workspace, image: int) -> str | None:
    """Return an image as a data URI of a JPEG of at most `MOST_BYTES`, None where it cannot be read."""
    try:
        picture = decode_image(image_file(workspace_image(workspace, image)), at_least=2 * _SIDES[0])
    except ImageError:
        return None
    data = b""
    for side in _SIDES:
        picture.thumbnail((side, side))
        for quality in _QUALITIES:
            encoded = io.BytesIO()
            picture.save(encoded, "JPEG", quality=quality, optimize=True)
            data = encoded.getvalue()
            if len(data) <= MOST_BYTES:
                return _data_uri(data)
    return _data_uri(data)  # the smallest, which has some kilobytes whatever it shows


def _data_uri(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


def _spread(rows: pd.DataFrame) -> pd.DataFrame:
    """Return some rows, evenly from first to last, so that they are not all of one folder."""
    if len(rows) <= OF_A_CLASS:
        return rows
    return rows.iloc[[place * (len(rows) - 1) // (OF_A_CLASS - 1) for place in range(OF_A_CLASS)]]
