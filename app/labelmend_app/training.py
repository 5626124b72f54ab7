"""Training in a workspace: its images, its labels, one run; used by the command line, the demo and the benchmarks."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from labelmend_core.cores import cores
from labelmend_core.detection import labels_of_run
from labelmend_core.errors import ImageError, InputError
from labelmend_core.ledger import RunRecord, Status
from labelmend_core.metrics import how_to_read_unobserved
from labelmend_core.run_folder import RunFolder
from labelmend_core.workspace import Workspace

if TYPE_CHECKING:
    from labelmend_core.training import Progress, RunSettings, TrainingData
    from labelmend_datasets.images import ImageTensors

Show = Callable[[str, int, int, float | None], None]
Labels = Literal["given", "corrected"]


def train_in(
    workspace: Workspace,
    settings: "RunSettings",
    *,
    labels: Labels = "corrected",
    show: Show | None = None,
) -> RunRecord:
    """Train a new run and return its record, done or stopped.

    Args:
        workspace: whose images and labels are trained on.
        settings: what to train.
        labels: "given", or "corrected" by the decisions so far.
        show: called with phase, steps done, steps in all and the estimated seconds left.
    """
    from labelmend_core.trackers import require_trackers

    require_trackers(settings.track)
    run_id = workspace.runs.start(
        mode=settings.mode,
        loss=settings.loss,
        labels=labels,
        n_decisions=workspace.ledger.count() if labels == "corrected" else 0,
        settings=settings.to_dict(),
    )
    return _run(workspace, run_id, settings, show)


def resume(workspace: Workspace, run_id: str, *, show: Show | None = None, forget_stop: bool = True) -> RunRecord:
    """Go on with a stopped, failed or dead run on the labels that it was started with.

    Args:
        workspace: that the run belongs to.
        run_id: the run.
        show: as in `train_in`.
        forget_stop: take back the stop that ended it; not where this was done already and another may have come since.

    Raises:
        InputError: there is no such run, it is done, or it is running.
    """
    record = workspace.runs.get(run_id)
    if record.status in (Status.DONE, Status.RUNNING):
        raise InputError(f"Expected a run that was stopped, but {run_id} is {record.status}")
    if "backbone" not in record.settings:
        where_from = "imported" if record.mode == "imported" else "recorded of another training loop"
        raise InputError(f"Expected a run of 'labelmend train', but {run_id} was {where_from}")
    if forget_stop:  # before the run counts as running, when it can be stopped again
        RunFolder(workspace.run_folder(run_id)).stop.unlink(missing_ok=True)
    from labelmend_core.trackers import require_trackers
    from labelmend_core.training import RunSettings

    settings = RunSettings.from_dict(record.settings)
    require_trackers(settings.track)
    workspace.runs.resume(run_id)
    return _run(workspace, run_id, settings, show)


def _run(workspace: Workspace, run_id: str, settings: "RunSettings", show: Show | None) -> RunRecord:
    from labelmend_core.training import train

    images = image_tensors(workspace, settings.backbone.image_size)
    # Decoded images come out of the cache; only what does not fit there needs processes of its own.
    workers = 0 if images.is_cached else min(8, cores())
    train(
        workspace,
        run_id,
        settings,
        lambda progress: _load(workspace, run_id, images, settings.unobserved, progress),
        show=show,
        workers=workers,
    )
    return workspace.runs.get(run_id)


def image_tensors(workspace: Workspace, image_size: int) -> "ImageTensors":
    """Return training and then validation images at the given size, decoded once into the workspace."""
    from labelmend_datasets.images import ImageTensors, workspace_image

    n = len(workspace.dataset.paths) + (0 if workspace.validation is None else len(workspace.validation.paths))
    cache = workspace.folder / "pixels" / f"{image_size}"
    return ImageTensors([workspace_image(workspace, image) for image in range(n)], image_size, cache)


def _load(
    workspace: Workspace, run_id: str, images: "ImageTensors", unobserved: str, progress: "Progress"
) -> "TrainingData":
    from labelmend_core.training import TrainingData

    validation = workspace.validation
    n_images = len(images)
    unreadable = images.check(range(n_images), lambda done, total: progress("reading the images", done, total))
    if len(unreadable) == n_images:
        raise ImageError(
            f"Expected images that can be read, but none of {n_images} can: {next(iter(unreadable.values()))}"
        )
    return TrainingData(
        images=images,
        labels=labels_of_run(workspace, run_id),
        validation_labels=None if validation is None else validation.given_labels,
        unreadable=unreadable,
        class_names=tuple(workspace.dataset.class_names),
        unobserved=how_to_read_unobserved(workspace.dataset.given_labels, unobserved),
        validation_unobserved="absent"
        if validation is None
        else how_to_read_unobserved(validation.given_labels, unobserved),
    )
