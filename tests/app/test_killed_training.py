"""`kill -9` at any moment of a training: gone on with, it leaves what the undisturbed one left, to the bit."""

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from labelmend_core.models import BackboneSpec
from labelmend_core.training import RunSettings, Schedule
from labelmend_core.workspace import Workspace

KILLS = int(os.environ.get("LABELMEND_KILLS", "5"))
BACKBONE = BackboneSpec("test_resnet", "random", {"drop_path_rate": 0.3}, image_size=32)
SETTINGS = {
    "probe": RunSettings("probe", "splc", BACKBONE, Schedule(epochs=2, lr=1e-2), folds=2, batch_size=16),
    # With a state in everything that can have one: average, folds, what the loss learns, dropped paths.
    "finetune": RunSettings(
        "finetune", "role", BACKBONE, Schedule(epochs=2, lr=1e-2, ema_decay=0.9), folds=2, batch_size=16, hold_out=0.4
    ),
}
CLOCK = ["images_per_second", "recorder_share", "seconds"]
Train = Callable[..., Any]


@pytest.mark.parametrize("mode", SETTINGS)
def test_a_training_that_is_killed_ends_as_the_undisturbed_one(
    mode: str, train: Train, untouched: Path, tmp_path: Path
) -> None:
    whole = train(shutil.copytree(untouched, tmp_path / "whole"), SETTINGS[mode])
    expected = _left_by(tmp_path / "whole" / "runs" / whole["run"])
    chance = random.Random(mode)
    for number in range(KILLS):
        folder = shutil.copytree(untouched, tmp_path / f"{number}")
        die_at = chance.randrange(whole["moments"])
        assert train(folder, SETTINGS[mode], die_at=die_at) is None
        run_id = _run_in(folder)
        again = train(folder, SETTINGS[mode], run=run_id)
        _require_equal(_left_by(folder / "runs" / run_id), expected, f"killed at moment {die_at}")
        assert _without_clock(again["metrics"]) == _without_clock(whole["metrics"])


def _run_in(folder: Path) -> str:
    workspace = Workspace.open(folder)
    (record,) = workspace.runs.all()
    workspace.close()
    return record.run_id


def _without_clock(metrics: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in metrics.items() if name not in CLOCK}


def _left_by(run: Path) -> dict[str, Any]:
    """Return what a run left, by file: tables without what the clock says, all else as bytes."""
    found: dict[str, Any] = {}
    for path in sorted(path for path in run.rglob("*") if path.is_file()):
        name = str(path.relative_to(run))
        if path.suffix == ".parquet":
            found[name] = pd.read_parquet(path).drop(columns=CLOCK, errors="ignore")
        elif name not in ("progress.json", "state.safetensors"):  # these tell the time of day
            found[name] = np.load(path) if path.suffix == ".npy" else path.read_bytes()
    return found


def _require_equal(found: dict[str, Any], expected: dict[str, Any], when: str) -> None:
    assert list(found) == list(expected), when
    for name, content in expected.items():
        if isinstance(content, pd.DataFrame):
            pd.testing.assert_frame_equal(found[name], content, obj=f"{name}, {when}")
        elif isinstance(content, np.ndarray):
            np.testing.assert_array_equal(found[name], content, err_msg=f"{name}, {when}")
        else:
            assert found[name] == content, f"{name}, {when}"
