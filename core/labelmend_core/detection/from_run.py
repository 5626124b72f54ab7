"""Suggestions of a finished run: its probabilities and dynamics against the labels that it was trained on."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from labelmend_core.detection.audit import DEFAULT_SIZE
from labelmend_core.detection.combine import NAMES, Scores, scores_of
from labelmend_core.detection.in_sample import judge_in_sample
from labelmend_core.detection.rank import Candidates, judge, ranked, with_contributions
from labelmend_core.detection.remaining import MOST_CELLS, draw_for_run
from labelmend_core.ledger import replay, standing
from labelmend_core.ledger.queue import COLUMNS
from labelmend_core.run_folder import OUT_OF_SAMPLE, RunFolder
from labelmend_core.types import Dynamics, IntArray, LabelMatrix, Verdict
from labelmend_core.workspace import Workspace

# Every image is compared with every other: a minute at 20,000 images, hours at a million.
MOST_COMPARED = 20_000


def labels_of_run(workspace: Workspace, run_id: str) -> LabelMatrix:
    """Return the labels that a run was trained on: as given, or corrected by the decisions made until then."""
    record = workspace.runs.get(run_id)
    given = workspace.dataset.given_labels
    if record.labels == "given":
        return given
    return replay(given, workspace.ledger.decisions()[: record.n_decisions])


def rank_run(workspace: Workspace, run_id: str, *, min_probability: float) -> pd.DataFrame:
    """Return the suspicious cells of a run, by all that it left: p, dynamics, embeddings.

    With image_index and class_index, and a column for each score: what it adds to the suspicion, in log-odds.

    Args:
        workspace: that the run belongs to.
        run_id: a finished run.
        min_probability: least error_probability of a returned cell, in [0, 1]; 0 returns every cell.
    """
    run = RunFolder(workspace.run_folder(run_id))
    labels = labels_of_run(workspace, run_id)
    source = str(workspace.runs.get(run_id).metrics["pred_probs"])
    candidates, scores = _judged(run, labels, workspace.dataset.given_labels, source)
    return with_contributions(ranked(candidates, min_probability), scores)


def suggest(
    workspace: Workspace, run_id: str, *, min_probability: float = 0.5, audit: int = DEFAULT_SIZE
) -> pd.DataFrame:
    """Rank the cells of a run, store them as its suggestions, draw its audit sample, and return the suggestions.

    Cells that somebody has answered already are left out. Columns are those of
    `labelmend_core.ledger.queue.COLUMNS`; `reason` names what spoke for each, `scores` in it what
    each score adds to the suspicion, in log-odds.

    Args:
        workspace: that the run belongs to.
        run_id: a finished run.
        min_probability: least error_probability of a suggestion, in [0, 1].
        audit: cells of each kind in the audit sample, 0 for none; a run that has a sample keeps it. None is drawn from
            more than `MOST_CELLS` cells.
    """
    run = RunFolder(workspace.run_folder(run_id))
    labels = labels_of_run(workspace, run_id)
    source = str(workspace.runs.get(run_id).metrics["pred_probs"])
    candidates, scores = _judged(run, labels, workspace.dataset.given_labels, source)
    answered = _answered(workspace, labels.shape)
    cells = with_contributions(_without(ranked(candidates, min_probability), answered), scores)
    del scores  # gigabytes, and the draw takes some, too
    cells["rank"] = cells.groupby("kind").cumcount() + 1
    cells["reason"] = _reasons(cells, labels, run.pred_probs(), run.dynamics(), source)
    workspace.queue.save(run_id, cells[list(COLUMNS)])
    if audit and np.prod(labels.shape) <= MOST_CELLS and not workspace.audits.has(run_id):
        everything = pd.concat([found.every() for found in candidates], ignore_index=True)
        del candidates
        draw_for_run(workspace, run_id, _without(everything, answered), cells, audit)
    return cells


def _judged(run: RunFolder, labels: LabelMatrix, given: LabelMatrix, source: str) -> tuple[list[Candidates], Scores]:
    """Return the cells that may be errors, and the scores.

    What was recorded in training has seen the labels, so it counts where p has seen them, too.
    """
    n_images = labels.shape[0]
    embeddings = run.embeddings(n_images) if n_images <= MOST_COMPARED else None
    if source == OUT_OF_SAMPLE:
        scores = scores_of(labels, run.pred_probs(), None, embeddings, given=given)
        return judge(labels, scores), scores
    scores = scores_of(labels, run.pred_probs(), run.dynamics(), embeddings, in_sample=True)
    return judge_in_sample(labels, scores, run.planted(), run.planted(added=True)), scores


def _answered(workspace: Workspace, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return which cells somebody has answered; a skip is no answer."""
    answered = np.zeros(shape, dtype=bool)
    for decision in standing(workspace.ledger.decisions()):
        answered[decision.image, decision.class_index] |= decision.verdict is not Verdict.SKIP
    return answered


def _without(cells: pd.DataFrame, answered: NDArray[np.bool_]) -> pd.DataFrame:
    left = ~answered[cells["image_index"].to_numpy(), cells["class_index"].to_numpy()]
    return cells if left.all() else cells[left].reset_index(drop=True)


def _reasons(
    cells: pd.DataFrame, labels: LabelMatrix, pred_probs: NDArray[np.floating], dynamics: Dynamics | None, source: str
) -> list[dict[str, Any]]:
    rows, columns = cells["image_index"].to_numpy(), cells["class_index"].to_numpy()
    given = labels.values(rows, columns)
    names = [name for name in NAMES if name in cells]
    added = cells[names].to_numpy().round(2).tolist()
    recorded = [{}] * len(cells) if dynamics is None else _recorded(dynamics, rows, columns)
    return [
        {
            "p": round(float(p), 4),
            "p_source": source,
            **of_training,
            "given_label": int(label),
            "scores": dict(zip(names, of_cell, strict=True)),
        }
        for p, of_training, label, of_cell in zip(pred_probs[rows, columns], recorded, given, added, strict=True)
    ]


def _recorded(dynamics: Dynamics, rows: IntArray, columns: IntArray) -> list[dict[str, Any]]:
    return [
        {
            "mean_p": round(float(mean), 4),
            "deviation_p": round(float(variance) ** 0.5, 4),
            "flip_epoch": int(epoch) if epoch >= 0 else None,
        }
        for mean, variance, epoch in zip(
            dynamics.mean[rows, columns],
            dynamics.variance[rows, columns],
            dynamics.flip_epoch[rows, columns],
            strict=True,
        )
    ]
