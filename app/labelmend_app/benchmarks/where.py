"""Heat maps against the truth: the demo's scenes are composed here, so it is known where each digit is."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from labelmend_app.digits_demo import SIDE
from labelmend_core.errors import InputError
from labelmend_core.models import Box, make_heat_map
from labelmend_core.run_folder import RunFolder
from labelmend_core.training.trained import Trained, network_from_checkpoint
from labelmend_core.types import LabelMatrix
from labelmend_core.workspace import Workspace
from labelmend_datasets.digits import Placement, Scene, compose_scene
from labelmend_datasets.images import ImageTensors, decode_image
from labelmend_datasets.images.close_ups import around

Show = Callable[[str, int, int], None]
_WHOLE = 0.95  # share of a digit's square from which on nobody misses the rest


@dataclass(frozen=True)
class Row:
    """What heat maps of one group of cells show; all but `cells` are shares in [0, 1].

    Attributes:
        cells: (image, class) cells whose class is in the image.
        hits: whose hottest place lies in the square of a digit of the class; higher is better.
        chance: of the image that those squares take, which is what a random place would hit.
        close_up: of the image that the close-up shows; lower is closer.
        whole: whose close-up shows a digit of the class whole; higher is better.
        cut: whose close-up shows only a part of it; lower is better.
    """

    cells: int
    hits: float
    chance: float
    close_up: float
    whole: float
    cut: float


def run(workspace: Workspace, run_id: str, *, images: int, seed: int, show: Show) -> dict[str, Row]:
    """Return a row for all present cells of the first images, and one for those whose label was dropped.

    Args:
        workspace: of `labelmend demo`.
        run_id: whose network looks.
        images: how many.
        seed: of the demo.
        show: told how many images are done.

    Raises:
        InputError: the workspace is not the demo's, or not of that seed.
    """
    rng = np.random.default_rng(seed)
    scenes = [compose_scene(rng, SIDE) for _ in range(min(images, len(workspace.dataset.image_ids)))]
    _require_the_same(workspace, scenes)
    trained = network_from_checkpoint(RunFolder(workspace.run_folder(run_id)).model)
    paths = [workspace.image_path(image) for image in range(len(scenes))]
    pixels = ImageTensors(paths, trained.settings.backbone.image_size)
    found: dict[str, list[tuple[float, ...]]] = {"all": [], "dropped": []}
    for image, scene in enumerate(scenes):
        show("looking", image, len(scenes))
        for digit, cell in _cells(trained, pixels, image, scene):
            found["all"].append(cell)
            if digit not in _given(workspace.dataset.given_labels, image):
                found["dropped"].append(cell)
    return {name: Row(len(cells), *np.mean(cells, axis=0).tolist()) for name, cells in found.items() if cells}


def _require_the_same(workspace: Workspace, scenes: list[Scene]) -> None:
    for image in (0, len(scenes) - 1):
        there = np.asarray(decode_image(workspace.image_path(image)))
        if not np.array_equal(there, scenes[image].pixels):
            raise InputError(
                f"Expected the scenes of 'labelmend demo' in {workspace.folder}, but image {image} is another one; "
                "was the demo made with another --seed?"
            )


def _given(labels: LabelMatrix, image: int) -> list[int]:
    given: list[int] = labels.positives(image).tolist()
    return given


def _cells(trained: Trained, pixels: ImageTensors, image: int, scene: Scene) -> Iterator[tuple[int, tuple[float, ...]]]:
    """Yield each digit of a scene with what its heat map shows, in the order of `Row`."""
    for digit in sorted({placement.digit for placement in scene.placements}):
        squares = [placement for placement in scene.placements if placement.digit == digit]
        found = make_heat_map(trained.backbone, trained.head, pixels[image], digit)
        row, column = np.unravel_index(found.values.argmax(), found.values.shape)
        height, width = found.values.shape
        x, y = (int(column) + 0.5) * SIDE / width, (int(row) + 0.5) * SIDE / height
        cut_out = around(found.hottest(), (SIDE, SIDE), 0.5)
        share = max(_seen(square, cut_out) for square in squares)
        yield (
            digit,
            (
                any(_holds(square, x, y) for square in squares),
                _area(squares),
                (cut_out[2] - cut_out[0]) * (cut_out[3] - cut_out[1]) / SIDE**2,
                share >= _WHOLE,
                0.2 < share < _WHOLE,
            ),
        )


def _holds(square: Placement, x: float, y: float) -> bool:
    return square.left <= x < square.left + square.size and square.top <= y < square.top + square.size


def _area(squares: list[Placement]) -> float:
    covered = np.zeros((SIDE, SIDE), dtype=bool)
    for square in squares:
        covered[square.top : square.top + square.size, square.left : square.left + square.size] = True
    return float(covered.mean())


def _seen(square: Placement, cut_out: Box) -> float:
    """Return the share of a digit's square that a close-up shows."""
    left, top, right, bottom = cut_out
    across = max(0.0, min(right, square.left + square.size) - max(left, square.left))
    down = max(0.0, min(bottom, square.top + square.size) - max(top, square.top))
    return across * down / square.size**2
