"""The loop on real photographs with dropped labels: how well each loss finds them, and what mending them gives.

The data is a folder with `images/`, `classes.txt`, `train_full.txt`, `train_0.4left.txt` and `val_full.txt`
in the list format.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from labelmend_app.importing import import_annotations
from labelmend_app.simulation import answer_with_truth, likeliest, precision_of_missing
from labelmend_app.training import train_in
from labelmend_core.detection import suggest
from labelmend_core.errors import InputError
from labelmend_core.ledger import RunRecord
from labelmend_core.training import RunSettings
from labelmend_core.types import LabelMatrix
from labelmend_core.workspace import Workspace
from labelmend_datasets.formats import FORMATS

LOSSES = ("bce", "asl", "hill", "splc", "pu_mlc")
ANSWERS = 2_000
NEEDED = ("images", "classes.txt", "train_full.txt", "train_0.4left.txt", "val_full.txt")
Show = Callable[[str, int, int, float | None], None]


@dataclass(frozen=True)
class Row:
    """One loss. `p` is the order of out-of-sample p alone, `ours` that of the suggestions; `*_macro` over classes.

    Attributes:
        map_noisy, map_corrected, map_full: validation mAP of a head trained on the labels as they are, after
            the simulated reviewer's answers, and on all true labels.
        missing_random: average precision of a random order.
        n_missing, n_estimated: how many labels are missing, and the sum of the error probabilities.
        mended: how many of the answers found an error.
    """

    loss: str
    map_noisy: float
    map_corrected: float
    map_full: float
    missing_p: float
    missing_p_macro: float
    missing_ours: float
    missing_ours_macro: float
    missing_random: float
    n_missing: int
    n_estimated: int
    answers: int
    mended: int


def run(data: Path, folder: Path, settings: RunSettings, show: Show, keep: Path | None = None) -> Iterator[Row]:
    """Yield one row a loss.

    Args:
        data: see the module.
        folder: an empty one, where workspaces are made.
        settings: mode "probe"; the loss is replaced by each of `LOSSES` with its defaults.
        show: progress.
        keep: where pixels and features are kept for a second run; used when they are there.

    Raises:
        InputError: `data` lacks a file.
    """
    absent = [name for name in NEEDED if not (data / name).exists()]
    if absent:
        raise InputError(f"Expected {', '.join(NEEDED)} in {data}, but {', '.join(absent)} are not there")
    truth = FORMATS["list"].read(data / "train_full.txt", classes=data / "classes.txt").given_labels
    full = _workspace(data, folder / "full", "train_full.txt")
    noisy = _workspace(data, folder / "noisy", "train_0.4left.txt")
    if keep is not None and keep.exists():
        _share(keep, noisy.folder)
    # The first run reads the pixels; all others find features and pixels beside them.
    train_in(noisy, replace(settings, loss=LOSSES[0]), show=show)
    if keep is not None and not keep.exists():
        _share(noisy.folder, keep)
    _share(noisy.folder, full.folder)
    for loss in LOSSES:
        of_loss = replace(settings, loss=loss)
        best = train_in(full, of_loss, show=show)
        workspace = _workspace(data, folder / loss, "train_0.4left.txt")
        _share(noisy.folder, workspace.folder)
        yield _row(workspace, of_loss, truth, best, show)
        workspace.close()
    full.close()
    noisy.close()


def _row(workspace: Workspace, settings: RunSettings, truth: LabelMatrix, best: RunRecord, show: Show) -> Row:
    before = train_in(workspace, settings, labels="given", show=show)
    precision = precision_of_missing(workspace, before.run_id, truth)
    # The reviewer answers a fixed number, so the queue must not end before.
    suggest(workspace, before.run_id, min_probability=0.01)
    answers = answer_with_truth(workspace, likeliest(workspace, before.run_id, ANSWERS), truth)
    given, corrected = workspace.dataset.given_labels, workspace.corrected_labels()
    images, classes = given.changed_cells(corrected)
    mended = int((given.values(images, classes) != corrected.values(images, classes).clip(0)).sum())
    after = train_in(workspace, settings, labels="corrected", show=show)
    return Row(
        loss=settings.loss,
        map_noisy=before.metrics["map"],
        map_corrected=after.metrics["map"],
        map_full=best.metrics["map"],
        missing_p=precision["p"],
        missing_p_macro=precision["p_macro"],
        missing_ours=precision["ours"],
        missing_ours_macro=precision["ours_macro"],
        missing_random=precision["random"],
        n_missing=round(precision["actual"]),
        n_estimated=round(precision["estimated"]),
        answers=answers,
        mended=mended,
    )


def _workspace(data: Path, folder: Path, annotations: str) -> Workspace:
    return import_annotations(
        folder,
        data / annotations,
        data / "images",
        format_name="list",
        classes=data / "classes.txt",
        validation=data / "val_full.txt",
    )


def _share(source: Path, destination: Path) -> None:
    """Link one workspace's pixels and features into another on the same images."""
    for name in ("pixels", "features"):
        shutil.copytree(source / name, destination / name, copy_function=os.link)
