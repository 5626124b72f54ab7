"""What labels and probabilities alone tell: `find_label_issues` without a workspace, beside cleanlab."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from labelmend_app.benchmarks.detection.baselines import cleanlab_counts, has_cleanlab
from labelmend_app.benchmarks.detection.calibration import parts_of_queue
from labelmend_app.benchmarks.detection.problem import Problem
from labelmend_app.benchmarks.detection.session import MakeSession
from labelmend_core import find_label_issues
from labelmend_core.types import PRESENT, Kind

Show = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Row:
    """One kind of error in one case.

    Attributes:
        actual: errors in fact.
        estimated: sum of the error probabilities.
        cleanlab: what its confident joint counts; None where it is not installed.
        difference: largest one between told and true share of errors over the deciles of a queue that is twice as long
            as there are errors; None without any.
        by_p, by_probability: average precision over all cells, in the order of |y - p|, and in ours; None likewise.
    """

    case: str
    kind: str
    actual: int
    estimated: float
    cleanlab: float | None
    difference: float | None
    by_p: float | None
    by_probability: float | None


def run(problems: Sequence[Problem], make: MakeSession, show: Show) -> Iterator[Row]:
    """Yield the rows of every problem, from the out-of-sample p that all parts of the benchmark share."""
    for done, problem in enumerate(problems):
        show(f"own predictions, {problem.name}", done, len(problems))
        session = make(problem)
        evidence = session.evidence(session.train())
        cells = find_label_issues(problem.given, evidence.pred_probs, min_probability=0)
        counted = None
        if has_cleanlab():
            counted = cleanlab_counts(problem.given.dense() == PRESENT, evidence.pred_probs)
        for number, kind in enumerate(Kind):
            of_kind = cells[cells["kind"] == kind.value]
            yield _row(problem, kind, of_kind, None if counted is None else counted[number])
        session.close()


def _row(problem: Problem, kind: Kind, cells: pd.DataFrame, cleanlab: float | None) -> Row:
    images, classes = cells["image"].to_numpy(np.int64), cells["class"].to_numpy(np.int64)
    wrong = problem.given.values(images, classes) != problem.truth.values(images, classes)
    told = cells["error_probability"].to_numpy()
    some = bool(wrong.any())
    return Row(
        problem.name,
        kind.value,
        int(wrong.sum()),
        float(told.sum()),
        cleanlab,
        _largest_difference(told, wrong) if some else None,
        float(average_precision_score(wrong, 1 - cells["label_quality"])) if some else None,
        float(average_precision_score(wrong, -cells["rank"])) if some else None,
    )


def _largest_difference(told: NDArray[np.float64], wrong: NDArray[np.bool_]) -> float:
    return max(abs(float(told[part].mean() - wrong[part].mean())) for part in parts_of_queue(wrong) if part.size)
