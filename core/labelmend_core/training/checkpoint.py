"""What training writes to disk, as safetensors and JSON: the model, and the state that a stopped fit resumes from."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import save_file
from torch import Tensor

from labelmend_core.files import replacing
from labelmend_core.metrics import Evaluation
from labelmend_core.training.history import Epoch, FitState
from labelmend_core.training.tensor_tree import load_tree, save_tree


def save_model(path: Path, tensors: Mapping[str, Tensor], info: Mapping[str, Any]) -> None:
    """Write weights to `path` (.safetensors) and what they belong to beside it (.json)."""
    with replacing(path) as temporary:
        save_file({name: tensor.contiguous().cpu() for name, tensor in tensors.items()}, temporary)
    with replacing(path.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(info, indent=1, ensure_ascii=False), encoding="utf-8")


def save_state(path: Path, part: int, state: FitState) -> None:
    """Write the state of part number `part` of a run (a fold, or the final fit) after an epoch."""
    history = [_epoch_to_dict(epoch) for epoch in state.history]
    content = {"part": part, "history": history, "best": state.best, "best_epoch": state.best_epoch}
    save_tree(path, {**content, "parts": state.parts})


def load_state(path: Path) -> tuple[int, FitState]:
    """Return part number and state that `save_state` wrote, tensors on the CPU.

    Raises:
        InputError: the file is damaged.
    """
    content = load_tree(path)
    history = [_epoch_from_dict(values) for values in content["history"]]
    return content["part"], FitState(history, content["best"], content["best_epoch"], content["parts"])


def _epoch_to_dict(epoch: Epoch) -> dict[str, Any]:
    values = asdict(epoch)
    if epoch.evaluation is not None:
        values["evaluation"]["average_precision"] = epoch.evaluation.average_precision.tolist()
    return values


def _epoch_from_dict(values: dict[str, Any]) -> Epoch:
    found = values.pop("evaluation")
    if found is None:
        return Epoch(**values)
    found["average_precision"] = np.array(found["average_precision"])
    found["left_out"] = tuple(found["left_out"])
    return Epoch(**values, evaluation=Evaluation(**found))
