"""How fast a workspace goes into FiftyOne and decisions come back, and whether any is lost on the way."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from PIL import Image

from labelmend_app.fiftyone_bridge import layout
from labelmend_app.fiftyone_bridge.connection import connect
from labelmend_app.fiftyone_bridge.pull import pull
from labelmend_app.fiftyone_bridge.push import push
from labelmend_core.ledger import Status
from labelmend_core.run_folder import OUT_OF_SAMPLE, RunFolder, write_array
from labelmend_core.types import PRESENT, AnnotatedDataset, Kind, LabelMatrix, Verdict
from labelmend_core.workspace import Workspace

Show = Callable[[str, int, int], None]
_PER_IMAGE, _SUGGESTED, _FEATURES = 2, 0.05, 512
_NAMES = 30_000  # of one file; more than 65,000 are refused
_STATUSES = layout.DECISIONS
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Figures:
    """What was measured.

    Attributes:
        images, classes, suggestions: of the workspace.
        start_seconds: until fiftyone is imported and its database answers; once a process, in none of the others.
        push_seconds, repush_seconds: the first push, and one after every decision was made in FiftyOne.
        pull_seconds: of these decisions.
        decisions_sent: made in FiftyOne.
        decisions_kept: of these, in the ledger as they were made, after a push, a pull, and both once more.
    """

    images: int
    classes: int
    suggestions: int
    start_seconds: float
    push_seconds: float
    repush_seconds: float
    pull_seconds: float
    decisions_sent: int
    decisions_kept: int


def measure(folder: Path, images: int, classes: int, show: Show) -> Figures:
    """Return how fast a made-up workspace goes into FiftyOne and every suggestion comes back decided.

    Args:
        folder: for what is made up.
        images: N.
        classes: K.
        show: told what is done.
    """
    workspace = make_workspace(folder, images, classes)
    start, fiftyone = _timed(lambda: connect(workspace.folder))
    first, pushed = _timed(lambda: push(workspace, show=show))
    dataset = fiftyone.load_dataset(pushed.dataset)
    said = _decide(dataset)
    again, _ = _timed(lambda: push(workspace, show=show))
    pulling, _ = _timed(lambda: pull(workspace, reviewer="bench"))
    push(workspace, show=show)
    pull(workspace, reviewer="bench")
    kept = _kept(workspace, said)
    workspace.close()
    return Figures(images, classes, pushed.suggestions, start, first, again, pulling, len(said), kept)


def make_workspace(folder: Path, images: int, classes: int) -> Workspace:
    """Return a workspace with labels, a run, and suggestions, all made up: nothing is trained for it."""
    rng = np.random.default_rng(0)
    names = [f"{i:07d}.png" for i in range(images)]
    (folder / "images").mkdir()
    for start in range(0, images, _NAMES):
        first = folder / "images" / names[start]
        Image.new("RGB", (32, 32)).save(first)
        for name in names[start + 1 : start + _NAMES]:
            (folder / "images" / name).hardlink_to(first)
    source = folder / "labels.txt"
    source.write_text("\n", encoding="utf-8")
    present = np.unique(np.arange(images).repeat(_PER_IMAGE) * classes + rng.integers(0, classes, _PER_IMAGE * images))
    labels = LabelMatrix.from_cells(
        present // classes, present % classes, np.full(len(present), PRESENT), (images, classes)
    )
    dataset = AnnotatedDataset(names, names, [f"class {k}" for k in range(classes)], labels)
    workspace = Workspace.create(
        folder / "workspace", dataset, format_name="list", image_folder=folder / "images", source=source
    )
    run_id = workspace.runs.start(mode="probe", loss="hill", labels="given", n_decisions=0, settings={})
    run = RunFolder(workspace.run_folder(run_id))
    run.path.mkdir(parents=True, exist_ok=True)
    run.write_pred_probs(rng.random((images, classes)))
    write_array(run.path / "embeddings.npy", rng.standard_normal((images, _FEATURES)).astype(np.float16))
    workspace.queue.save(run_id, _suggestions(workspace, rng))
    workspace.runs.finish(run_id, Status.DONE, {"pred_probs": OUT_OF_SAMPLE})
    return workspace


def _suggestions(workspace: Workspace, rng: np.random.Generator) -> pd.DataFrame:
    n, k = workspace.dataset.given_labels.shape
    cells = rng.permutation(n * k)[: int(_SUGGESTED * n * k)]
    given = workspace.dataset.given_labels.values(cells // k, cells % k)
    kinds = np.where(given == PRESENT, Kind.SPURIOUS.value, Kind.MISSING.value)
    reason = {"p": 0.51, "p_source": OUT_OF_SAMPLE, "scores": {"out_of_sample": 1.23, "neighbours": 0.51}}
    frame = pd.DataFrame({"image_index": cells // k, "class_index": cells % k, "kind": kinds})
    frame["rank"] = frame.groupby("kind").cumcount() + 1
    frame["error_probability"] = 0.98 - 0.9 * frame["rank"] / len(frame)
    return frame.assign(label_quality=0.1, low=0.05, high=0.99, reason=[reason] * len(frame))


def _decide(dataset: Any) -> dict[tuple[int, int], Verdict]:
    """Decide on every suggestion, as FiftyOne's own interface does it, and return what was said of each cell."""
    ids, images, classes, kinds = dataset.values(
        [f"{layout.ELEMENTS}.id", "image_index", f"{layout.ELEMENTS}.class_index", f"{layout.ELEMENTS}.kind"]
    )
    statuses: dict[str, str] = {}
    said: dict[tuple[int, int], Verdict] = {}
    for image, *own in zip(images, ids, classes, kinds, strict=True):
        for id_, k, kind in zip(*(one or [] for one in own), strict=True):
            status = _STATUSES[len(said) % len(_STATUSES)]
            statuses[id_], said[image, k] = status, layout.verdict_of(kind, status)
    dataset.set_label_values(f"{layout.ELEMENTS}.status", statuses)
    return said


def _kept(workspace: Workspace, said: dict[tuple[int, int], Verdict]) -> int:
    found = [((event.image, event.class_index), event.verdict) for event in workspace.ledger.decisions()]
    known = dict(found)
    return sum(known.get(cell) is verdict for cell, verdict in said.items()) if len(found) == len(known) else 0


def _timed(call: Callable[[], _Result]) -> tuple[float, _Result]:
    began = time.perf_counter()
    result = call()
    return time.perf_counter() - began, result
