"""One training run from start to record: the workspace's labels in, the run's files and metrics out."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState
from torch import distributed

from labelmend_core.ledger import Status
from labelmend_core.run_folder import RunFolder
from labelmend_core.training.data import TrainingData
from labelmend_core.training.failing import failing_together, forget_failure, when_others_are_gone
from labelmend_core.training.finetune import finetune
from labelmend_core.training.outcome import write_outcome
from labelmend_core.training.planting import chance_of_additions, chance_of_drops, plant_additions, plant_drops
from labelmend_core.training.probe import train_probe
from labelmend_core.training.processes import are_many, join_others, leave_others
from labelmend_core.training.progress import Progress, RunProgress, Stopped, silent
from labelmend_core.training.settings import RunSettings
from labelmend_core.training.tracking import log_result, tracked, trackers_of
from labelmend_core.workspace import Workspace

Show = Callable[[str, int, int, float | None], None]
Load = Callable[[Progress], TrainingData]


@dataclass(frozen=True)
class _Task:
    """What the processes of a training have to know."""

    folder: Path
    settings: RunSettings
    data: TrainingData
    features: Path
    workers: int


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

    Where several processes were launched, this is for the first one; the others call `help_train`.

    Args:
        workspace: that the run belongs to; its record is kept up to date.
        run_id: from `workspace.runs.start`.
        settings: what was asked for.
        load: returns what to train and measure on; reports how far it is, since images are decoded there.
        show: called with phase, steps done, steps in all and the estimated seconds left.
        workers: processes that decode images, of each process that trains.
    """
    folder = workspace.run_folder(run_id)
    folder.mkdir(parents=True, exist_ok=True)
    run = RunFolder(folder)
    run.remove_leftovers()
    forget_failure(folder)
    run.write_config(settings.to_dict())
    ended = Status.FAILED
    metrics = None
    try:
        progress = RunProgress(folder, show)
        with _others_told() as tell:
            data = load(progress)
            workspace.catalog.record_problems(data.unreadable)
            task = _Task(folder.resolve(), settings, data, workspace.folder.resolve() / "features", workers)
            tell(task)
        with _together(folder, lambda: workspace.runs.finish(run_id, Status.FAILED)):
            metrics = _train(task, progress)
        leave_others()
        ended = Status.DONE
    except (Stopped, KeyboardInterrupt):
        ended = Status.STOPPED
    finally:
        workspace.runs.finish(run_id, ended, metrics)
    return ended


def help_train() -> None:
    """Train along with the first process, which says what, until it is done; write nothing."""
    join_others()
    held: list[_Task | None] = [None]
    with when_others_are_gone():
        distributed.broadcast_object_list(held, src=0)
    (task,) = held
    if task is None:  # the first process has nothing to train, and has said why
        return
    with suppress(Stopped), _together(task.folder, lambda: None):
        _train(task, silent)
    leave_others()


@contextmanager
def _others_told() -> Iterator[Callable[[_Task], None]]:
    """Give a call that tells the other processes what to train; where the block fails before, that there is nothing."""
    if not are_many():
        yield lambda task: None
        return
    join_others()
    told: list[_Task | None] = []

    def tell(task: _Task | None) -> None:
        told.append(task)
        distributed.broadcast_object_list([task], src=0)

    try:
        yield tell
    finally:
        if not told:
            tell(None)


def _together(folder: Path, ended: Callable[[], None]) -> AbstractContextManager[None]:
    return failing_together(folder, ended) if are_many() else nullcontext()


def _train(task: _Task, progress: Progress) -> dict[str, object] | None:
    settings, run = task.settings, RunFolder(task.folder)
    main = PartialState().is_main_process
    trackers = trackers_of(settings.track, run.path, task.features.parent / "tensorboard") if main else []
    # Accelerate holds one precision a process; a notebook trains a probe in float32, then a network in bfloat16.
    AcceleratorState._reset_state()
    accelerator = Accelerator(mixed_precision=_precision(settings), log_with=trackers or None)
    with tracked(accelerator, settings.to_dict(), run.path):
        metrics = _trained(run, task, accelerator, progress)
        if metrics is not None:
            log_result(accelerator, metrics)
    return metrics


def _trained(run: RunFolder, task: _Task, accelerator: Accelerator, progress: Progress) -> dict[str, object] | None:
    settings, data = task.settings, task.data
    hidden, *planted = plant_drops(data.labels, settings.planted, chance_of_drops(settings.seed))
    if accelerator.is_main_process:
        run.write_planted(*planted)
    if settings.mode == "probe":
        outcome = train_probe(
            run,
            settings,
            data,
            hidden=hidden,
            features_folder=task.features,
            accelerator=accelerator,
            progress=progress,
        )
        return None if outcome is None else write_outcome(run, outcome, hidden, data.unobserved)
    labels = hidden
    # With folds, suggestions rest on what networks say of images that they have not seen, so there is no need.
    if settings.folds == 1:
        labels, *added = plant_additions(hidden, settings.planted, chance_of_additions(settings.seed))
        if accelerator.is_main_process:
            run.write_planted(*added, added=True)
    data = replace(data, labels=labels)
    outcome = finetune(run, settings, data, accelerator=accelerator, progress=progress, workers=task.workers)
    return None if outcome is None else write_outcome(run, outcome, data.labels, data.unobserved)


def _precision(settings: RunSettings) -> str:
    if settings.mode == "probe" or settings.precision == "no":
        return "no"
    half = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    return "bf16" if settings.precision == "bf16" or half else "no"
