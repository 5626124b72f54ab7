"""Several processes train as one does: the same images each once, the same statistics, and they end together."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from labelmend_core.ledger import Status
from labelmend_core.models import BackboneSpec
from labelmend_core.run_folder import RunFolder
from labelmend_core.training import RunSettings, Schedule
from labelmend_core.training.tensor_tree import load_tree
from labelmend_core.types import Dynamics
from labelmend_core.workspace import Workspace

Train = Callable[..., Any]
# Without batch norms, which take each process's own images. 30 or 50 images: the last batch does not come out even.
BACKBONE = BackboneSpec("test_vit", "random", image_size=32)
SCHEDULE = Schedule(epochs=2, lr=1e-3)
SETTINGS = {
    # A loss that looks at the whole batch.
    "probe": RunSettings("probe", "pu_mlc", BACKBONE, SCHEDULE, folds=2, batch_size=16),
    # One that remembers and learns something of every image; augmentation, average, held-out images, parts.
    "finetune": RunSettings(
        "finetune",
        "role",
        BACKBONE,
        replace(SCHEDULE, ema_decay=0.9, sam=0.05),
        folds=1,
        batch_size=16,
        hold_out=0.4,
    ),
}
# Moments in the middle of training.
DIE_AT = {"probe": 60, "finetune": 26}


@pytest.fixture(scope="module", params=SETTINGS)
def by_one(
    request: pytest.FixtureRequest, train: Train, untouched: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[RunSettings, RunFolder]:
    settings, folder = SETTINGS[request.param], tmp_path_factory.mktemp("one") / "workspace"
    found = train(shutil.copytree(untouched, folder), settings)
    return settings, RunFolder(folder / "runs" / found["run"])


@pytest.mark.parametrize("processes", [2, 4])
def test_they_find_what_one_process_does(
    processes: int, by_one: tuple[RunSettings, RunFolder], train: Train, untouched: Path, tmp_path: Path
) -> None:
    settings, expected = by_one
    folder = shutil.copytree(untouched, tmp_path / "workspace")
    found = train(folder, settings, processes=processes)
    _require_close(RunFolder(folder / "runs" / found["run"]), expected)


def test_parts_of_a_batch_make_the_same_step(train: Train, untouched: Path, tmp_path: Path) -> None:
    settings = replace(SETTINGS["finetune"], loss="bce")
    runs = []
    for name, accumulate, processes in (("whole", 1, 1), ("parts", 3, 2)):
        folder = shutil.copytree(untouched, tmp_path / name)
        found = train(folder, replace(settings, accumulate=accumulate), processes=processes)
        runs.append(RunFolder(folder / "runs" / found["run"]))
    _require_close(runs[1], runs[0])


@pytest.mark.parametrize("fail_in", [0, 1])
def test_when_one_fails_all_end_with_its_sentence_and_can_go_on(
    fail_in: int, train: Train, untouched: Path, tmp_path: Path
) -> None:
    settings = SETTINGS["finetune"]
    folder = shutil.copytree(untouched, tmp_path / "workspace")
    answer = train(folder, settings, processes=2, fail_in=fail_in)
    assert answer in (None, {"failed": "Expected room on the disk, but it is full."})
    workspace = Workspace.open(folder)
    (record,) = workspace.runs.all()
    workspace.close()
    assert record.status is Status.FAILED
    again = train(folder, settings, processes=2, run=record.run_id)
    assert again["run"] == record.run_id


def test_a_killed_training_of_two_goes_on_to_the_same(
    by_one: tuple[RunSettings, RunFolder], train: Train, untouched: Path, tmp_path: Path
) -> None:
    settings, expected = by_one
    folder = shutil.copytree(untouched, tmp_path / "workspace")
    answer = train(folder, settings, processes=2, die_at=DIE_AT[settings.mode])
    assert "processes of the training to go on, but one is gone" in answer["failed"]  # says the one that is left
    workspace = Workspace.open(folder)
    (record,) = workspace.runs.all()
    workspace.close()
    assert record.status is Status.DIED
    train(folder, settings, processes=2, run=record.run_id)
    _require_close(RunFolder(folder / "runs" / record.run_id), expected)


def _require_close(found: RunFolder, expected: RunFolder) -> None:
    own, others = found.dynamics(), expected.dynamics()
    for name in ("mean", "last", "variance"):  # kept as float16
        np.testing.assert_allclose(_array(own, name), _array(others, name), atol=1e-3, err_msg=name)
    np.testing.assert_allclose(found.pred_probs().astype(float), expected.pred_probs().astype(float), atol=1e-3)
    tables = [folder.table("gradients") for folder in (found, expected)]
    pd.testing.assert_frame_equal(tables[0], tables[1], rtol=1e-5, atol=1e-5)
    if expected.state.exists():  # of fine-tuning: what the recorder holds, in full precision
        recorded = [load_tree(folder.state)["parts"]["recorder"] for folder in (found, expected)]
        for name, tensor in recorded[1].items():
            torch.testing.assert_close(recorded[0][name], tensor, rtol=1e-5, atol=1e-5, msg=name)
    losses = [folder.table("metrics")[["loss", "map", "lr"]] for folder in (found, expected)]
    pd.testing.assert_frame_equal(losses[0], losses[1], rtol=1e-5, atol=1e-5)


def _array(dynamics: Dynamics, name: str) -> np.ndarray:
    return getattr(dynamics, name).astype(float)
