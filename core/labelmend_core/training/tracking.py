"""Epochs told to TensorBoard or MLflow where somebody asks for it, through Accelerate's trackers.

What a run found is in its own folder in any case. So a tracker that fails in the middle of a training is left, with a
warning, and the training goes on.
"""

import json
import math
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.tracking import MLflowTracker, TensorBoardTracker

from labelmend_core.dotted import dotted
from labelmend_core.errors import InputError
from labelmend_core.files import replacing
from labelmend_core.trackers import require_trackers
from labelmend_core.training.history import Epoch

_EXPERIMENT = "labelmend"
_MLFLOW_NOTE = "mlflow.json"
_LONGEST_VALUE = 250  # characters; MLflow refuses longer ones


def trackers_of(names: Iterable[str], run: Path, folder: Path) -> list[Any]:
    """Return Accelerate's trackers by name, for `Accelerator(log_with=…)`.

    Args:
        names: of `labelmend_core.trackers.TRACKERS`.
        run: the folder of the run, by whose name it is called there. A run that is resumed goes on in MLflow's run.
        folder: of TensorBoard's files; each run has one of its own in it. Where MLflow keeps its runs, its own
            variable `MLFLOW_TRACKING_URI` says.

    Raises:
        InputError: a tracker is unknown or not installed.
    """
    names = list(names)
    require_trackers(names)
    make = {
        "tensorboard": lambda: TensorBoardTracker(run.name, folder),
        "mlflow": lambda: MLflowTracker(_EXPERIMENT, run_id=_begun_in_mlflow(run), run_name=run.name),
    }
    return [make[name]() for name in dict.fromkeys(names)]


@contextmanager
def tracked(accelerator: Accelerator, settings: Mapping[str, Any], run: Path) -> Iterator[None]:
    """Start the trackers of an accelerator with the settings of a run, and finish them after the block.

    Args:
        accelerator: with trackers of `trackers_of`.
        settings: nested, of the run.
        run: its folder, which keeps what the run is to MLflow.

    Raises:
        InputError: a tracker cannot be reached.
    """
    try:
        accelerator.init_trackers(_EXPERIMENT, config=_flat(settings))
        if accelerator.is_main_process:
            _note_mlflow(accelerator, run)
    except _troubles(accelerator) as error:
        raise InputError(f"Expected to reach the tracker of the run, but: {error}") from error
    try:
        yield
    finally:
        for tracker in list(accelerator.trackers):
            _told(accelerator, tracker, tracker.finish)
        accelerator.trackers.clear()


def log_epoch(accelerator: Accelerator, epoch: Epoch) -> None:
    """Tell the trackers of an epoch: loss, learning rate, speed and, where it was measured, mAP, CF1 and OF1."""
    found = {"loss": epoch.loss, "lr": epoch.lr, "images_per_second": epoch.images_per_second}
    if epoch.evaluation is not None:
        measured = epoch.evaluation
        found |= {"map": measured.mean_average_precision, "cf1": measured.cf1, "of1": measured.of1}
    _log(accelerator, found, epoch.epoch)


def log_result(accelerator: Accelerator, metrics: Mapping[str, Any]) -> None:
    """Tell the trackers what the finished run found, by its metrics' names with `final_` before."""
    numbers = {f"final_{name}": metrics.get(name) for name in ("map", "cf1", "of1")}
    _log(accelerator, numbers, max(int(metrics["epochs"]) - 1, 0))


def _begun_in_mlflow(run: Path) -> str | None:
    """Return the id of the run in MLflow, None where it is new there, or MLflow is another one now."""
    import mlflow

    try:
        note = json.loads((run / _MLFLOW_NOTE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return str(note["run_id"]) if note["tracking_uri"] == mlflow.get_tracking_uri() else None


def _note_mlflow(accelerator: Accelerator, run: Path) -> None:
    for tracker in accelerator.trackers:
        if isinstance(tracker, MLflowTracker):
            import mlflow

            note = {"run_id": tracker.tracker.info.run_id, "tracking_uri": mlflow.get_tracking_uri()}
            with replacing(run / _MLFLOW_NOTE) as temporary:
                temporary.write_text(json.dumps(note), encoding="utf-8")


def _log(accelerator: Accelerator, values: Mapping[str, float | None], step: int) -> None:
    # A value that is not defined is left out: no tracker draws NaN.
    finite = {name: float(value) for name, value in values.items() if value is not None and math.isfinite(value)}
    for tracker in list(accelerator.trackers):
        _told(accelerator, tracker, lambda tracker=tracker: tracker.log(finite, step=step))


def _told(accelerator: Accelerator, tracker: Any, tell: Any) -> None:
    try:
        tell()
    except _troubles(accelerator) as error:
        accelerator.trackers.remove(tracker)
        warnings.warn(f"{tracker.name} failed and is not told of this run any more: {error}", stacklevel=2)


def _troubles(accelerator: Accelerator) -> tuple[type[Exception], ...]:
    if not any(isinstance(tracker, MLflowTracker) for tracker in accelerator.log_with):
        return (OSError,)
    from mlflow.exceptions import MlflowException

    return (OSError, MlflowException)


def _flat(settings: Mapping[str, Any]) -> dict[str, str | int | float | bool]:
    """Return nested settings by dotted name, without those that are not set; what is no number is text."""
    return {
        name: value if isinstance(value, (bool, int, float)) else str(value)[:_LONGEST_VALUE]
        for name, value in dotted(settings).items()
        if value is not None
    }
