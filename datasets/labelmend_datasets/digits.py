"""The built-in dataset: scenes composed from real handwritten digits, for the demo and the tests.

It needs no download: scikit-learn carries 1,797 digits of 8 x 8 pixels (UCI's optdigits test set).
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

from labelmend_core.errors import InputError
from labelmend_core.types import AnnotatedDataset, LabelMatrix
from labelmend_datasets.folders import new_folder

Samples = Literal["train", "validation"]
FloatArray = NDArray[np.float64]

CLASS_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
MOST_DIGITS = 6
SMALLEST_SIDE = 24
# Each digit is drawn 0.8 times as often as the one before it.
FREQUENCY = 0.8 ** np.arange(10) / (0.8 ** np.arange(10)).sum()

# The first samples in scikit-learn's order are for training; the rest, from other pages of writing, for validation.
_N_TRAIN = 1_400
_SLOTS = 3
_LARGEST_INK = 16.0


@dataclass(frozen=True)
class Placement:
    """One digit of a scene: its class, its index in scikit-learn's digits, its square in pixels."""

    digit: int
    sample: int
    left: int
    top: int
    size: int


@dataclass(frozen=True)
class Scene:
    """One composed image: uint8 pixels of shape (side, side, 3), and what was drawn where."""

    pixels: NDArray[np.uint8]
    placements: tuple[Placement, ...]


def make_scenes(
    folder: Path, n_images: int, rng: np.random.Generator, side: int = 48, *, samples: Samples = "train"
) -> AnnotatedDataset:
    """Write scenes as 00000.png, 00001.png, … into a new folder and return them with their true, complete labels.

    A scene holds 1 to 6 digits; from zero to nine each class is rarer than the one before. The same state of `rng`
    gives the same scenes.

    Args:
        folder: a folder that does not exist yet or is empty.
        n_images: number of scenes.
        rng: where chance comes from.
        side: of a scene in pixels, at least 24.
        samples: which of the handwritten digits are used; training and validation share none.

    Raises:
        InputError: the folder holds something, or a number is too small.
        WorkspaceError: the disk is full or the folder cannot be written to.
    """
    if n_images < 1 or side < SMALLEST_SIDE:
        raise InputError(f"Expected at least 1 scene of at least {SMALLEST_SIDE} px, got {n_images} of {side} px")
    names = [f"{index:05d}.png" for index in range(n_images)]
    labels = np.zeros((n_images, len(CLASS_NAMES)), dtype=np.int8)
    with new_folder(folder) as temporary:
        for index, name in enumerate(names):
            scene = compose_scene(rng, side, samples=samples)
            labels[index, [placement.digit for placement in scene.placements]] = 1
            Image.fromarray(scene.pixels).save(temporary / name, compress_level=0)
    return AnnotatedDataset(names, names, CLASS_NAMES, LabelMatrix.from_dense(labels))


def compose_scene(rng: np.random.Generator, side: int = 48, *, samples: Samples = "train") -> Scene:
    """Return one scene: digits of random class, sample, place, size and colour, on a ground with some clutter.

    The ink is light on a dark ground of any hue: a network as small as the demo's learns that in half a minute. Each
    digit has a ninth of the scene to itself, give or take a few pixels, so that none hides another.
    """
    canvas, ink = _ground(rng, side)
    placements = _placements(rng, side, samples)
    colours = ink + rng.uniform(-0.2, 0.2, (len(placements), 3))
    for placement, colour in zip(placements, colours, strict=True):
        _draw(canvas, placement, colour)
    canvas += 0.03 * rng.standard_normal((side, side, 1), dtype=np.float32)
    return Scene((canvas.clip(0, 1) * 255).round().astype(np.uint8), placements)


@cache
def _digits() -> tuple[FloatArray, NDArray[np.int64]]:
    """Return ink in [0, 1] of shape (1797, 8, 8), and the digit of each sample."""
    images, targets = load_digits(return_X_y=True)
    return images.reshape(-1, 8, 8) / _LARGEST_INK, targets


@cache
def _samples_of(digit: int, samples: Samples) -> NDArray[np.int64]:
    chosen = np.flatnonzero(_digits()[1] == digit)
    return chosen[chosen < _N_TRAIN] if samples == "train" else chosen[chosen >= _N_TRAIN]


def _ground(rng: np.random.Generator, side: int) -> tuple[FloatArray, FloatArray]:
    """Return a dark canvas with clutter, and a light ink."""
    ground, ink = rng.uniform(0, 0.35, 3), rng.uniform(0.65, 1, 3)
    canvas = np.tile(ground, (side, side, 1))
    for _ in range(rng.integers(0, 5)):
        top, left = rng.integers(0, side, 2)
        height, width = rng.permutation([rng.integers(1, 3), rng.integers(3, side // 4)])
        canvas[top : top + height, left : left + width] += 0.3 * (ink - ground)
    return canvas, ink


def _placements(rng: np.random.Generator, side: int, samples: Samples) -> tuple[Placement, ...]:
    """Return 1 to 6 digits in as many of the nine slots."""
    slots = rng.permutation(_SLOTS * _SLOTS)[: rng.integers(1, MOST_DIGITS + 1)]
    digits = rng.choice(len(CLASS_NAMES), len(slots), p=FREQUENCY).tolist()
    pools = [_samples_of(digit, samples) for digit in digits]
    chosen = [int(pool[rng.integers(len(pool))]) for pool in pools]
    cell = side / _SLOTS
    sizes = np.rint(cell * rng.uniform(0.8, 1.1, len(slots))).astype(int)
    centres = (np.stack(np.divmod(slots, _SLOTS)) + 0.5 + rng.uniform(-0.1, 0.1, (2, len(slots)))) * cell
    tops, lefts = np.rint(centres - sizes / 2).astype(int).clip(0, side - sizes).tolist()
    return tuple(Placement(*one) for one in zip(digits, chosen, lefts, tops, sizes.tolist(), strict=True))


def _draw(canvas: FloatArray, placement: Placement, colour: FloatArray) -> None:
    """Lay one digit onto the canvas, in place."""
    enlarge = _enlarging(placement.size)
    ink = (enlarge @ _digits()[0][placement.sample] @ enlarge.T).clip(0, 1)[..., None]
    square = canvas[placement.top :, placement.left :][: placement.size, : placement.size]
    square += ink * (colour - square)


@cache
def _enlarging(size: int) -> FloatArray:
    """Return the (size, 8) matrix that enlarges 8 pixels bicubically: what Pillow makes of the unit vectors."""
    unit = Image.fromarray(np.eye(8, dtype=np.float32))
    return np.asarray(unit.resize((8, size), Image.Resampling.BICUBIC), dtype=np.float64)
