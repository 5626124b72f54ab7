"""One training run from start to record: the workspace's labels in, the run's files and metrics out."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator

from labelmend_core.ledger import Status
from labelmend_core.run_folder import RunFolder
from labelmend_core.training.data import TrainingData
from labelmend_core.training.finetune import finetune
from labelmend_core.training.outcome import write_outcome
from labelmend_core.training.planting import plant_drops
from labelmend_core.training.probe import train_probe
from labelmend_core.training.progress import Progress, RunProgress, Stopped
from labelmend_core.training.settings import RunSettings
from labelmend_core.workspace import Workspace

Show = Callable[[str, int, int, float | None], None]
Load = Callable[[Progress], TrainingData]


def train(
    workspace: Workspace,
    run_id: str,
    settings: RunSettings,
    load: Load,
    *,
    show: Show | None = None,
    workers: int = 0,
) -> Status:
    """Train what `settings` asks for and return how it ended, `DONE` or `STOPPED`.

    Args:
        workspace: that the run belongs to; its record is kept up to date.
        run_id: from `workspace.runs.start`.
        settings: what was asked for.
        load: returns what to train and measure on; reports how far it is, since images are decoded there.
        show: called with phase, steps done, steps in all and the estimated seconds left.
        workers: processes that decode images.
    """
    folder = workspace.run_folder(run_id)
    folder.mkdir(parents=True, exist_ok=True)
    run = RunFolder(folder)
    run.write_config(settings.to_dict())
    ended = Status.FAILED
    metrics = None
    try:
        progress = RunProgress(folder, show)
        data = load(progress)
        workspace.catalog.record_problems(data.unreadable)
        metrics = _train(run, settings, data, workspace.folder / "features", progress, workers)
        ended = Status.DONE
    except (Stopped, KeyboardInterrupt):
        ended = Status.STOPPED
    finally:
        workspace.runs.finish(run_id, ended, metrics)
    return ended


def _train(
    run: RunFolder, settings: RunSettings, data: TrainingData, features: Path, progress: RunProgress, workers: int
) -> dict[str, object]:
    # One Accelerator state a process: fine-tuning in float32 on a CPU, in bfloat16 on a GPU that has it.
    accelerator = Accelerator(mixed_precision=_precision(settings))
    hidden, images, classes = plant_drops(data.labels, settings.planted, np.random.default_rng([settings.seed, 1]))
    run.write_planted(images, classes)
    data = replace(data, labels=hidden)
    if settings.mode == "probe":
        outcome = train_probe(run, settings, data, features_folder=features, accelerator=accelerator, progress=progress)
    else:
        outcome = finetune(run, settings, data, accelerator=accelerator, progress=progress, workers=workers)
    return write_outcome(run, outcome, data.labels, data.unobserved)


def _precision(settings: RunSettings) -> str:
    half = settings.mode == "finetune" and torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    return "bf16" if half else "no"
