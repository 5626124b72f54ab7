"""The problems: features of images, their true labels, and the labels with errors that are given."""

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from labelmend_app.benchmarks import problems
from labelmend_core.errors import InputError
from labelmend_core.models import build_backbone
from labelmend_core.training import Progress, RunSettings
from labelmend_core.training.features import extract_features
from labelmend_core.types import LabelMatrix
from labelmend_datasets.digits import make_scenes
from labelmend_datasets.formats import FORMATS
from labelmend_datasets.images import ImageTensors
from labelmend_datasets.noise import add_spurious, drop_labels

LISTS = problems.LISTS  # our word for a kind of noise, and coco18's
PLANTED = tuple(f"planted {seed}" for seed in range(3))
DIGITS = "digits"
CASES = (*LISTS.values(), *PLANTED, DIGITS)
_KEPT_SHARE, _SPURIOUS_SHARE = 0.4, 0.08
_SCENES, _JUDGED, _SIDE = 2_000, 600, 48


@dataclass(frozen=True, eq=False)
class Problem:
    """Given labels with known errors.

    Attributes:
        name: in tables and files.
        features: float16 (N + V, F), training images, then validation images.
        given: (N, K), what is trained on and ranked.
        truth: (N, K), complete; where it differs from `given` there is an error.
        validation: (V, K), complete.
        class_names: length K.
        settings: of the probe; its backbone is the one that `features` come from.
    """

    name: str
    features: NDArray[np.float16]
    given: LabelMatrix
    truth: LabelMatrix
    validation: LabelMatrix
    class_names: tuple[str, ...]
    settings: RunSettings

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits that change with features, labels and settings."""
        digest = hashlib.sha256(json.dumps(self.settings.to_dict(), sort_keys=True).encode())
        for labels in (self.given, self.truth, self.validation):
            for array in labels.cells():
                digest.update(array.tobytes())
        digest.update(self.features.tobytes())
        return digest.hexdigest()[:16]

    def part(self, rows: NDArray[np.int64]) -> "Problem":
        """Return the problem with these training images only, and all validation images."""
        n = self.given.shape[0]
        kept = np.concatenate([rows, np.arange(n, len(self.features))])
        return replace(self, features=self.features[kept], given=self.given.select(rows), truth=self.truth.select(rows))


def plant(truth: LabelMatrix, seed: int) -> LabelMatrix:
    """Return true labels of which 40 % are left, with a wrong one more in 8 % of the images."""
    rng = np.random.default_rng(seed)
    return add_spurious(drop_labels(truth, _KEPT_SHARE, rng).labels, _SPURIOUS_SHARE, rng).labels


def half(problem: Problem, seed: int) -> Problem:
    """Return another problem of the same kind: half of its images, drawn by the seed, planted anew where we planted."""
    n = problem.given.shape[0]
    rows = np.sort(np.random.default_rng([seed, 3]).choice(n, n // 2, replace=False))
    part = problem.part(rows)
    given = plant(part.truth, seed) if problem.name in PLANTED else part.given
    return replace(part, name=f"{problem.name}, half {seed}", given=given)


def known_cases(names: Sequence[str]) -> tuple[str, ...]:
    """Return the cases that were asked for, all without any.

    Raises:
        InputError: there is no such case.
    """
    unknown = [name for name in names if name not in CASES]
    if unknown:
        raise InputError(f"Expected cases among {', '.join(CASES)}, got {unknown[0]!r}")
    return tuple(names) or CASES


def load(
    names: Sequence[str], data: Path, settings: RunSettings, keep: Path | None, progress: Progress
) -> Iterator[Problem]:
    """Yield the problems of that name, photographs first.

    Args:
        names: among `CASES`.
        data: folder with coco18's images/, classes.txt and lists.
        settings: mode "probe".
        keep: where pixels and features are kept, and used when they are there.
        progress: told how far it is.

    Raises:
        InputError: a file of `data` is missing.
    """
    if set(names) - {DIGITS}:
        yield from _photographs(names, data, settings, keep, progress)
    if DIGITS in names:
        yield digits(settings, keep, progress, _SCENES)


def _photographs(
    names: Sequence[str], data: Path, settings: RunSettings, keep: Path | None, progress: Progress
) -> Iterator[Problem]:
    if not (data / "train_full.txt").exists():
        raise InputError(f"Expected train_full.txt in {data}, which holds the true labels, found none")
    truth = FORMATS["list"].read(data / "train_full.txt", classes=data / "classes.txt").given_labels
    arena = problems.photographs(data, settings, keep, progress)
    given: dict[str, Callable[[], LabelMatrix]] = {
        **{name: lambda noise=noise: arena.labels[noise] for noise, name in LISTS.items()},  # type: ignore[misc]
        **{name: lambda seed=seed: plant(truth, seed) for seed, name in enumerate(PLANTED)},  # type: ignore[misc]
    }
    validation = LabelMatrix.from_dense(arena.validation)
    for name in names:
        if name in given:
            yield Problem(name, arena.inputs.numpy(), given[name](), truth, validation, arena.class_names, settings)


def digits(settings: RunSettings, keep: Path | None, progress: Progress, scenes: int) -> Problem:
    """Return scenes of handwritten digits of which half of the labels are left, with a wrong one more in 8 %.

    Args:
        settings: mode "probe"; its backbone looks at the scenes, too.
        keep: where features are kept.
        progress: told how far it is.
        scenes: how many; 600 others judge.
    """
    rng = np.random.default_rng(0)
    spec = settings.backbone
    with tempfile.TemporaryDirectory() as scratch:
        sets = {"train": make_scenes(Path(scratch) / "train", scenes, rng, _SIDE)}
        sets["validation"] = make_scenes(Path(scratch) / "validation", _JUDGED, rng, _SIDE, samples="validation")
        paths = [Path(scratch) / split / path for split, made in sets.items() for path in made.paths]
        torch.manual_seed(settings.seed)
        features = extract_features(
            build_backbone(spec),
            ImageTensors(paths, spec.image_size),
            (keep or Path(scratch)) / f"digits-{scenes}" / spec.fingerprint(),
            n_images=len(paths),
            device=torch.device("cpu"),
            progress=progress,
        )
        features = np.array(features)
    truth = sets["train"].given_labels
    given = add_spurious(drop_labels(truth, 0.5, rng).labels, _SPURIOUS_SHARE, rng).labels
    names = tuple(sets["train"].class_names)
    return Problem(DIGITS, features, given, truth, sets["validation"].given_labels, names, settings)
