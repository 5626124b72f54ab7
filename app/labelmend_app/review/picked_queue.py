"""The suggestions that a reviewer picked: all of them, those at least so likely, the next so many, or a selection.

The order in a class never changes, so what was picked is a last rank of each class and kind. "At least 90 % likely" is
cut where the probability now falls below; "my next 500" is fixed by the decision after which it was picked. A selection
of the Explore screen is a list of cells of its own (`labelmend_app.review.selected`).
"""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from math import inf, isnan

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from labelmend_app.number_words import count
from labelmend_app.review.queue import is_open, place_of
from labelmend_app.review.selected import selected_queues
from labelmend_app.whole_number import whole_number
from labelmend_core.detection import Outlook, learn, outlook
from labelmend_core.detection.learning import Learned, likeliest
from labelmend_core.ledger import AuditCell, Second
from labelmend_core.ledger.ranking import Ranking
from labelmend_core.ledger.verdicts import CELL
from labelmend_core.types import IntArray, Kind
from labelmend_core.workspace import Workspace

LIKELY, NEXT, SINCE, RUN, SELECTION = "likely", "next", "since", "run", "selection"  # in the address
MOST_EFFORT = 1_000_000


@dataclass(frozen=True)
class Pick:
    """What was picked; all suggestions where neither is said.

    Attributes:
        likely: least probability now, in percent.
        effort: so many, the likeliest of all classes and both kinds.
        since: newest decision when `effort` was picked: what was open and learned then decides which they are.
        selection: key of the cells that were selected.
    """

    likely: int | None = None
    effort: int | None = None
    since: int = 0
    selection: str | None = None

    def parameters(self, run_id: str) -> dict[str, str]:
        """Return what an address needs to lead back to it."""
        if self.selection is not None:
            return {SELECTION: self.selection}
        if self.likely is not None:
            return {LIKELY: str(self.likely)}
        if self.effort is not None:
            return {NEXT: str(self.effort), SINCE: str(self.since), RUN: run_id}
        return {}

    def name(self) -> str:
        """Return it in a few words.

        Example:
            >>> Pick().name(), Pick(likely=90).name(), Pick(effort=1500).name()
            ('All suggestions', 'At least 90 % likely', 'My next 1,500')
        """
        if self.selection is not None:
            return "My selection"
        if self.likely is not None:
            return f"At least {self.likely} % likely"
        return "All suggestions" if self.effort is None else f"My next {self.effort:,}"


ALL = Pick()


def read_pick(parameters: Mapping[str, str], run_id: str, selections: Container[str] = ()) -> Pick:
    """Return what an address asks for; what it names wrongly, or for another run, is as good as not named.

    `selections` are the keys that the workspace knows.
    """
    if parameters.get(SELECTION) in selections:
        return Pick(selection=parameters[SELECTION])
    likely, effort = _number(parameters, LIKELY, 1, 99), _number(parameters, NEXT, 1, MOST_EFFORT)
    if likely is not None:
        return Pick(likely=likely)
    since = _number(parameters, SINCE, 0, 2**53)
    if effort is not None and since is not None and parameters.get(RUN) == run_id:
        return Pick(effort=effort, since=since)
    return ALL


@dataclass(frozen=True, eq=False)
class PickedQueue:
    """What was picked, with what became of it.

    Attributes:
        pick: what was asked for.
        queues: a row a class and kind: class_index, kind, suggested, open, expected (errors among the open ones) and
            last_rank (NaN where the queue goes on to its end). Cells of the audit sample count as suggestions.
        errors: how many errors there should be among all of them, those that were found included; of a selection among
            those that are suggestions, NaN where none is.
        outlook: all suggestions of the run.
    """

    pick: Pick
    queues: pd.DataFrame
    errors: float
    outlook: Outlook

    @property
    def suggested(self) -> int:
        """How many there are."""
        return int(self.queues["suggested"].sum())

    @property
    def answered(self) -> int:
        """How many of them have an answer."""
        return self.suggested - int(self.queues["open"].sum())

    def sentence(self) -> str:
        """Return what was picked: "500 suggestions in 12 classes, about 430 errors expected"."""
        n_classes = self.queues.loc[self.queues["suggested"] > 0, "class_index"].nunique()
        what = "suggestion" if self.pick.selection is None else "selected cell"
        told = f"{count(self.suggested, what)} in {count(n_classes, 'class', 'classes')}"
        return told if isnan(self.errors) else f"{told}, about {count(self.errors, 'error')} expected"


