"""Suggestions learn from decisions: how likely each open one is now, after the answers to the others.

Nothing in the database changes: the suggestions stay as they were ranked, and what the answers say is worked out from
these whenever it is asked for. So it is never out of date, whoever answered and wherever.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from labelmend_core.detection.recalibration import Recalibration, recalibrate
from labelmend_core.ledger import Second
from labelmend_core.ledger.double_review import asked_again
from labelmend_core.ledger.ranking import Ranking
from labelmend_core.ledger.verdicts import DEFINITE, calls_wrong, last_definite
from labelmend_core.types import IntArray, Kind
from labelmend_core.workspace import Workspace


@dataclass(frozen=True, eq=False)
class Learned:
    """What the answers up to now, or up to some decision, say of the suggestions of a run.

    Attributes:
        answered: the standing answers to suggestions, as `Queue.answered` returns them.
        now: of each kind, how likely an error is.
    """

    answered: pd.DataFrame
    now: dict[Kind, Recalibration]


@dataclass(frozen=True, eq=False)
class Outlook:
    """All M suggestions of a run as the answers leave them.

    Attributes:
        ranking: which they are.
        open: bool (M,), nobody has answered; a skip is no answer.
        probability: float64 (M,), that it is an error: 1 or 0 where somebody says so, as learned elsewhere.
        now: of each kind, how likely an error is.
    """

    ranking: Ranking
    open: NDArray[np.bool_]
    probability: NDArray[np.float64]
    now: dict[Kind, Recalibration]

    @property
    def expected(self) -> float:
        """How many errors are to be expected among all open suggestions."""
        return float(self.probability[self.open].sum())

    def at_least(self, probability: float) -> int:
        """Return how many open suggestions are now at least so likely to be errors."""
        return int((self.open & (self.probability >= probability)).sum())

    def expected_of_next(self, n: int) -> float:
        """Return how many errors are to be expected among the `n` likeliest open suggestions, or among all."""
        probability = self.probability[self.open]
        if n < len(probability):
            probability = np.partition(probability, len(probability) - n)[len(probability) - n :]
        return float(probability.sum())


def learn(workspace: Workspace, run_id: str, *, until: int | None = None) -> Learned:
    """Return what answers say of the suggestions of a run.

    An answer counts for the suggestion or the audited cell of its cell, whichever run or reviewer it came from, if it
    was given after the run was made: what was answered before, the run has learned from already. Of several
    answers the adjudication counts, or else the last present or absent; unsure ones and those that were undone do not.

    Args:
        workspace: that the run belongs to.
        run_id: a run with suggestions.
        until: a decision_id; only what was decided up to it counts, so that the result is the same for ever.
    """
    answered = workspace.queue.answered(run_id, until=until)
    # Of a cell that is a suggestion as well the probability of the suggestion counts: the last of equal ones.
    said = pd.concat([workspace.audits.answered(run_id, until=until), answered], ignore_index=True)
    start = workspace.ledger.newest(workspace.runs.get(run_id).n_decisions)
    last = last_definite(said[said["decision_id"] > start])
    last = last.assign(error=calls_wrong(last))
    n_classes = len(workspace.dataset.class_names)
    return Learned(answered, {kind: recalibrate(n_classes, last[last["kind"] == kind.value]) for kind in Kind})


def recalibrations(workspace: Workspace, run_id: str, *, until: int | None = None) -> dict[Kind, Recalibration]:
    """Return of each kind how likely an error is after the answers; see `learn`."""
    return learn(workspace, run_id, until=until).now


def best_now(
    workspace: Workspace, run_id: str, n: int, *, kinds: Iterable[Kind] = tuple(Kind), until: int | None = None
) -> pd.DataFrame:
    """Return the open suggestions that are likeliest now, of all classes together, likeliest first.

    Args:
        workspace: that the run belongs to.
        run_id: a run with suggestions.
        n: how many; fewer where there are fewer.
        kinds: of which kinds.
        until: a decision_id; as it was then, with what was open and learned then.

    Returns:
        A frame with a row a suggestion: suggestion_id, image_index, class_index, kind, rank, error_probability (as it
        was ranked) and now (in [0, 1], falling).
    """
    learned = learn(workspace, run_id, until=until)
    return workspace.queue.best(run_id, n, {kind: learned.now[kind] for kind in kinds}, learned.answered)


def outlook(workspace: Workspace, run_id: str, *, second: Second | None = None) -> Outlook:
    """Return all suggestions of a run with their probabilities now.

    For a `second` reviewer some are open that another has answered, and look as if nobody had.
    """
    ranking, learned = workspace.queue.ranking(run_id), learn(workspace, run_id)
    open_, probability = np.ones(len(ranking.rank), dtype=bool), probability_now(ranking, learned.now)
    answered = learned.answered.sort_values(["adjudicates", "decision_id"])  # the last one stays
    places = ranking.places(answered)
    open_[places[places >= 0]] = False
    again = np.zeros(len(answered), dtype=bool) if second is None else asked_again(run_id, answered, second)
    open_[places[again & (places >= 0)]] = True
    known = (places >= 0) & ~again & answered["verdict"].isin(DEFINITE).to_numpy()
    probability[places[known]] = calls_wrong(answered).to_numpy()[known]
    return Outlook(ranking, open_, probability, learned.now)


def likeliest(ranking: Ranking, now: dict[Kind, Recalibration], skipped: pd.DataFrame, n: int) -> IntArray:
    """Return the places of the `n` suggestions that are likeliest now, likeliest first, of all classes together.

    The same as `best_now`, for whoever has the ranking at hand.

    Args:
        ranking: of M suggestions.
        now: of each kind, how likely an error is.
        skipped: class_index, kind and rank of suggestions to leave out.
        n: how many; fewer where there are fewer.
    """
    probability, places = probability_now(ranking, now), ranking.places(skipped)
    probability[places[places >= 0]] = -1.0
    n = min(n, int((probability >= 0).sum()))
    if not n:
        return np.zeros(0, dtype=np.int64)
    bar = np.partition(probability, len(probability) - n)[len(probability) - n]
    at_least = np.flatnonzero(probability >= bar)
    order: IntArray = at_least[np.lexsort((ranking.rank[at_least], -probability[at_least]))]
    return order[:n]


def probability_now(ranking: Ranking, now: dict[Kind, Recalibration]) -> NDArray[np.float64]:
    """Return how likely each suggestion is an error, (M,), as learned from the answers to others."""
    # Neighbours in a queue mostly share a probability, so each is worked out once for all of them.
    changes = np.ones(len(ranking.rank), dtype=bool)
    changes[1:] = (np.diff(ranking.queue) != 0) | (np.diff(ranking.probability) != 0)
    first = np.flatnonzero(changes)
    queue, ranked, found = ranking.queue[first], ranking.probability[first], np.zeros(len(first))
    missing = np.array([kind is Kind.MISSING for kind in ranking.kinds], dtype=bool)[queue]
    for kind in Kind:
        here = missing == (kind is Kind.MISSING)
        found[here] = now[kind].likely(ranking.classes[queue[here]], ranked[here])
    result: NDArray[np.float64] = found[np.cumsum(changes) - 1]
    return result
