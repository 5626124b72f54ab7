"""The demo: scenes of handwritten digits, labels dropped, trained, suggested; nothing is downloaded."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from labelmend_app.importing import import_annotations
from labelmend_app.training import train_in
from labelmend_core.detection import suggest
from labelmend_core.errors import WorkspaceError
from labelmend_core.files import replacing
from labelmend_core.ledger import RunRecord
from labelmend_core.models import BackboneSpec
from labelmend_core.run_folder import RunFolder
from labelmend_core.training import Augment, RunSettings, Schedule
from labelmend_core.types import LabelMatrix
from labelmend_core.workspace import Workspace
from labelmend_datasets.digits import make_scenes
from labelmend_datasets.noise import drop_labels

N_TRAIN, N_VALIDATION, SIDE, KEPT = 3_000, 600, 32, 0.4
LEAST_PROBABILITY = 0.2  # a demo has time for doubtful ones, too
Show = Callable[[str, int, int, float | None], None]


@dataclass(frozen=True)
class Demo:
    """A workspace with suggestions, and the truth that was hidden from it.

    Attributes:
        n_suggestions: missing and spurious.
        seconds: from the command to the suggestions.
    """

    workspace: Workspace
    run: RunRecord
    n_suggestions: int
    true_labels: LabelMatrix
    seconds: float


def demo_settings(seed: int) -> RunSettings:
    """Return what the demo trains: a network small enough to learn from random weights within a minute on two cores.

    One fit only, so the suggestions rest on its dynamics: out-of-sample folds would double the time.
    """
    return RunSettings(
        mode="finetune",
        loss="bce",
        backbone=BackboneSpec("test_resnet", "random", image_size=SIDE),
        schedule=Schedule(epochs=12, lr=1e-2, weight_decay=1e-2),
        batch_size=64,
        folds=1,
        augment=Augment(flip=False),
        seed=seed,
    )


def continued_settings(demo: Demo) -> RunSettings:
    """Return how the demo's network is trained on for six epochs: on other labels, or on the same to compare with.

    From one network, because two that learn from random weights differ more by chance than a review of a few
    hundred labels moves them. With Hill: the review mends the clearest cells first, so that what is still missing
    is missing not at random but where it is hard to see, and BCE would learn just that.
    """
    settings = demo_settings(demo.run.settings["seed"])
    model = RunFolder(demo.workspace.run_folder(demo.run.run_id)).model
    return replace(
        settings,
        loss="hill",
        planted=0,
        backbone=replace(settings.backbone, weights=str(model)),
        schedule=replace(settings.schedule, epochs=6),
    )


def run_demo(folder: Path, *, seed: int, started: float, show: Show) -> Demo:
    """Make the scenes, drop labels to 40 %, train, and suggest.

    Args:
        folder: of the new workspace; the scenes go into a folder beside it.
        seed: of scenes, noise and training.
        started: `time.perf_counter()` when the command began.
        show: progress of the training.

    Raises:
        WorkspaceError: there is something at `folder` already.
    """
    scenes = folder.with_name(f"{folder.name}-scenes")
    for path in (folder, scenes):
        if path.exists():
            raise WorkspaceError(
                f"Expected nothing at {path}, but it is there; look at the last demo with "
                f"'labelmend review --workspace {folder}', or choose another folder with --workspace."
            )
    show("composing scenes", 0, 1, None)
    true_labels = _write_scenes(scenes, np.random.default_rng(seed))
    workspace = import_annotations(
        folder,
        scenes / "train.txt",
        scenes,
        format_name="list",
        classes=scenes / "classes.txt",
        validation=scenes / "validation.txt",
    )
    run = train_in(workspace, demo_settings(seed), show=show)
    suggestions = suggest(workspace, run.run_id, min_probability=LEAST_PROBABILITY)
    return Demo(workspace, run, len(suggestions), true_labels, time.perf_counter() - started)


def _write_scenes(folder: Path, rng: np.random.Generator) -> LabelMatrix:
    """Write images and lists; the validation list is true, the training list lacks most labels."""
    train = make_scenes(folder / "train", N_TRAIN, rng, SIDE)
    validation = make_scenes(folder / "validation", N_VALIDATION, rng, SIDE, samples="validation")
    noised = drop_labels(train.given_labels, KEPT, rng)
    _write(folder / "classes.txt", train.class_names)
    _write(folder / "train.txt", _lines("train", train.image_ids, noised.labels))
    _write(folder / "validation.txt", _lines("validation", validation.image_ids, validation.given_labels))
    return train.given_labels


def _lines(split: str, image_ids: Sequence[str], labels: LabelMatrix) -> list[str]:
    positives = (" ".join(map(str, labels.positives(image))) for image in range(len(image_ids)))
    return [f"{split}/{image_id},{classes}" for image_id, classes in zip(image_ids, positives, strict=True)]


def _write(path: Path, lines: Sequence[str]) -> None:
    with replacing(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
