"""How long it takes until an answer counts: recalibrating, the likeliest of all classes, and what the review shows."""

import statistics
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from labelmend_app.review.picked_queue import Pick, picked_queue
from labelmend_core.detection import best_now, outlook, recalibrations
from labelmend_core.types import AnnotatedDataset, Decision, Kind, LabelMatrix
from labelmend_core.workspace import Workspace

SUGGESTIONS, ANSWERS, CLASSES = 1_000_000, 20_000, (80, 1_000)
_STEPS = 60  # different error probabilities, as many as a calibration has
_SPURIOUS = 0.2  # share of the suggestions


@dataclass(frozen=True)
class Row:
    """One thing that is asked after an answer.

    Attributes:
        seconds, processor_seconds: by the clock and of all threads, the median of the repeats.
        first_seconds: of the first time in a process.
    """

    what: str
    suggestions: int
    classes: int
    answers: int
    seconds: float
    processor_seconds: float
    first_seconds: float


def measure(
    folder: Path,
    n_classes: int,
    *,
    suggestions: int = SUGGESTIONS,
    answers: int = ANSWERS,
    repeats: int = 5,
) -> list[Row]:
    """Return how long each takes in a made-up workspace, answered from the heads of some queues.

    Args:
        folder: for the workspace, which is removed.
        n_classes, suggestions, answers: how large it is.
        repeats: of each measurement, each after one more answer.
    """
    with TemporaryDirectory(dir=folder) as made, closing(_workspace(Path(made), n_classes, suggestions)) as workspace:
        run_id = workspace.queue.latest_run()
        assert run_id is not None
        _answer(workspace, run_id, answers)
        asked: dict[str, Callable[[], object]] = {
            "recalibrate": partial(recalibrations, workspace, run_id),
            "next 100": partial(best_now, workspace, run_id, 100),
            "next 500": partial(best_now, workspace, run_id, 500),
            "next 2,000": partial(best_now, workspace, run_id, 2_000),
            "all probabilities": partial(outlook, workspace, run_id),
            "review, at least 90 %": partial(picked_queue, workspace, run_id, Pick(likely=90)),
            "review, my next 500": partial(
                picked_queue, workspace, run_id, Pick(effort=500, since=workspace.ledger.newest())
            ),
        }
        return [
            Row(what, suggestions, n_classes, answers, *_timed(ask, lambda: _answer(workspace, run_id, 1), repeats))
            for what, ask in asked.items()
        ]


def _timed(ask: Callable[[], object], answer: Callable[[], None], repeats: int) -> tuple[float, float, float]:
    clock, processor = [], []
    for _ in range(repeats + 1):
        answer()
        started = time.perf_counter(), time.process_time()
        ask()
        clock.append(time.perf_counter() - started[0])
        processor.append(time.process_time() - started[1])
    return statistics.median(clock[1:]), statistics.median(processor[1:]), clock[0]


def _workspace(folder: Path, n_classes: int, suggestions: int) -> Workspace:
    """Suggestions spread over classes of very different size, with the reasons that real ones carry."""
    rng = np.random.default_rng(0)
    n_images = max(100, suggestions // 10)
    names = [f"{i:07}.jpg" for i in range(n_images)]
    source = folder / "labels.txt"
    source.write_text("\n", encoding="utf-8")
    classes = [f"class {k}" for k in range(n_classes)]
    dataset = AnnotatedDataset(names, names, classes, LabelMatrix.empty((n_images, n_classes)))
    workspace = Workspace.create(folder / "workspace", dataset, format_name="list", image_folder=folder, source=source)
    run_id = workspace.runs.start(mode="probe", loss="hill", labels="given", n_decisions=0, settings={})
    workspace.queue.save(run_id, _suggestions(n_images, n_classes, suggestions, rng))
    return workspace


def _suggestions(n_images: int, n_classes: int, n: int, rng: np.random.Generator) -> pd.DataFrame:
    share = np.minimum(rng.dirichlet(np.full(n_classes, 0.5)) * n, n_images * 0.8)
    cells = [
        np.stack([rng.choice(n_images, size, replace=False), np.full(size, k)])
        for k, size in enumerate(np.maximum(share.round().astype(np.int64), 1).tolist())
    ]
    images, classes = np.concatenate(cells, axis=1)
    steps = 0.2 + 0.8 * np.sort(rng.beta(1, 1.5, _STEPS))
    p = steps[rng.integers(0, _STEPS, images.size)]
    kinds = np.where(rng.random(images.size) < _SPURIOUS, Kind.SPURIOUS.value, Kind.MISSING.value)
    frame = pd.DataFrame({"image_index": images, "class_index": classes, "kind": kinds, "error_probability": p})
    frame = frame.sort_values("error_probability", ascending=False, ignore_index=True)
    scores = {"out_of_sample": 1.23, "training_dynamics": -0.22, "neighbours": 0.51, "other_labels": -0.05}
    reason = {"p": 0.5123, "p_source": "out of sample", "mean_p": 0.5, "flip_epoch": 3, "scores": scores}
    frame["rank"] = frame.groupby("kind").cumcount() + 1
    return frame.assign(label_quality=0.5, low=0.1, high=0.9, reason=[reason] * len(frame))


def _answer(workspace: Workspace, run_id: str, n: int) -> None:
    """Accept the likeliest ones in seven of ten cases."""
    best, now = best_now(workspace, run_id, n), datetime.now(UTC)
    first = workspace.ledger.acknowledged("benchmark") + 1
    accept = {kind.value: kind.error_verdict for kind in Kind}
    reject = {kind.value: kind.fine_verdict for kind in Kind}
    workspace.ledger.append(
        [
            Decision(
                client="benchmark",
                seq=seq,
                image=row.image_index,
                class_index=row.class_index,
                verdict=(accept if seq % 10 < 7 else reject)[row.kind],
                reviewer="benchmark",
                decided_at=now,
                suggestion_id=row.suggestion_id,
            )
            for seq, row in enumerate(best.itertuples(), first)
        ]
    )
