"""What labelmend shows a reviewer, before the first answer and after some: the one place that the measures ask."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from labelmend_app.benchmarks.detection.session import Session, with_companion
from labelmend_core.detection import rank_run, recalibrations, remaining_errors, suggest
from labelmend_core.detection.recalibration import Total
from labelmend_core.types import IntArray, Kind

_LEAST = 0.1  # error_probability of a suggestion: more of them than a workspace shows at first, so that no queue ends
_AUDITED = 5  # one of so many pictures is one of the audit sample, as in the review


@dataclass(frozen=True)
class Estimate:
    """How many errors of one kind there are among the cells that nobody has decided, with its 90 % interval."""

    n: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Queue:
    """All undecided cells of a session in the order in which they are shown.

    Attributes:
        run_id: of the run that they come from.
        cells: image_index, class_index, kind, error_probability, low, high, rank; best first within a kind.
        left: of each kind, how many errors there are among them; without it, their probabilities are summed.
    """

    run_id: str
    cells: pd.DataFrame
    left: Mapping[Kind, Total] | None = None

    def of(self, kind: Kind) -> pd.DataFrame:
        """Return the cells of one kind, the most suspicious first."""
        return self.cells[self.cells["kind"] == kind.value]

    def first(self, kind: Kind, n: int) -> tuple[IntArray, IntArray]:
        """Return image and class indices of the n most suspicious cells of a kind."""
        cells = self.of(kind)[:n]
        return cells["image_index"].to_numpy(np.int64), cells["class_index"].to_numpy(np.int64)

    def estimate(self, kind: Kind) -> Estimate:
        """Return how many errors of a kind are left."""
        if self.left is not None:
            total = self.left[kind]
            return Estimate(total.n, total.low, total.high)
        cells = self.of(kind)
        return Estimate(*(float(cells[name].sum()) for name in ("error_probability", "low", "high")))


def before_answers(session: Session) -> Queue:
    """Return the queue of a run on the labels as they were given, whose suggestions and audit sample are stored."""
    queue = _queue(session, session.train(settings=with_companion(session.problem.settings)))
    suggest(session.workspace, queue.run_id, min_probability=_LEAST)
    return replace(queue, left=_left(session, queue.run_id))


def asked(session: Session, queue: Queue, kind: Kind, n: int) -> tuple[IntArray, IntArray]:
    """Return the next n pictures of a kind: the likeliest errors, and one in five of the audit sample."""
    sample = [cell for cell in session.workspace.audits.cells(queue.run_id, kind=kind) if not cell.answers]
    order = np.random.default_rng(len(sample)).permutation(len(sample))[: n // _AUDITED]
    images, classes = queue.first(kind, n)
    audited = {(sample[i].image_index, sample[i].class_index) for i in order}
    first = [cell for cell in zip(images.tolist(), classes.tolist(), strict=True) if cell not in audited]
    cells = np.array([*first[: n - len(audited)], *audited], dtype=np.int64).reshape(-1, 2)
    return cells[:, 0], cells[:, 1]


def learned(session: Session, queue: Queue) -> Queue:
    """Return the same queue after answers: what is left of it, as likely as it is now."""
    found = recalibrations(session.workspace, queue.run_id)
    of_each = []
    for kind in Kind:
        cells = _undecided(session, queue.of(kind))
        now = found[kind](cells["class_index"].to_numpy(np.int64), cells["error_probability"].to_numpy(np.float64))
        cells = cells.assign(error_probability=now[0], low=now[1], high=now[2])
        of_each.append(cells.sort_values("error_probability", ascending=False, kind="stable"))
    return Queue(queue.run_id, pd.concat(of_each, ignore_index=True), _left(session, queue.run_id))


def retrained(session: Session) -> Queue:
    """Return the queue of a run on the labels that the answers correct."""
    settings = with_companion(session.problem.settings)
    return _queue(session, session.train(corrected=True, settings=settings))


def _queue(session: Session, run_id: str) -> Queue:
    return Queue(run_id, _undecided(session, rank_run(session.workspace, run_id, min_probability=0)))


def _undecided(session: Session, cells: pd.DataFrame) -> pd.DataFrame:
    return cells[~session.answered()[cells["image_index"], cells["class_index"]]]


def _left(session: Session, run_id: str) -> dict[Kind, Total]:
    return {kind: left.expected for kind, left in remaining_errors(session.workspace, run_id).items()}
