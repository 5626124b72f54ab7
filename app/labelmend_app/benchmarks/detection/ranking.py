"""How well errors are found: average precision per cell of every method, with a bootstrap over images."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from labelmend_app.benchmarks.detection.baselines import BASELINES, NEEDS_CLEANLAB, distance, has_cleanlab
from labelmend_app.benchmarks.detection.order import Ranking, resampled
from labelmend_app.benchmarks.detection.problem import Problem
from labelmend_app.benchmarks.detection.session import (
    Evidence,
    MakeSession,
    with_companion,
    with_truth,
)
from labelmend_core.detection import rank_run
from labelmend_core.detection.scores import (
    expected_others,
    kernel_machine,
    labelling,
    neighbours,
    other_labels,
    out_of_sample,
    training_dynamics,
)
from labelmend_core.types import PRESENT, Kind

METRICS = ("micro", "macro", "at_100", "at_1000")
RESAMPLES = 200
CEILING, OURS = "p of true labels", "the combination"
SCORES: dict[str, Callable[[Evidence], NDArray[np.floating]]] = {
    "out-of-sample p": lambda evidence: out_of_sample(evidence.pred_probs),
    "training dynamics (off)": lambda evidence: training_dynamics(evidence.dynamics.mean),
    "neighbours": lambda evidence: neighbours(evidence.pred_probs, evidence.embeddings),
    "kernel machine": lambda evidence: kernel_machine(_expected(evidence), evidence.embeddings),
    "p and other labels": lambda evidence: (
        out_of_sample(evidence.pred_probs) + other_labels(evidence.pred_probs, evidence.labels)
    ),
    "p and expected others": lambda evidence: out_of_sample(evidence.pred_probs) + expected_others(evidence.pred_probs),
    "p and how labels came about": lambda evidence: _by_labels(evidence),
}
Show = Callable[[str, int, int], None]
Figure = tuple[float | None, float | None, float | None]


@dataclass(frozen=True)
class Row:
    """One method on one kind of error of one case.

    Attributes:
        group: "baseline", "score" (one of ours), "combination", "ceiling" or "ratio" (of the combination to others).
        figures: micro, macro, at_100 and at_1000, each with its 90 % interval over resamples of the images; of a
            ratio micro and macro. Empty where the method could not run.
        random: average precision of a random order.
        note: why there are no figures, or what a ratio is to.
    """

    case: str
    kind: str
    group: str
    method: str
    figures: Mapping[str, Figure]
    random: float
    note: str = ""

    @property
    def lift(self) -> float:
        """Micro average precision over that of a random order."""
        micro = self.figures["micro"][0]
        return float("nan") if micro is None else micro / self.random


@dataclass(frozen=True, eq=False)
class Cells:
    """The cells of one kind: which are ranked, and which of them are errors; bool (N, K)."""

    among: NDArray[np.bool_]
    errors: NDArray[np.bool_]


def run(
    problems: Sequence[Problem],
    make: MakeSession,
    show: Show,
    *,
    resamples: int = RESAMPLES,
    scores: Mapping[str, Callable[[Evidence], NDArray[np.floating]]] = SCORES,
) -> Iterator[Row]:
    """Yield the rows of each problem, missing before spurious.

    Args:
        problems: cases.
        make: makes a session.
        show: told which case is measured, how many are done, and how many there are.
        resamples: of the images.
        scores: by name, what returns (N, K), higher = more likely present.
    """
    for done, problem in enumerate(problems):
        show(f"ranking, {problem.name}", done, len(problems))
        yield from _rows(problem, make, resamples, scores)


def cells_of(problem: Problem, kind: Kind, known: NDArray[np.bool_]) -> Cells:
    """Return the cells that may hold an error of a kind, and the errors.

    Args:
        problem: with the truth.
        kind: of error.
        known: bool (N, K), where there are probabilities.
    """
    given, truth = problem.given.dense() == PRESENT, problem.truth.dense() == PRESENT
    among = known & (~given if kind is Kind.MISSING else given)
    return Cells(among, among & (given != truth))


def by_rank(cells: pd.DataFrame, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return suspicion (N, K) that orders the cells of each kind as their ranks do; a cell that has none comes last."""
    suspicion = np.full(shape, -1.0 - len(cells))
    suspicion[cells["image_index"], cells["class_index"]] = -cells["rank"]
    return suspicion


