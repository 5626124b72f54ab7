"""Whether the stopping rule keeps its word: simulated review sessions against a known truth."""

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from labelmend_app.benchmarks.detection.problem import Problem
from labelmend_app.benchmarks.detection.queue import before_answers
from labelmend_app.benchmarks.detection.session import MakeSession
from labelmend_core.detection.audit import DEFAULT_SIZE, Frame, draw_audit, frame_of, with_places
from labelmend_core.detection.stopping import LEAST_AUDITED, Answers, Remaining, enough_answers, what_remains
from labelmend_core.types import PRESENT, IntArray, Kind, LabelMatrix

CHECKPOINTS = (400, 800, 1600, 3200)
REVIEWERS = {"truth": 0.0, "errs in 5 %": 0.05}


def stopping_rows(
    labels: LabelMatrix,
    truth: LabelMatrix,
    cells: pd.DataFrame,
    *,
    kind: Kind = Kind.MISSING,
    sessions: int = 40,
    checkpoints: Sequence[int] = CHECKPOINTS,
    min_probability: float = 0.5,
    audit: int = DEFAULT_SIZE,
    by_class: bool = False,
) -> list[dict[str, float | int | str]]:
    """Return how often the 90 % interval of what remains covers the truth, a row a reviewer and number of answers.

    Args:
        labels: (N, K), with errors.
        truth: (N, K), without.
        cells: every candidate, as `rank_run(…, min_probability=0)` returns them.
        kind: which errors.
        sessions: simulated reviewers of each sort, each with a sample of its own.
        checkpoints: numbers of answers after which to estimate.
        min_probability: least error_probability of a suggestion.
        audit: cells in the sample.
        by_class: the reviewer finishes one class before the next, instead of taking the best of all.

    Returns:
        Rows with `reviewer`, `answers`, `sessions` (that came so far and had enough answers of the sample), `covered`
        (share of these whose interval holds the truth), `covered_classes` (the same of the classes' intervals),
        `relative_width` (median width of the interval by the truth), `ratio` (median of estimate by truth), `left`
        (median truth), `next_ratio` (mends told for the next 100 suggestions by their true number, over all sessions).
    """
    cells = cells[cells["kind"] == kind.value].reset_index(drop=True)
    values = truth.values(cells["image_index"], cells["class_index"])
    wrong = (values == PRESENT) == (kind is Kind.MISSING)
    frame = frame_of(cells, labels.shape)
    rows: list[dict[str, float | int | str]] = []
    for name, slips in REVIEWERS.items():
        found: dict[int, list[_Outcome]] = {n: [] for n in checkpoints}
        for seed in range(sessions):
            session = _Session(cells, wrong, frame, kind, min_probability, audit, by_class, slips, seed)
            for n, outcome in session.run(checkpoints):
                found[n].append(outcome)
        rows += [_row(name, n, outcomes) for n, outcomes in found.items() if outcomes]
    return rows


def run(
    problems: Sequence[Problem],
    make: MakeSession,
    show: Callable[[str, int, int], None],
    *,
    sessions: int = 40,
    checkpoints: Sequence[int] = CHECKPOINTS,
    min_probability: float = 0.5,
) -> Iterator[dict[str, float | int | str]]:
    """Yield the rows of `stopping_rows` for each problem and kind of error that it has, with `case` and `kind`.

    Args:
        problems: cases.
        make: makes a session.
        show: told which case is measured, how many are done, and how many there are.
        sessions, checkpoints, min_probability: see `stopping_rows`.
    """
    for done, problem in enumerate(problems):
        show(f"stopping, {problem.name}", done, len(problems))
        session = make(problem)
        cells = before_answers(session).cells
        session.close()
        for kind in Kind:
            here = cells[cells["kind"] == kind.value]
            truth = problem.truth.values(here["image_index"], here["class_index"]) == PRESENT
            if (truth == (kind is Kind.MISSING)).any():
                rows = stopping_rows(
                    problem.given,
                    problem.truth,
                    cells,
                    kind=kind,
                    sessions=sessions,
                    checkpoints=checkpoints,
                    min_probability=min_probability,
                )
                yield from ({"case": problem.name, "kind": kind.value, **row} for row in rows)


@dataclass(frozen=True, eq=False)
class _Outcome:
    """One estimate beside the truth."""

    told: Remaining
    left: int
    left_per_class: IntArray
    next_errors: int


def _row(reviewer: str, answers: int, outcomes: list[_Outcome]) -> dict[str, float | int | str]:
    classes = [
        np.mean((o.told.per_class[:, 1] <= o.left_per_class) & (o.left_per_class <= o.told.per_class[:, 2]))
        for o in outcomes
    ]
    return {
        "reviewer": reviewer,
        "answers": answers,
        "sessions": len(outcomes),
        "covered": float(np.mean([o.told.low <= o.left <= o.told.high for o in outcomes])),
        "covered_classes": float(np.mean(classes)),
        "relative_width": float(np.median([(o.told.high - o.told.low) / max(o.left, 1) for o in outcomes])),
        "ratio": float(np.median([o.told.total / max(o.left, 1) for o in outcomes])),
        "left": float(np.median([o.left for o in outcomes])),
        "next_ratio": sum(o.told.next_mends for o in outcomes) / max(sum(o.next_errors for o in outcomes), 1),
    }


