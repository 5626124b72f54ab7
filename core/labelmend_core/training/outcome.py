"""What a finished run leaves: tables, probabilities, dynamics and metrics."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from labelmend_core.metrics import Evaluation, Unobserved, evaluate
from labelmend_core.run_folder import MOST_EPOCH_CELLS, RunFolder
from labelmend_core.training.dynamics import Recorder
from labelmend_core.training.history import Epoch, FitState
from labelmend_core.types import Dynamics, LabelMatrix


@dataclass(frozen=True)
class Outcome:
    """What training found.

    Attributes:
        state: of the final fit.
        recorder: that watched the final fit.
        dynamics: what it recorded.
        measured: the final network on the validation images, None without any.
        chosen_on: which images the best epoch was chosen on.
        pred_probs: (N, K), NaN rows for unreadable images.
        pred_probs_source: `OUT_OF_SAMPLE` or `DYNAMICS`.
    """

    state: FitState
    recorder: Recorder
    dynamics: Dynamics
    measured: Evaluation | None
    chosen_on: str
    pred_probs: NDArray[np.floating]
    pred_probs_source: str


def chosen_on(held: NDArray[np.int64], *, measured: bool) -> str:
    """Return which images the best epoch was chosen on, in words.

    Args:
        held: rows of the training images that were held out for it.
        measured: whether there are validation images.
    """
    if len(held):
        return "held-out training images"
    return "validation images" if measured else "none: the last epoch"


def write_history(run: RunFolder, history: list[Epoch], recorder: Recorder) -> None:
    """Write `metrics.parquet`, `gradients.parquet` and p of the epoch; called after every epoch."""
    run.write_table("metrics", [_row(epoch) for epoch in history])
    run.write_table("gradients", recorder.gradients())
    p = recorder.epoch()
    if p.size <= MOST_EPOCH_CELLS:
        run.write_epoch(len(history) - 1, p)


def write_outcome(run: RunFolder, outcome: Outcome, labels: LabelMatrix, unobserved: Unobserved) -> dict[str, Any]:
    """Write probabilities, dynamics and per-class metrics; return the run's metrics by name.

    Measured on validation data where there is some, otherwise on the labels that were trained on, which
    says so (`on`): there, higher also means better at repeating their errors.
    """
    run.write_pred_probs(outcome.pred_probs)
    run.write_dynamics(outcome.dynamics)
    write_history(run, outcome.state.history, outcome.recorder)
    best = outcome.state.history[outcome.state.best_epoch]
    evaluation, on = outcome.measured, "validation"
    if evaluation is None:
        seen = ~np.isnan(outcome.pred_probs[:, 0])
        scores = np.asarray(outcome.pred_probs)[seen].astype(np.float32)
        evaluation = evaluate(labels.dense()[seen], scores, unobserved=unobserved)
        on = f"{outcome.pred_probs_source} probabilities against the labels trained on"
    run.write_table("per_class", _per_class(evaluation, labels))
    epochs = outcome.state.history
    return {
        "map": _number(evaluation.mean_average_precision),
        "cf1": _number(evaluation.cf1),
        "of1": _number(evaluation.of1),
        "on": on,
        "chosen_on": outcome.chosen_on,
        "left_out": list(evaluation.left_out),
        "best_epoch": outcome.state.best_epoch,
        "averaged": best.averaged,
        "epochs": len(epochs),
        "images_per_second": float(np.median([epoch.images_per_second for epoch in epochs])),
        "recorder_share": float(np.median([epoch.recorder_share for epoch in epochs])),
        "pred_probs": outcome.pred_probs_source,
    }


def _row(epoch: Epoch) -> dict[str, Any]:
    evaluation = epoch.evaluation
    return {
        "epoch": epoch.epoch,
        "loss": epoch.loss,
        "map": np.nan if evaluation is None else evaluation.mean_average_precision,
        "cf1": np.nan if evaluation is None else evaluation.cf1,
        "of1": np.nan if evaluation is None else evaluation.of1,
        "average_precision": None if evaluation is None else evaluation.average_precision.tolist(),
        "images_per_second": epoch.images_per_second,
        "seconds": epoch.seconds,
        "recorder_share": epoch.recorder_share,
        "lr": epoch.lr,
    }


def _per_class(evaluation: Evaluation, labels: LabelMatrix) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "class_index": np.arange(labels.shape[1]),
            "average_precision": evaluation.average_precision,
            "positives": labels.positives_per_class(),
        }
    )


def _number(value: float) -> float | None:
    """JSON has no NaN."""
    return None if np.isnan(value) else float(value)
