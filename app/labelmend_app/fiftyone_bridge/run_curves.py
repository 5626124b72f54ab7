"""The curves of a run as plain lists: what the panel of the plugin draws, which knows nothing of a workspace."""

from typing import Any

import pandas as pd

from labelmend_core.gradient_groups import GROUP_WORDS
from labelmend_core.run_folder import RunFolder


def run_curves(run: RunFolder) -> dict[str, Any]:
    """Return `loss`, of each epoch, and `gradient`, the newest by probability; without what the run did not leave.

    Each is a list of lines with `name`, `x` and `y`.
    """
    found: dict[str, Any] = {}
    metrics, gradients = run.table("metrics"), run.table("gradients")
    if metrics is not None and "loss" in metrics:
        found["loss"] = [_line("loss for each image", metrics["epoch"] + 1, metrics["loss"])]
    if gradients is not None and len(gradients):
        epoch = gradients["epoch"].max()
        newest = gradients[gradients["epoch"] == epoch].sort_values("p_low")
        own = {name: newest[newest["group"] == group] for group, name in GROUP_WORDS.items()}
        found["gradient"] = [
            _line(name, (rows["p_low"] + rows["p_high"]) / 2, rows["gradient"])
            for name, rows in own.items()
            if len(rows)
        ]
        found["gradient_epoch"] = int(epoch) + 1
    return found


def _line(name: str, x: pd.Series, y: pd.Series) -> dict[str, Any]:
    known = y.notna()
    return {"name": name, "x": x[known].astype(float).tolist(), "y": y[known].astype(float).tolist()}
