"""Where the truth is known: how well suggestions find it, and a reviewer who answers with it."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from labelmend_core.cell_precision import cell_average_precision
from labelmend_core.detection import best_now, labels_of_run, rank_run
from labelmend_core.run_folder import RunFolder
from labelmend_core.types import PRESENT, Decision, Kind, LabelMatrix, Suggestion, Verdict
from labelmend_core.workspace import Workspace

REVIEWER = "simulated reviewer"


def answer_with_truth(workspace: Workspace, suggestions: list[Suggestion], truth: LabelMatrix) -> int:
    """Decide suggestions as somebody who knows the truth would, and return how many were new."""
    values = truth.values([s.image for s in suggestions], [s.class_index for s in suggestions])
    first = workspace.ledger.acknowledged(REVIEWER) + 1
    now = datetime.now(UTC)
    return workspace.ledger.append(
        [
            Decision(
                client=REVIEWER,
                seq=seq,
                image=suggestion.image,
                class_index=suggestion.class_index,
                verdict=Verdict.PRESENT if value == PRESENT else Verdict.ABSENT,
                reviewer=REVIEWER,
                decided_at=now,
                suggestion_id=suggestion.suggestion_id,
            )
            for seq, (suggestion, value) in enumerate(zip(suggestions, values, strict=True), start=first)
        ]
    )


def likeliest(workspace: Workspace, run_id: str, n: int) -> list[Suggestion]:
    """Return the first n open suggestions of a run, both kinds together, most likely errors first."""
    found = best_now(workspace, run_id, n)["suggestion_id"].tolist()
    return [suggestion for id_ in found if (suggestion := workspace.queue.get(id_)) is not None]


def precision_of_missing(workspace: Workspace, run_id: str, truth: LabelMatrix) -> dict[str, float]:
    """Return the average precision per cell of finding missing labels; higher is better, in [0, 1].

    Keys: `ours` and `ours_macro` for the order of our suggestions, `p` and `p_macro` for that of the run's
    probabilities alone, `random` for a random order; and how many labels are missing, `estimated` by the sum of the
    error probabilities and `actual`.
    """
    run = RunFolder(workspace.run_folder(run_id))
    labels = labels_of_run(workspace, run_id)
    pred_probs = np.asarray(run.pred_probs(), dtype=np.float32)
    given = labels.dense()
    among = (given != PRESENT) & ~np.isnan(pred_probs)
    errors = among & (truth.dense() == PRESENT)
    cells = rank_run(workspace, run_id, min_probability=0)
    ours, ours_macro = cell_average_precision(errors, _by_rank(cells, given.shape), among)
    alone, alone_macro = cell_average_precision(errors, pred_probs, among)
    random = float(errors.sum() / among.sum())
    missing = cells["kind"] == Kind.MISSING.value
    estimated, actual = float(cells.loc[missing, "error_probability"].sum()), float(errors.sum())
    return {
        "ours": ours,
        "ours_macro": ours_macro,
        "p": alone,
        "p_macro": alone_macro,
        "random": random,
        "estimated": estimated,
        "actual": actual,
    }


def _by_rank(cells: pd.DataFrame, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return scores (N, K) that order the missing cells as their ranks do."""
    missing = cells[cells["kind"] == Kind.MISSING.value]
    scores = np.full(shape, -np.inf)
    scores[missing["image_index"], missing["class_index"]] = -missing["rank"]
    return scores