def picked_queue(workspace: Workspace, run_id: str, pick: Pick = ALL, *, second: Second | None = None) -> PickedQueue:
    """Return what of a run's suggestions was picked.

    Args:
        workspace: that the run belongs to.
        run_id: a run with suggestions.
        pick: which of them.
        second: who asks, where some cells are asked of two reviewers.
    """
    if pick.selection is not None:
        return PickedQueue(pick, *selected_queues(workspace, run_id, pick.selection, second))
    seen, sample = outlook(workspace, run_id, second=second), workspace.audits.cells(run_id, second=second)
    ranking = seen.ranking
    then = None if pick.effort is None else learn(workspace, run_id, until=pick.since)
    answered_then, sample_then = _answered_then(workspace, run_id, pick, ranking, then)
    asked = [cell for cell in sample if _cell(cell) not in sample_then]
    within, last = _cut(pick, seen, then, asked)
    within &= ~answered_then | seen.open
    own = ranking.places(_suggestions_of(sample))  # the review shows these at their places in the sample
    within[own[own >= 0]] = False
    rows = {
        (int(k), kind): [0, 0, 0.0, last_rank]
        for k, kind, last_rank in zip(ranking.classes, ranking.kinds, last.tolist(), strict=True)
    }
    number = ranking.queue[within]
    n_queues, open_ = len(last), seen.open[within]
    expected = seen.probability[within] * open_
    counts = [np.bincount(number, weights, n_queues).tolist() for weights in (None, open_, expected)]
    for row, suggested, still_open, errors in zip(rows.values(), *counts, strict=True):
        row[:3] = [int(suggested), int(still_open), errors]
    errors = float(seen.probability[within].sum())
    for cell, place in zip(sample, own.tolist(), strict=True):
        row = rows.setdefault((cell.class_index, cell.kind), [0, 0, 0.0, inf if pick == ALL else 0])
        row[1] += is_open(cell) and place_of(cell) <= row[3]
        if cell.place <= row[3] and (_cell(cell) not in sample_then or is_open(cell)):
            row[0] += 1
            if place >= 0:
                errors += float(seen.probability[place])
                row[2] += float(seen.probability[place] * seen.open[place])
    return PickedQueue(pick, _frame(rows), errors, seen)


def _answered_then(
    workspace: Workspace, run_id: str, pick: Pick, ranking: Ranking, learned: Learned | None
) -> tuple[NDArray[np.bool_], set[tuple[int, int]]]:
    """Return what was answered when an effort was picked: which suggestions, and which cells of the sample."""
    then = np.zeros(len(ranking.rank), dtype=bool)
    if learned is None:
        return then, set()
    places = ranking.places(learned.answered)
    then[places[places >= 0]] = True
    sample = workspace.audits.answered(run_id, until=pick.since)
    return then, set(sample[CELL].itertuples(index=False, name=None))


def _cut(
    pick: Pick, seen: Outlook, then: Learned | None, sample: list[AuditCell]
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return which suggestions are within the pick, (M,), and the last rank of each queue, (Q,)."""
    ranking = seen.ranking
    if pick.effort is not None and then is not None:
        last = _last_of_next(pick.effort, then, ranking, sample)
        return ranking.rank <= last[ranking.queue], last
    if pick.likely is None:
        return np.ones(len(ranking.rank), dtype=bool), np.full(len(ranking.classes), inf)
    least = {kind: seen.now[kind].least(pick.likely / 100) for kind in Kind}
    of_queue = np.array([least[kind][k] for k, kind in zip(ranking.classes, ranking.kinds, strict=True)])
    within = ranking.probability >= of_queue[ranking.queue]
    last = np.zeros(len(of_queue))
    last[ranking.queue[within]] = ranking.rank[within]  # rising within a queue: the last one stays
    return within, last


def _last_of_next(n: int, learned: Learned, ranking: Ranking, sample: list[AuditCell]) -> NDArray[np.float64]:
    """Return the last rank of each queue of the next `n`, the cells of the sample that come among them included."""
    skipped = pd.concat([learned.answered, _suggestions_of(sample)], ignore_index=True)
    best = likeliest(ranking, learned.now, skipped, n)
    queues, ranks = ranking.queue[best], ranking.rank[best]
    # A cell of the sample comes with the first suggestion of its queue that is not ranked before its place.
    number = ranking.queues(_places(sample))
    with_them = np.array(
        [_first(queues, ranks, q, c.place) for q, c in zip(number, sample, strict=True)], dtype=np.int64
    )
    coming = np.bincount(with_them[with_them >= 0], minlength=len(best))[: len(best)]
    taken = int((np.arange(1, len(best) + 1) + np.cumsum(coming) <= n).sum())
    last = np.zeros(len(ranking.classes))
    np.maximum.at(last, queues[:taken], ranks[:taken])
    return last


def _first(queues: IntArray, ranks: IntArray, queue: int, place: int) -> int:
    """Return the first of a list that belongs to a queue and is ranked at `place` or later, -1 where none is."""
    found = np.flatnonzero((queues == queue) & (ranks >= place))
    return int(found[0]) if len(found) else -1


def _suggestions_of(sample: Iterable[AuditCell]) -> pd.DataFrame:
    """Return class_index, kind and rank of the suggestion of each cell, rank -1 where it is none."""
    rows = [(cell.class_index, cell.kind.value, -1 if cell.rank is None else cell.rank) for cell in sample]
    return pd.DataFrame(rows, columns=["class_index", "kind", "rank"])


def _places(sample: Iterable[AuditCell]) -> pd.DataFrame:
    return pd.DataFrame([(c.class_index, c.kind.value) for c in sample], columns=["class_index", "kind"])


def _cell(cell: AuditCell) -> tuple[int, int]:
    return cell.image_index, cell.class_index


def _frame(rows: Mapping[tuple[int, Kind], list[float]]) -> pd.DataFrame:
    found = [(k, kind.value, *row) for (k, kind), row in rows.items() if row[0]]
    frame = pd.DataFrame(found, columns=["class_index", "kind", "suggested", "open", "expected", "last_rank"])
    return frame.astype({"suggested": int, "open": int, "expected": float}).replace({"last_rank": inf}, np.nan)


def _number(parameters: Mapping[str, str], name: str, low: int, high: int) -> int | None:
    return whole_number(parameters.get(name), high, least=low)
