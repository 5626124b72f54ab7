"""Where a reviewer stands in a queue: how good it is going, what it mended, what the next ones will bring."""

from typing import Any

import numpy as np
import pandas as pd

from labelmend_core.detection import recalibrations
from labelmend_core.ledger.verdicts import calls_wrong, last_definite
from labelmend_core.types import Kind
from labelmend_core.workspace import Workspace

NEXT = 100  # suggestions that "the next ones" are


def tallies(workspace: Workspace, run_id: str) -> pd.DataFrame:
    """Return what was said of a run's suggestions, a row a class and kind that has answers.

    Cells of the audit sample count with what was expected of them when they were drawn, so that neither number gives
    them away. Of several answers to a cell what settles it counts, or else the last present or absent.

    Returns:
        Columns class_index, kind, said (present or absent), accepted (a label mended each) and expected (how many
        should have been accepted by the error probabilities as they were ranked, before any answer).
    """
    answers = [workspace.audits.answered(run_id), workspace.queue.answered(run_id)]
    last = last_definite(pd.concat(answers, ignore_index=True))
    last = last.assign(said=1, accepted=calls_wrong(last).astype(int))
    last = last.assign(expected=last["error_probability"].astype(float))
    counted = last.groupby(["class_index", "kind"], as_index=False)[["said", "accepted", "expected"]].sum()
    return counted.astype({"class_index": int, "said": int, "accepted": int, "expected": float})


def standing_of(workspace: Workspace, run_id: str, kind: Kind, class_index: int) -> dict[str, Any]:
    """Return where one queue stands.

    Returns:
        said, accepted, expected as in `tallies`, for the queue; `mended`, labels of all classes and both kinds;
        `next` and `next_mends`, how many suggestions of the queue come next and how many errors are among them, by the
        probabilities after all answers.
    """
    counted = tallies(workspace, run_id)
    here = counted[(counted["class_index"] == class_index) & (counted["kind"] == kind.value)]
    upcoming = workspace.queue.open(run_id, kind=kind, class_index=class_index, limit=NEXT)
    ranked = np.array([suggestion.error_probability for suggestion in upcoming], dtype=np.float64)
    now = recalibrations(workspace, run_id)[kind].likely(np.full(len(ranked), class_index, dtype=np.int64), ranked)
    return {
        "said": int(here["said"].sum()),
        "accepted": int(here["accepted"].sum()),
        "expected": round(float(here["expected"].sum()), 2),
        "mended": int(counted["accepted"].sum()),
        "next": len(ranked),
        "next_mends": round(float(now.sum()), 1),
    }
