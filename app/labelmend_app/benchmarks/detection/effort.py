"""What answers are worth: missing labels mended, and mAP regained, against the number of answers in several orders."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from labelmend_app.benchmarks.arena import Arena, compete
from labelmend_app.benchmarks.detection.baselines import has_cleanlab, self_confidence
from labelmend_app.benchmarks.detection.problem import Problem
from labelmend_app.benchmarks.detection.queue import before_answers, retrained
from labelmend_app.benchmarks.detection.session import MakeSession, Session
from labelmend_app.benchmarks.kept import DETECTION, KeptRecords
from labelmend_core.training import RunSettings
from labelmend_core.types import ABSENT, PRESENT, IntArray, Kind, LabelMatrix

CASES = ("0.4left", "mixed")  # where nobody asks for others
CHECKPOINTS = (0, 500, 1_000, 2_000, 4_000)
EVERY = 500
_MOST_TIMES = 40  # that the queue is ranked again; the rest follows the last order
_SHARE = 0.8
_LEAST_COST = 0.005  # mAP; a share of less would be one of noise
# Of the head that the mended labels train: BCE learns that what a review has left is not missing at random.
_LOSS = "hill"
RERANKED, FIXED, CLEANLAB, RANDOM = "ours, ranked again", "ours", "cleanlab", "random"
Show = Callable[[str, int, int], None]
Cells = tuple[IntArray, IntArray]


@dataclass(frozen=True)
class Row:
    """One order of one case.

    Attributes:
        answers: checkpoints.
        mended: share of the missing labels that are mended by then, in [0, 1].
        maps: validation mAP of a head that was trained on the labels as they are then.
        best: validation mAP of a head that was trained on the true labels.
        needed: answers to mend 80 %.
    """

    case: str
    order: str
    answers: tuple[int, ...]
    mended: tuple[float, ...]
    maps: tuple[float, ...]
    best: float
    needed: int

    @property
    def regained(self) -> tuple[float, ...] | None:
        """How much of the mAP that the errors cost is back at each checkpoint; None where they cost next to none."""
        cost = self.best - self.maps[0]
        return tuple((found - self.maps[0]) / cost for found in self.maps) if cost >= _LEAST_COST else None


def run(
    problems: Sequence[Problem],
    make: MakeSession,
    show: Show,
    *,
    keep: Path | None = None,
    checkpoints: Sequence[int] = CHECKPOINTS,
    every: int = EVERY,
) -> Iterator[Row]:
    """Yield a row for each problem and order.

    Args:
        problems: cases.
        make: makes a session.
        show: told how far it is.
        keep: a file that keeps every row, so that a stopped benchmark goes on; None keeps nothing.
        checkpoints: numbers of answers, the first is 0.
        every: answers after which the queue is ranked again.
    """
    kept = KeptRecords(keep, DETECTION)
    orders = [RERANKED, FIXED, *([CLEANLAB] if has_cleanlab() else []), RANDOM]
    done = 0
    for problem in problems:
        for order in orders:
            show(f"effort, {problem.name}, {order}", done, len(problems) * len(orders))
            what = [problem.name, problem.fingerprint, order, list(checkpoints), every]
            record = kept(
                what,
                lambda problem=problem, order=order: asdict(_row(problem, order, make, checkpoints, every)),  # type: ignore[misc]
            )
            yield _as_row(record)
            done += 1


def _as_row(record: dict[str, Any]) -> Row:
    """Return the row of a record, which may have been JSON, where there are no tuples."""
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in record.items()
    }
    return Row(**values)


def _row(problem: Problem, order: str, make: MakeSession, checkpoints: Sequence[int], every: int) -> Row:
    session = make(problem)
    images, classes = _asked(session, order, every)
    session.close()
    errors = problem.truth.values(images, classes) == PRESENT
    mended = np.append(0, np.cumsum(errors)) / errors.sum()
    steps = [min(step, len(images)) for step in checkpoints]
    maps = [_map(problem, _mended(problem, images[:step], classes[:step])) for step in steps]
    return Row(
        problem.name,
        order,
        tuple(checkpoints),
        tuple(float(mended[step]) for step in steps),
        tuple(maps),
        _map(problem, problem.truth),
        int(np.searchsorted(mended, _SHARE)),
    )


def _asked(session: Session, order: str, every: int) -> Cells:
    """Return all cells that are not given as present in the order in which a reviewer is asked about them."""
    present = session.problem.given.dense() == PRESENT
    if order == RANDOM:
        return _in_order(np.random.default_rng(0).random(present.shape), present)
    if order == CLEANLAB:
        evidence = session.evidence(session.train())
        return _in_order(self_confidence(present, evidence.pred_probs), present)
    queue = before_answers(session)
    if order == FIXED:
        return queue.first(Kind.MISSING, present.size)
    truth = session.problem.truth
    enough = _SHARE * ((truth.dense() == PRESENT) & ~present).sum()
    asked: list[Cells] = []
    found = 0
    while found < enough and len(asked) < _MOST_TIMES:
        cells = queue.first(Kind.MISSING, every)
        session.answer(*cells)
        asked.append(cells)
        found += int((truth.values(*cells) == PRESENT).sum())
        queue = retrained(session)
    asked.append(queue.first(Kind.MISSING, present.size))
    return np.concatenate([cells[0] for cells in asked]), np.concatenate([cells[1] for cells in asked])


def _in_order(suspicion: NDArray[np.floating], present: NDArray[np.bool_]) -> Cells:
    rows, columns = np.nonzero(~present)
    order = np.argsort(-suspicion[rows, columns], kind="stable")
    return rows[order], columns[order]


def _mended(problem: Problem, images: IntArray, classes: IntArray) -> LabelMatrix:
    """Return the given labels with what a reviewer who knows the truth says of some cells."""
    present = problem.truth.values(images, classes) == PRESENT
    return problem.given.replace(images, classes, np.where(present, PRESENT, ABSENT))


def _map(problem: Problem, labels: LabelMatrix) -> float:
    """Return the validation mAP of a head trained on these labels."""
    settings: RunSettings = replace(problem.settings, loss=_LOSS, hyperparameters={})
    inputs = torch.from_numpy(np.asarray(problem.features))
    arena = Arena(problem.name, inputs, {"": labels}, problem.validation.dense(), problem.class_names, settings, ())
    return compete(arena, "", settings).measured
