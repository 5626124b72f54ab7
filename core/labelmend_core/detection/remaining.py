"""The audit sample of a run, from the draw to what it says: the files and tables behind `audit` and `stopping`."""

import zlib
from dataclasses import dataclass

import numpy as np
import pandas as pd

from labelmend_core.detection.audit import DEFAULT_SIZE, Frame, draw_audit, frame_of, with_places
from labelmend_core.detection.labelling import HARD
from labelmend_core.detection.learning import Learned, learn
from labelmend_core.detection.recalibration import Total
from labelmend_core.detection.stopping import LEAST_AUDITED, Answers, Remaining, what_remains
from labelmend_core.ledger import AuditCell
from labelmend_core.types import IntArray, Kind
from labelmend_core.workspace import Workspace

NEXT = 100  # suggestions that "the next ones" are
MOST_CELLS = 20_000_000  # the draw looks at a row for every cell: `suggest` holds 2.1 GB then
_PICTURES = 5  # that the review shows for each one of the sample, while there are suggestions


@dataclass(frozen=True, eq=False)
class Left:
    """What is known of the errors of one kind that a run's dataset still has.

    Attributes:
        drawn, audited: cells in the sample, and those of them that are answered.
        answers_needed: about how many pictures to answer before there is an estimate; 0 when there is one.
        expected: how many errors the cells hold that nobody has answered, by the error probabilities as the answers
            have corrected them: right as far as these are.
        estimate: by the sample, whatever the probabilities are worth; None while there are too few answers.
    """

    drawn: int
    audited: int
    answers_needed: int
    expected: Total
    estimate: Remaining | None


def draw_for_run(
    workspace: Workspace,
    run_id: str,
    cells: pd.DataFrame,
    suggestions: pd.DataFrame,
    size: int = DEFAULT_SIZE,
) -> bool:
    """Draw the audit sample of a run, keep it, and return whether a new one was drawn.

    A run keeps the sample that it has: one that is drawn after the first answers would not be random. It depends on
    the seed of the run and on which run of the workspace it is: the same commands give the same sample, and the next
    run another one.

    Args:
        workspace: that the run belongs to.
        run_id: a finished run.
        cells: every cell that may be an error and that nobody has answered, as `Candidates.every` gives them.
        suggestions: those of them that are suggested, with their ranks.
        size: cells of each kind; 0 draws none.
    """
    if not size or workspace.audits.has(run_id):
        return False
    oldest_first = [record.run_id for record in reversed(workspace.runs.all())]
    settings = workspace.runs.get(run_id).settings
    seed = zlib.crc32(f"{settings.get('seed', 0)} {oldest_first.index(run_id)}".encode())
    sample = with_places(draw_audit(cells, size, seed=seed), suggestions, seed=seed)
    frame_of(cells, workspace.dataset.given_labels.shape).write(workspace.run_folder(run_id))
    return workspace.audits.save(run_id, sample)


def remaining_errors(workspace: Workspace, run_id: str, *, next_n: int = NEXT) -> dict[Kind, Left]:
    """Return of each kind what is known of the errors that remain; empty when the run has no audit sample.

    Args:
        workspace: that the run belongs to.
        run_id: a run with suggestions.
        next_n: for how many of the next suggestions to say what they will mend.
    """
    if not workspace.audits.has(run_id):
        return {}
    frame = Frame.read(workspace.run_folder(run_id))
    verdicts, learned = workspace.ledger.verdicts(), learn(workspace, run_id)
    return {kind: _left(workspace, run_id, frame, verdicts, learned, kind, next_n) for kind in Kind}


def _left(
    workspace: Workspace, run_id: str, frame: Frame, verdicts: pd.DataFrame, learned: Learned, kind: Kind, next_n: int
) -> Left:
    sample = workspace.audits.cells(run_id, kind=kind)
    audited = [cell for cell in sample if cell.answers]
    sizes, expected = frame.of(kind)
    left = np.maximum(sizes - _count(frame, verdicts, kind), 0)
    total = learned.now[kind].total(left, expected / np.maximum(sizes, 1))
    if kind is Kind.SPURIOUS:  # a hundredth was taken off already: nobody knows yet whether it should have been two
        total = total.or_fewer(HARD * sizes.sum(axis=1))
    short = min(LEAST_AUDITED, len(sample)) - len(audited)
    if short > 0:
        between = workspace.queue.best(run_id, short * (_PICTURES - 1), {kind: learned.now[kind]}, learned.answered)
        return Left(len(sample), len(audited), short + len(between), total, None)
    answers = _answers(frame, verdicts, audited, kind)
    upcoming = workspace.queue.best(run_id, next_n, {kind: learned.now[kind]}, learned.answered)
    estimate = what_remains(sizes, expected, answers, _count(frame, upcoming, kind))
    return Left(len(sample), len(audited), 0, total, estimate)


def _answers(frame: Frame, verdicts: pd.DataFrame, audited: list[AuditCell], kind: Kind) -> Answers:
    images = np.array([cell.image_index for cell in audited], dtype=np.int64)
    classes = np.array([cell.class_index for cell in audited], dtype=np.int64)
    asked = pd.MultiIndex.from_frame(verdicts[["image_index", "class_index"]])
    others = verdicts[~asked.isin(pd.MultiIndex.from_arrays([images, classes]))]
    return Answers(
        n=_count(frame, others, kind),
        errors=_count(frame, others[others["verdict"] == kind.error_verdict.value], kind),
        classes=classes,
        steps=frame.steps(images, classes, kind),
        said_error=np.array([cell.said_error for cell in audited], dtype=np.int64),
        said_fine=np.array([cell.said_fine for cell in audited], dtype=np.int64),
        mended=np.array([cell.mended for cell in audited], dtype=bool),
    )


def _count(frame: Frame, cells: pd.DataFrame, kind: Kind) -> IntArray:
    """Count cells by class and step, leaving out those that were no candidates when the sample was drawn."""
    images, classes = (cells[name].to_numpy(np.int64) for name in ("image_index", "class_index"))
    steps = frame.steps(images, classes, kind)
    counts = np.zeros(frame.of(kind)[0].shape, dtype=np.int64)
    np.add.at(counts, (classes[steps >= 0], steps[steps >= 0]), 1)
    return counts
