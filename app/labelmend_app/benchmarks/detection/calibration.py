"""How far the figures can be trusted: probabilities by decile of the queue, and the number of errors."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labelmend_app.benchmarks.detection.baselines import cleanlab_counts, has_cleanlab
from labelmend_app.benchmarks.detection.problem import Problem, half
from labelmend_app.benchmarks.detection.queue import Queue, asked, before_answers, learned
from labelmend_app.benchmarks.detection.session import MakeSession, Session
from labelmend_app.benchmarks.kept import DETECTION, KeptRecords
from labelmend_core.types import PRESENT, IntArray, Kind

ANSWERS = (0, 200, 300)  # half of them of each kind
AT_LEAST = 0.5  # the probability from which on `labelmend suggest` shows a cell
WITHIN = {0: 0.35, 300: 0.15}  # the aim for the number of errors
_DECILES = 10
_LONG = 2.0  # the queue is as long as twice the errors: its end is as good as free of them
_DRAWS = 2_000
_FEWEST = 20  # errors of which a relative deviation says something
Show = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Decile:
    """One part of a queue.

    Attributes:
        answers: given before.
        part: 1 to 10, the first decile to the last; 0 is the cells of probability .5 and more, as a whole.
        cells: how many.
        estimated: mean error probability, in [0, 1]; None of no cells.
        actual: share of errors, in [0, 1]; None likewise.
    """

    case: str
    kind: str
    answers: int
    part: int
    cells: int
    estimated: float | None
    actual: float | None


@dataclass(frozen=True)
class Count:
    """How many errors of one kind there are in all, those that were answered included.

    Attributes:
        answers: given before.
        estimated, low, high: with the 90 % interval.
        actual: in fact.
        cleanlab: what its confident joint counts in the same run; None where it is not installed.
    """

    case: str
    kind: str
    answers: int
    estimated: float
    low: float
    high: float
    actual: int
    cleanlab: float | None

    @property
    def covers(self) -> bool:
        """Whether the interval, in whole labels, holds the actual number."""
        return math.floor(self.low) <= self.actual <= math.ceil(self.high)


@dataclass(frozen=True)
class Summary:
    """The counts of one kind after as many answers, over all sessions.

    Attributes:
        sessions: how many.
        coverage: share whose interval holds the actual number.
        deviation: median of |estimated / actual - 1| over the sessions with at least 20 errors; None without any.
        within: share of these sessions within the aim, None where there is no aim.
        cleanlab_deviation: that of cleanlab's counts, None without them.
        low_ratio, high_ratio: smallest and largest estimated / actual.
    """

    kind: str
    answers: int
    sessions: int
    coverage: float
    deviation: float | None
    within: float | None
    cleanlab_deviation: float | None
    low_ratio: float | None
    high_ratio: float | None


def deciles(problems: Sequence[Problem], make: MakeSession, show: Show) -> Iterator[Decile]:
    """Yield the deciles of every problem before any answer and after 200."""
    for done, problem in enumerate(problems):
        show(f"calibration, {problem.name}", done, len(problems))
        session = make(problem)
        for answers, queue in _reviewed(session, ANSWERS[:2]):
            for kind in Kind:
                yield from _deciles(session, queue, kind, answers)
        session.close()


def parts_of_queue(wrong: NDArray[np.bool_]) -> list[IntArray]:
    """Return the places of each decile of a queue that is twice as long as there are errors.

    Args:
        wrong: (M,) whether each cell is an error, the likeliest first.
    """
    length = min(len(wrong), round(_LONG * wrong.sum()))
    return np.array_split(np.arange(length), _DECILES)


def by_chance(parts: Sequence[Decile]) -> float | None:
    """Return the largest difference that probabilities without any fault would show, the mean of many draws.

    A decile is some hundred cells, and the share of errors among them is as uncertain as that of heads in as many
    throws.

    Args:
        parts: of one queue.
    """
    some = [(part.cells, part.actual) for part in parts if part.actual is not None]
    if not some:
        return None
    n, share = np.array(some).T
    drawn = np.random.default_rng(0).binomial(n.astype(np.int64), share, (_DRAWS, len(some))) / n
    return float(np.abs(drawn - share).max(axis=1).mean())


def counts(problems: Sequence[Problem], make: MakeSession, show: Show, sessions: int, keep: Path | None) -> list[Count]:
    """Return the counts of simulated sessions, each on a half of one of the problems, these in turn.

    Args:
        problems: cases.
        make: makes a session.
        show: told how far it is.
        sessions: how many.
        keep: a file that keeps every session, so that a stopped benchmark goes on; None keeps nothing.
    """
    kept = KeptRecords(keep, DETECTION)
    found: list[Count] = []
    for number in range(sessions):
        problem = problems[number % len(problems)]
        show(f"counting, {problem.name}", number, sessions)
        what = [problem.name, problem.fingerprint, number, has_cleanlab()]
        records = kept(what, lambda problem=problem, number=number: _session(half(problem, number), make))  # type: ignore[misc]
        found += [Count(**record) for record in records]
    return found


def summaries(found: Sequence[Count]) -> Iterator[Summary]:
    """Yield what the counts of all sessions come to."""
    for kind, answers in dict.fromkeys((count.kind, count.answers) for count in found):
        here = [count for count in found if (count.kind, count.answers) == (kind, answers)]
        many = [count for count in here if count.actual >= _FEWEST]
        ratios = np.array([count.estimated / count.actual for count in many])
        of_cleanlab = [count.cleanlab / count.actual for count in many if count.cleanlab is not None]
        aim = WITHIN.get(answers)
        yield Summary(
            kind,
            answers,
            len(here),
            coverage=float(np.mean([count.covers for count in here])),
            deviation=_median_deviation(ratios),
            within=float((np.abs(ratios - 1) <= aim).mean()) if aim is not None and many else None,
            cleanlab_deviation=_median_deviation(np.array(of_cleanlab)),
            low_ratio=float(ratios.min()) if many else None,
            high_ratio=float(ratios.max()) if many else None,
        )


def _session(problem: Problem, make: MakeSession) -> list[dict[str, object]]:
    session = make(problem)
    records = [
        asdict(_count(session, queue, kind, answers)) for answers, queue in _reviewed(session, ANSWERS) for kind in Kind
    ]
    session.close()
    return records


def _reviewed(session: Session, steps: Sequence[int]) -> Iterator[tuple[int, Queue]]:
    """Yield the queue after each number of answers, half of them of each kind; nothing is trained again."""
    first, given = before_answers(session), 0
    queue = first
    for answers in steps:
        if answers > given:
            for kind in Kind:
                session.answer(*asked(session, queue, kind, (answers - given) // len(Kind)))
            queue, given = learned(session, first), answers
        yield answers, queue


def _deciles(session: Session, queue: Queue, kind: Kind, answers: int) -> Iterator[Decile]:
    cells = queue.of(kind)
    wrong = _is_error(session, cells["image_index"].to_numpy(), cells["class_index"].to_numpy())
    probability = cells["error_probability"].to_numpy()
    parts = [np.flatnonzero(probability >= AT_LEAST), *parts_of_queue(wrong)]
    for number, part in enumerate(parts):
        estimated = float(probability[part].mean()) if part.size else None
        actual = float(wrong[part].mean()) if part.size else None
        yield Decile(session.problem.name, kind.value, answers, number, len(part), estimated, actual)


def _count(session: Session, queue: Queue, kind: Kind, answers: int) -> Count:
    given, truth = session.problem.given.dense() == PRESENT, session.problem.truth.dense() == PRESENT
    errors = (given != truth) & (given == (kind is Kind.SPURIOUS))
    found = int((errors & session.answered()).sum())
    left = queue.estimate(kind)
    cleanlab = None
    if has_cleanlab():
        evidence = session.evidence(queue.run_id)
        counted = cleanlab_counts(evidence.labels.dense() == PRESENT, evidence.pred_probs)
        cleanlab = found + counted[list(Kind).index(kind)]
    return Count(
        session.problem.name,
        kind.value,
        answers,
        found + left.n,
        found + left.low,
        found + left.high,
        int(errors.sum()),
        cleanlab,
    )


def _is_error(session: Session, images: IntArray, classes: IntArray) -> NDArray[np.bool_]:
    problem = session.problem
    wrong: NDArray[np.bool_] = problem.given.values(images, classes) != problem.truth.values(images, classes)
    return wrong


def _median_deviation(ratios: NDArray[np.float64]) -> float | None:
    return float(np.median(np.abs(ratios - 1))) if ratios.size else None
