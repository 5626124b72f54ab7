"""Runs told to TensorBoard and MLflow, only when somebody asks for it."""

import importlib.util
import struct
import sys
from pathlib import Path

import pytest

from labelmend_core import trackers
from labelmend_core.run_folder import RunFolder
from labelmend_core.training import finetune as finetuning

EPOCHS = 3
SHORT = ("--epochs", str(EPOCHS), "--folds", "2", "--companion", "none", "--json")


@pytest.fixture
def measured(labelmend, splits):
    """A workspace with validation images, so that there is a mAP an epoch."""
    done = labelmend(
        "import",
        splits.train,
        "--images",
        splits.images,
        "--classes",
        splits.classes,
        "--validation",
        splits.validation,
    )
    assert done.code == 0, done.err
    return labelmend


def _scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Return what TensorBoard's files below a folder hold, by name: steps and values."""
    from tensorboardX.proto.event_pb2 import Event

    found: dict[str, list[tuple[int, float]]] = {}
    for path in sorted(folder.glob("events.out.tfevents.*")):
        data = path.read_bytes()
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            event = Event.FromString(data[12 : 12 + length])
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value.simple_value))
            data = data[16 + length :]
    return found


@pytest.mark.parametrize("mode", ["probe", "finetune"])
def test_tensorboard_shows_every_epoch_of_a_run(measured, mode) -> None:
    pytest.importorskip("tensorboardX", reason="tensorboardX is not installed")
    done = measured("train", "--mode", mode, "--track", "tensorboard", "--hold-out", "0.3", *_of(mode))
    assert done.code == 0, done.err
    shown = _scalars(measured.workspace / "tensorboard" / done.json["run"])
    table = RunFolder(measured.workspace / "runs" / done.json["run"]).table("metrics")
    for name in ("loss", "map", "cf1", "of1", "lr", "images_per_second"):
        assert [step for step, _ in shown[name]] == list(range(EPOCHS))
        assert [value for _, value in shown[name]] == pytest.approx(table[name].tolist(), rel=1e-5)
    assert shown["final_map"] == [(EPOCHS - 1, pytest.approx(done.json["map"], rel=1e-5))]


def _of(mode: str) -> tuple[str, ...]:
    return SHORT if mode == "probe" else ("--epochs", str(EPOCHS), "--folds", "1", "--json")


@pytest.mark.filterwarnings("ignore")  # what MLflow warns of is not ours
def test_mlflow_shows_every_epoch_of_a_run(measured, monkeypatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{measured.folder}/mlflow.db")
    done = measured("train", "--track", "mlflow", *SHORT)
    assert done.code == 0, done.err
    client = mlflow.MlflowClient()
    (run,) = client.search_runs([client.get_experiment_by_name("labelmend").experiment_id])
    assert run.info.run_name == done.json["run"]
    assert run.data.params["schedule.epochs"] == str(EPOCHS)
    losses = client.get_metric_history(run.info.run_id, "loss")
    table = RunFolder(measured.workspace / "runs" / done.json["run"]).table("metrics")
    assert [metric.value for metric in losses] == pytest.approx(table["loss"].tolist())
    assert run.data.metrics["final_map"] == pytest.approx(done.json["map"])


@pytest.mark.filterwarnings("ignore")
def test_a_resumed_run_goes_on_in_the_run_that_it_has_in_mlflow(measured, monkeypatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{measured.folder}/mlflow.db")
    write = finetuning.save_state

    def stop_after_the_first_epoch(path, part, state):
        write(path, part, state)
        (path.parent / "stop").touch()

    with monkeypatch.context() as patched:
        patched.setattr(finetuning, "save_state", stop_after_the_first_epoch)
        stopped = measured("train", "--mode", "finetune", "--track", "mlflow", *_of("finetune")).json
    assert stopped["status"] == "stopped"
    assert measured("train", "--resume", stopped["run"], "--json").json["status"] == "done"
    client = mlflow.MlflowClient()
    (run,) = client.search_runs([client.get_experiment_by_name("labelmend").experiment_id])
    assert run.info.status == "FINISHED"
    assert [metric.step for metric in client.get_metric_history(run.info.run_id, "loss")] == list(range(EPOCHS))


def test_nothing_is_tracked_by_default(imported) -> None:
    assert imported("train", *SHORT).code == 0
    assert not (imported.workspace / "tensorboard").exists()


def test_a_tracker_that_nobody_knows_is_refused(imported) -> None:
    done = imported("train", "--track", "wandb", *SHORT)
    assert done.code == 2
    assert "tensorboard, mlflow" in done.err


@pytest.mark.parametrize("name", ["tensorboard", "mlflow"])
def test_what_has_to_be_installed_is_said_before_anything_begins(imported, monkeypatch, name) -> None:
    for package in trackers.TRACKERS[name]:
        monkeypatch.delitem(sys.modules, package, raising=False)
    find = importlib.util.find_spec
    hidden = trackers.TRACKERS[name]
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: None if module in hidden else find(module))
    done = imported("train", "--track", name, *SHORT)
    assert done.code == 2
    assert f"pip install {name}" in done.err
    assert imported("status", "--json").json["runs"] == 0


def test_a_tracker_that_cannot_begin_is_said(imported) -> None:
    pytest.importorskip("tensorboardX", reason="tensorboardX is not installed")
    (imported.workspace / "tensorboard").write_text("a file in the way")
    done = imported("train", "--track", "tensorboard", *SHORT)
    assert done.code == 2
    assert "Expected to reach the tracker" in done.err
