"""The command line as a person meets it, on a small dataset of digit scenes."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labelmend_app.cli import main
from labelmend_core.types import LabelMatrix
from labelmend_datasets.digits import make_scenes
from labelmend_datasets.noise import drop_labels


@dataclass(frozen=True)
class Answer:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The last line."""
        found: dict[str, Any] = json.loads(self.out.strip().splitlines()[-1])
        return found


@dataclass
class CommandLine:
    """Runs commands in this process, all on one workspace."""

    folder: Path
    capture: pytest.CaptureFixture[str]
    workspace: Path = field(init=False)

    def __post_init__(self) -> None:
        self.workspace = self.folder / "workspace"

    def __call__(self, command: str, *arguments: str | Path, at: Path | None = None) -> Answer:
        own = [] if command in ("noise", "find", "recipes") else ["--workspace", str(at or self.workspace)]
        self.capture.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([command, *map(str, arguments), *own])
        shown = self.capture.readouterr()
        return Answer(int(ended.value.code or 0), shown.out, shown.err)


@dataclass(frozen=True)
class Scenes:
    """A list file with dropped labels, its images, and the truth."""

    folder: Path
    images: Path
    labels: Path
    classes: Path
    truth: LabelMatrix
    given: LabelMatrix


@dataclass(frozen=True)
class Splits:
    """Complete lists of training and validation scenes, whose names are relative to one folder of images."""

    images: Path
    train: Path
    validation: Path
    classes: Path
    train_truth: LabelMatrix
    validation_truth: LabelMatrix


def write_list(path: Path, image_ids: Any, labels: LabelMatrix) -> None:
    lines = [f"{name},{' '.join(map(str, labels.positives(i)))}" for i, name in enumerate(image_ids)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Scenes:
    folder = tmp_path_factory.mktemp("scenes")
    made = make_scenes(folder / "photos", 80, np.random.default_rng(5), 32)
    noised = drop_labels(made.given_labels, 0.5, np.random.default_rng(6))
    write_list(folder / "labels.txt", made.image_ids, noised.labels)
    (folder / "classes.txt").write_text("\n".join(made.class_names) + "\n", encoding="utf-8")
    return Scenes(
        folder, folder / "photos", folder / "labels.txt", folder / "classes.txt", made.given_labels, noised.labels
    )


@pytest.fixture(scope="session")
def splits(tmp_path_factory: pytest.TempPathFactory) -> Splits:
    folder = tmp_path_factory.mktemp("splits")
    truths = {}
    for split, n in (("train", 90), ("validation", 45)):
        made = make_scenes(folder / "photos" / split, n, np.random.default_rng(n), 32, samples=split)
        write_list(folder / f"{split}.txt", [f"{split}/{name}" for name in made.image_ids], made.given_labels)
        truths[split] = made.given_labels
    (folder / "classes.txt").write_text("\n".join(made.class_names) + "\n", encoding="utf-8")
    return Splits(
        folder / "photos",
        folder / "train.txt",
        folder / "validation.txt",
        folder / "classes.txt",
        truths["train"],
        truths["validation"],
    )


@pytest.fixture
def labelmend(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    small = {"BACKBONE": "test_resnet", "WEIGHTS": "random", "IMAGE_SIZE": "32"}
    for name, value in small.items():
        monkeypatch.setenv(f"LABELMEND_{name}", value)
    return CommandLine(tmp_path, capsys)


@pytest.fixture
def imported(labelmend: CommandLine, scenes: Scenes) -> CommandLine:
    done = labelmend("import", scenes.labels, "--images", scenes.images, "--classes", scenes.classes)
    assert done.code == 0, done.err
    return labelmend