class _Session:
    """One reviewer who answers the queue with the sample mixed into it."""

    def __init__(
        self,
        cells: pd.DataFrame,
        wrong: NDArray[np.bool_],
        frame: Frame,
        kind: Kind,
        min_probability: float,
        audit: int,
        by_class: bool,
        slips: float,
        seed: int,
    ) -> None:
        self.wrong, self.frame, self.kind, self.slips = wrong, frame, kind, slips
        self.rng = np.random.default_rng(seed)
        self.classes = cells["class_index"].to_numpy(np.int64)
        self.steps = frame.steps(cells["image_index"].to_numpy(np.int64), self.classes, kind)
        self.probability = cells["error_probability"].to_numpy(np.float64)
        rank = cells["rank"].to_numpy(np.int64)
        suggested = np.flatnonzero(self.probability >= min_probability)
        sample = with_places(draw_audit(cells, audit, seed=seed), cells.iloc[suggested], seed=seed)
        where = pd.Series(cells.index, index=pd.MultiIndex.from_frame(cells[["image_index", "class_index"]]))
        self.sample = where.loc[pd.MultiIndex.from_frame(sample[["image_index", "class_index"]])].to_numpy(np.int64)
        self.again = dict(zip(self.sample.tolist(), sample["again"].tolist(), strict=True))
        expected = np.bincount(
            self.classes[suggested], weights=self.probability[suggested], minlength=frame.sizes.shape[1]
        )
        order = (
            np.argsort(np.argsort(-expected, kind="stable")) if by_class else np.zeros(expected.size, dtype=np.int64)
        )
        self.turn = order[self.classes]
        queue = np.setdiff1d(suggested, self.sample)
        # (turn of the class, place, second to a suggestion of the same place, cell)
        self.items = [(int(self.turn[i]), int(rank[i]), 0, int(i)) for i in queue]
        places = sample["place"].tolist()
        self.items += [(int(self.turn[i]), place, 1, int(i)) for i, place in zip(self.sample, places, strict=True)]
        heapq.heapify(self.items)
        self.said = np.zeros((2, len(cells)), dtype=np.int64)  # fine, error
        self.mended = np.zeros(len(cells), dtype=bool)
        self.open = np.zeros(len(cells), dtype=bool)
        self.open[suggested] = True

    def run(self, checkpoints: Sequence[int]) -> Iterator[tuple[int, _Outcome]]:
        """Answer one after another, and estimate after each of these numbers of answers."""
        answered = 0
        while self.items:
            turn, place, audited, i = heapq.heappop(self.items)
            error = bool(self.wrong[i]) != bool(self.rng.random() < self.slips)
            self.said[int(error), i] += 1
            self.mended[i], self.open[i] = error, False
            if audited and not enough_answers(self.probability[i], self.said[1, i], self.said[0, i]):
                heapq.heappush(self.items, (turn, max(self.again[i], place), 1, i))
            answered += 1
            if answered in checkpoints and self.said[:, self.sample].any(axis=0).sum() >= LEAST_AUDITED:
                yield answered, self.outcome(answered)

    def outcome(self, seed: int) -> _Outcome:
        """Return what is told now, beside the truth."""
        sizes, expected = self.frame.of(self.kind)
        asked = self.said.sum(axis=0) > 0
        asked[self.sample] = False
        audited = self.sample[self.said[:, self.sample].any(axis=0)]
        answers = Answers(
            self._by_group(asked),
            self._by_group(asked & (self.said[1] > 0)),
            self.classes[audited],
            self.steps[audited],
            self.said[1, audited],
            self.said[0, audited],
            self.mended[audited],
        )
        upcoming = np.flatnonzero(self.open)
        upcoming = upcoming[np.argsort(-self.probability[upcoming], kind="stable")][:100]
        told = what_remains(
            sizes, expected, answers, self._by_group(np.isin(np.arange(self.open.size), upcoming)), seed=seed
        )
        left = self.wrong & ~self.mended
        per_class = np.bincount(self.classes[left], minlength=sizes.shape[0])
        return _Outcome(told, int(left.sum()), per_class, int(self.wrong[upcoming].sum()))

    def _by_group(self, chosen: NDArray[np.bool_]) -> IntArray:
        """Count the chosen cells by class and step."""
        counts = np.zeros(self.frame.sizes.shape[1:], dtype=np.int64)
        np.add.at(counts, (self.classes[chosen], self.steps[chosen]), 1)
        return counts
