"""A small workspace with real images, hostile class names and runs in the layout that training writes."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from labelmend_core.ledger import Status
from labelmend_core.run_folder import RunFolder
from labelmend_core.types import AnnotatedDataset, Decision, Kind, LabelMatrix, Verdict
from labelmend_core.workspace import Workspace

HOSTILE = "<img src=x onerror=alert(1)>**bold** $x$ :smile:"
CLASS_NAMES = ("cat", HOSTILE, "3", "never given")
GIVEN = [[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [1, 1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0]]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Six images of four classes, nothing trained."""
    images = tmp_path / "images"
    images.mkdir()
    paths = [f"{i}.png" for i in range(len(GIVEN))]
    for i, name in enumerate(paths):
        Image.new("RGB", (8, 8), (40 * i, 20, 20)).save(images / name)
    source = tmp_path / "labels.txt"
    source.write_text(
        "".join(
            f"{name},{' '.join(map(str, np.flatnonzero(np.array(row) == 1)))}\n"
            for name, row in zip(paths, GIVEN, strict=True)
        )
    )
    dataset = AnnotatedDataset(paths, paths, CLASS_NAMES, LabelMatrix.from_dense(GIVEN))
    return Workspace.create(tmp_path / "work", dataset, format_name="list", image_folder=images, source=source)


MakeRun = Callable[..., str]


@pytest.fixture
def make_run(workspace: Workspace) -> MakeRun:
    """Record a run with the tables that training leaves."""

    def make(
        average_precision: tuple[float, ...] = (0.5, 0.25, 0.75, np.nan),
        *,
        labels: str = "given",
        loss: str = "splc",
        status: Status = Status.DONE,
        on: str = "validation",
        epochs: int = 3,
    ) -> str:
        settings = {
            "mode": "probe",
            "loss": loss,
            "hyperparameters": {"tau": 0.7} if loss == "splc" else {},
            "backbone": {"name": "resnet18", "weights": "random", "arguments": {}, "image_size": 64},
            "schedule": {"epochs": epochs},
            "folds": 3,
        }
        run_id = workspace.runs.start(
            mode="probe", loss=loss, labels=labels, n_decisions=workspace.ledger.count(), settings=settings
        )
        run = RunFolder(workspace.run_folder(run_id))
        run.path.mkdir(parents=True)
        run.write_config(settings)
        run.write_table("metrics", [_epoch(epoch) for epoch in range(epochs)])
        run.write_table("gradients", pd.concat([_gradients(epoch) for epoch in range(epochs)]))
        run.write_table(
            "per_class",
            pd.DataFrame({"class_index": range(4), "average_precision": average_precision, "positives": [4, 3, 1, 0]}),
        )
        metrics = {"map": float(np.nanmean(average_precision)), "cf1": 0.4, "of1": 0.5, "on": on, "best_epoch": 1}
        if status is not Status.RUNNING:
            workspace.runs.finish(run_id, status, metrics if status is Status.DONE else None)
        return run_id

    return make


def _epoch(epoch: int) -> dict[str, float]:
    quality = {"map": 0.2 * epoch, "cf1": 0.1, "of1": 0.1}
    return {"epoch": epoch, "loss": 1 / (1 + epoch), "images_per_second": 90.0, "seconds": 1.0, "lr": 0.1} | quality


def _gradients(epoch: int) -> pd.DataFrame:
    bins = {"p_low": [0.0, 0.5], "p_high": [0.5, 1.0], "count": [10, 5], "gradient": [0.1 + epoch, 0.2 + epoch]}
    return pd.concat([pd.DataFrame({"epoch": epoch, "group": group, **bins}) for group in ("positive", "unobserved")])


@pytest.fixture
def suggest(workspace: Workspace) -> Callable[[str], None]:
    """Store three suggestions of a run: two missing labels of the hostile class, one spurious cat."""

    def save(run_id: str) -> None:
        cells = [(0, 1, Kind.MISSING), (5, 1, Kind.MISSING), (1, 0, Kind.SPURIOUS)]
        rows = [
            {"image_index": i, "class_index": k, "kind": kind.value, "rank": rank, "label_quality": 0.1,
             "error_probability": 0.8, "low": 0.7, "high": 0.9, "reason": {}}
            for rank, (i, k, kind) in enumerate(cells, start=1)
        ]  # fmt: skip
        workspace.queue.save(run_id, pd.DataFrame(rows))

    return save


@pytest.fixture
def decide(workspace: Workspace) -> Callable[[int, int, Verdict], None]:
    """Append one decision on a cell."""

    def append(image: int, class_index: int, verdict: Verdict) -> None:
        seq = workspace.ledger.count() + 1
        workspace.ledger.append([Decision("test", seq, image, class_index, verdict, "ann", datetime.now(UTC))])

    return append