def _rows(
    problem: Problem,
    make: MakeSession,
    resamples: int,
    scores: Mapping[str, Callable[[Evidence], NDArray[np.floating]]],
) -> Iterator[Row]:
    present = problem.given.dense() == PRESENT
    session = make(problem)
    run_id = session.train()
    evidence = session.evidence(run_id)
    p = evidence.pred_probs
    groups: dict[str, dict[str, NDArray[np.floating]]] = {"baseline": {}, "score": {}}
    left_out = set() if has_cleanlab() else NEEDS_CLEANLAB
    groups["baseline"] |= {name: baseline(present, p) for name, baseline in BASELINES.items() if name not in left_out}
    groups["score"] = {name: _suspicion(present, score(evidence)) for name, score in scores.items()}
    ours = session.train(settings=with_companion(problem.settings))
    groups["score"]["out-of-sample p, with a second loss"] = _suspicion(present, session.evidence(ours).pred_probs)
    ranked = rank_run(session.workspace, ours, min_probability=0)
    groups["combination"] = {OURS: by_rank(ranked, p.shape)}
    session.close()
    ceiling = make(with_truth(problem))
    groups["ceiling"] = {CEILING: distance(present, ceiling.evidence(ceiling.train()).pred_probs)}
    ceiling.close()
    drawn = resampled(len(p), resamples, np.random.default_rng(0))
    for kind in Kind:
        cells = cells_of(problem, kind, ~np.isnan(p))
        if cells.errors.any():
            yield from _of_kind(problem.name, kind, cells, groups, drawn, left_out)


def _of_kind(
    case: str,
    kind: Kind,
    cells: Cells,
    groups: Mapping[str, Mapping[str, NDArray[np.floating]]],
    drawn: NDArray[np.int32],
    left_out: set[str],
) -> Iterator[Row]:
    random = float(cells.errors.sum() / cells.among.sum())
    found: dict[str, dict[str, NDArray[np.float64]]] = {}
    weights = [np.ones(len(cells.among), dtype=np.int32), *drawn]
    for group, methods in groups.items():
        found[group] = {}
        for method, suspicion in methods.items():
            if np.isnan(suspicion[cells.among]).all():
                continue
            ranking = Ranking(suspicion, cells.errors, cells.among)
            found[group][method] = np.array([ranking.measure(one) for one in weights])
            yield Row(case, kind.value, group, method, _figures(found[group][method]), random)
        if group == "baseline":
            for method in sorted(left_out):
                yield Row(case, kind.value, group, method, {}, random, "not installed")
    ours = found["combination"][OURS]
    others = found["baseline"]
    best = [max(others, key=lambda name: others[name][0, column]) for column in range(2)]
    to_best = np.stack([ours[:, column] / others[name][:, column] for column, name in enumerate(best)], axis=1)
    note = best[0] if best[0] == best[1] else f"micro: {best[0]}; macro: {best[1]}"
    yield Row(case, kind.value, "ratio", f"{OURS} / best baseline", _figures(to_best), random, note)
    to_ceiling = ours[:, :2] / found["ceiling"][CEILING][:, :2]
    yield Row(case, kind.value, "ratio", f"{OURS} / ceiling", _figures(to_ceiling), random, CEILING)


def _expected(evidence: Evidence) -> NDArray[np.floating]:
    """Return 1 where a label is given, p elsewhere."""
    return np.where(evidence.labels.dense() == PRESENT, np.float32(1), evidence.pred_probs)


def _by_labels(evidence: Evidence) -> NDArray[np.floating]:
    """Return p in log-odds where labels are too few to tell how they came about."""
    opinion = out_of_sample(evidence.pred_probs)
    found = labelling(opinion, evidence.labels)
    return opinion if found is None else found


def _suspicion(present: NDArray[np.bool_], score: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return how suspicious each cell is by a score of which high means present."""
    return np.where(present, -score, score)


def _figures(found: NDArray[np.float64]) -> dict[str, Figure]:
    """Return each metric of the first row with the interval of the other rows."""
    figures: dict[str, Figure] = {}
    for column, name in enumerate(METRICS[: found.shape[1]]):
        value, of_resamples = found[0, column], found[1:, column]
        of_resamples = of_resamples[~np.isnan(of_resamples)]
        if np.isnan(value):
            figures[name] = (None, None, None)
            continue
        low, high = np.quantile(of_resamples, [0.05, 0.95]) if of_resamples.size else (value, value)
        figures[name] = (float(value), float(low), float(high))
    return figures
