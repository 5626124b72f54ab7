"""How far reviewers agree: of each class and of all, on the cells that two or more of them answered.

Present and absent are answers; an unsure one is counted apart, a skip not at all. Of a reviewer's answers to a cell the
last standing one counts. An adjudication is none: who gives it has seen what the others said.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from labelmend_core.ledger import schema
from labelmend_core.ledger.verdicts import CELL, DEFINITE
from labelmend_core.types import Verdict

COLUMNS = schema.standing_decisions.c.keys()
FEWEST = 10  # cells; of fewer kappa says next to nothing
COHEN, FLEISS = "Cohen", "Fleiss"
_DRAWS = 2_000
_PRIOR = 2.0  # answers' worth beforehand, spread over all patterns: for two reviewers Jeffreys' half a cell each


@dataclass(frozen=True)
class Agreement:
    """How far reviewers agree on one class, or on all.

    Attributes:
        class_index: None for all classes together.
        reviewers: who answered any of the cells, in the order of the alphabet.
        cells: how many cells two or more reviewers called present or absent.
        conflicts: on how many of them they disagree, settled ones included.
        unsure: cells that somebody answered and somebody else was unsure of.
        share: of the pairs of answers to a cell those that agree, mean over cells, in [0, 1]; None without cells.
        kappa: agreement beyond chance, at most 1, high = they agree; None where `why` says why.
        low, high: its 90 % interval, of draws from the posterior of how often each pattern occurs; None with it.
        measure: `Cohen` for exactly two reviewers, `Fleiss` for more.
        why: why there is no kappa, "" where there is one.
    """

    class_index: int | None
    reviewers: tuple[str, ...]
    cells: int
    conflicts: int
    unsure: int
    share: float | None
    kappa: float | None = None
    low: float | None = None
    high: float | None = None
    measure: str = ""
    why: str = ""


@dataclass(frozen=True)
class Answer:
    """What one reviewer said of a cell last; `client` and `seq` name the decision, as an undo does."""

    reviewer: str
    verdict: Verdict
    decided_at: datetime
    client: str
    seq: int


@dataclass(frozen=True)
class Conflict:
    """One cell that reviewers call differently.

    Attributes:
        answers: everybody's last one, in the order of their commit, unsure ones included.
        settled: the adjudication that counts, None where nobody has settled it.
    """

    image: int
    class_index: int
    answers: tuple[Answer, ...] = field(default=())
    settled: Answer | None = None


def agreements(answers: pd.DataFrame) -> list[Agreement]:
    """Return the agreement on all classes together, then that on each class with cells of two reviewers.

    Args:
        answers: of `Ledger.shared_answers`, columns `COLUMNS`.

    Example:
        >>> said = [(i, r, v) for i in range(10) for r, v in [("ann", "present"), ("ben", "present")]]
        >>> rows = [dict.fromkeys(COLUMNS, 0) | {"image_index": i, "reviewer": r, "verdict": v} for i, r, v in said]
        >>> found = agreements(pd.DataFrame(rows))[0]
        >>> found.cells, found.share, found.kappa, found.why
        (10, 1.0, None, 'all answers are the same')
    """
    last = _last_answers(answers)
    of_classes = [_agreement(int(k), rows) for k, rows in last.groupby("class_index")]
    return [_agreement(None, last), *(found for found in of_classes if found.cells or found.unsure)]


def conflicts(answers: pd.DataFrame) -> list[Conflict]:
    """Return the cells that reviewers call differently, with all that they said; classes and images rising.

    Args:
        answers: of `Ledger.shared_answers`, columns `COLUMNS`.
    """
    last = _last_answers(answers)
    definite = last[last["verdict"].isin(DEFINITE)]
    sides = definite.groupby(CELL)["verdict"].nunique()
    cells = sides[sides > 1].reset_index()[CELL]
    adjudicated = answers[answers["adjudicates"].astype(bool)].merge(cells, on=CELL)
    settled = {(i, k): answer for i, k, answer in _rows(adjudicated)}  # in the order of commit: the last one stays
    said: dict[tuple[int, int], list[Answer]] = {}
    for i, k, answer in _rows(last.merge(cells, on=CELL)):
        said.setdefault((i, k), []).append(answer)
    by_class = sorted(said, key=lambda cell: (cell[1], cell[0]))
    return [Conflict(*cell, tuple(said[cell]), settled.get(cell)) for cell in by_class]


def agreement_of_reviewers(answers: pd.DataFrame) -> dict[str, tuple[float, int]]:
    """Return how far each reviewer agrees with the others, high = they do: a share in [0, 1], and of how many cells.

    Args:
        answers: of `Ledger.shared_answers`, columns `COLUMNS`.
    """
    last = _last_answers(answers)
    definite = last[last["verdict"].isin(DEFINITE)]
    groups = definite.groupby(CELL)["verdict"]
    others = groups.transform("size") - 1
    alike = definite.groupby([*CELL, "verdict"])["reviewer"].transform("size") - 1
    shares = (alike / others)[others > 0].groupby(definite["reviewer"]).agg(["mean", "size"])
    return {str(name): (float(mean), int(n)) for name, mean, n in shares.itertuples()}


def cohen_kappa(counts: NDArray[np.number]) -> NDArray[np.float64]:
    """Return Cohen's kappa of two reviewers, high = they agree; NaN where all answers are the same.

    Args:
        counts: (…, 2, 2), cells that the first called this and the second that.

    Source: Cohen 1960, Educational and Psychological Measurement 20 (37-46), eq. 1.

    Example:
        >>> round(float(cohen_kappa(np.array([[20, 5], [10, 15]]))), 3)
        0.4
    """
    share = counts / counts.sum(axis=(-2, -1), keepdims=True)
    observed = np.trace(share, axis1=-2, axis2=-1)
    chance = (share.sum(axis=-1) * share.sum(axis=-2)).sum(axis=-1)
    varied = chance < 1 - 1e-12
    return np.where(varied, (observed - chance) / np.where(varied, 1 - chance, 1), np.nan)


def fleiss_kappa(
    answers: NDArray[np.number], present: NDArray[np.number], cells: NDArray[np.number]
) -> NDArray[np.float64]:
    """Return Fleiss' kappa of any reviewers, high = they agree; NaN where all answers are the same.

    Args:
        answers: (P,), how many reviewers answered a cell of each pattern, 2 or more.
        present: (P,), how many of them called it present.
        cells: (…, P), how many cells have the pattern.

    Source: Fleiss 1971, Psychological Bulletin 76 (378-382), for as many reviewers of each cell; with different
        numbers of them as in Fleiss, Levin & Paik 2003, Statistical Methods for Rates and Proportions, ch. 18.3.

    Example:
        >>> round(float(fleiss_kappa(np.array([3, 3, 3]), np.array([3, 0, 1]), np.array([4, 4, 2]))), 3)
        0.732
    """
    n, ratings = cells.sum(axis=-1), cells @ answers
    p = (cells @ present) / ratings
    within = cells @ (present * (answers - present) / answers)
    between = (ratings - n) * p * (1 - p)
    varied = between > 1e-12
    return np.where(varied, 1 - within / np.where(varied, between, 1), np.nan)


def _last_answers(answers: pd.DataFrame) -> pd.DataFrame:
    own = answers[~answers["adjudicates"].astype(bool) & (answers["verdict"] != Verdict.SKIP.value)]
    return own.drop_duplicates([*CELL, "reviewer"], keep="last")


def _agreement(class_index: int | None, last: pd.DataFrame) -> Agreement:
    definite = last[last["verdict"].isin(DEFINITE)]
    several = definite.groupby(CELL)["verdict"].transform("size") > 1
    shared = definite[several]
    present = (shared["verdict"] == Verdict.PRESENT.value).astype(np.int64)
    cells = present.groupby([shared[name] for name in CELL]).agg(["size", "sum"])
    m, x = cells["size"].to_numpy(np.int64), cells["sum"].to_numpy(np.int64)
    kinds = last.assign(sure=last["verdict"].isin(DEFINITE)).groupby(CELL)["sure"]
    unsure = int(((kinds.sum() > 0) & (kinds.sum() < kinds.size())).sum())
    names = tuple(sorted(set(shared["reviewer"])))
    share = float((1 - 2 * x * (m - x) / (m * (m - 1))).mean()) if len(m) else None
    known = Agreement(class_index, names, len(m), int(((x > 0) & (x < m)).sum()), unsure, share)
    if len(m) < FEWEST:
        return _without(known, f"fewer than {FEWEST} cells have two answers")
    if x.sum() in (0, m.sum()):
        return _without(known, "all answers are the same")
    return _with_kappa(known, shared, m, x)


def _without(known: Agreement, why: str) -> Agreement:
    return Agreement(**{**vars(known), "why": why})


def _with_kappa(known: Agreement, shared: pd.DataFrame, m: NDArray[np.int64], x: NDArray[np.int64]) -> Agreement:
    rng = np.random.default_rng(0)
    if len(known.reviewers) == 2:
        sides = shared.sort_values([*CELL, "reviewer"])["verdict"] == Verdict.PRESENT.value
        first, second = sides.to_numpy(np.int64).reshape(-1, 2).T
        counts = np.bincount(2 * first + second, minlength=4)
        kappa = float(cohen_kappa(counts.reshape(2, 2)))
        drawn = cohen_kappa(rng.dirichlet(counts + _PRIOR / 4, _DRAWS).reshape(-1, 2, 2))
    else:
        raters = np.unique(m)
        patterns = np.array([(n, j) for n in raters for j in range(n + 1)])
        start = np.concatenate([[0], np.cumsum(raters + 1)])[np.searchsorted(raters, m)]
        counts = np.bincount(start + x, minlength=len(patterns))
        of_pattern, present = patterns.T
        kappa = float(fleiss_kappa(of_pattern, present, counts))
        drawn = fleiss_kappa(of_pattern, present, rng.dirichlet(counts + _PRIOR / len(patterns), _DRAWS))
    low, high = np.nanquantile(drawn, [0.05, 0.95]).tolist()
    interval = {"low": min(low, kappa), "high": max(high, kappa)}
    measure = COHEN if len(known.reviewers) == 2 else FLEISS
    return Agreement(**{**vars(known), **interval, "kappa": kappa, "measure": measure})


def _rows(answers: pd.DataFrame) -> Iterator[tuple[int, int, Answer]]:
    for row in answers.itertuples():
        answer = Answer(str(row.reviewer), Verdict(row.verdict), row.decided_at, str(row.client), int(row.seq))
        yield int(row.image_index), int(row.class_index), answer
