"""Suggestions of a finished run: its probabilities and dynamics against the labels that it was trained on."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from labelmend_core.detection.suggest import rank_cells
from labelmend_core.ledger import replay, standing
from labelmend_core.ledger.queue import COLUMNS
from labelmend_core.run_folder import RunFolder
from labelmend_core.types import Dynamics, LabelMatrix, Verdict
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
    """Return the suspicious cells of a run, `rank_cells` with all that the run left: p, dynamics, embeddings.

    Args:
        workspace: that the run belongs to.
        run_id: a finished run.
        min_probability: least error_probability of a returned cell, in [0, 1]; 0 returns every cell.
    """
    run = RunFolder(workspace.run_folder(run_id))
    labels = labels_of_run(workspace, run_id)
    n_images = labels.shape[0]
    embeddings = run.embeddings(n_images) if n_images <= MOST_COMPARED else None
    return rank_cells(
        labels,
        run.pred_probs(),
        run.dynamics(),
        embeddings=embeddings,
        planted=run.planted(),
        min_probability=min_probability,
    )


def suggest(workspace: Workspace, run_id: str, *, min_probability: float = 0.5) -> pd.DataFrame:
    """Rank the cells of a run, store them as its suggestions, and return them.

    Cells that somebody has answered already are left out. Columns are those of
    `labelmend_core.ledger.queue.COLUMNS`; `reason` names what spoke for each.

    Args:
        workspace: that the run belongs to.
        run_id: a finished run.
        min_probability: least error_probability of a suggestion, in [0, 1].
    """
    run = RunFolder(workspace.run_folder(run_id))
    pred_probs, dynamics = run.pred_probs(), run.dynamics()
    labels = labels_of_run(workspace, run_id)
    source = str(workspace.runs.get(run_id).metrics["pred_probs"])
    cells = rank_run(workspace, run_id, min_probability=min_probability)
    decisions = standing(workspace.ledger.decisions())
    answered = {(d.image, d.class_index) for d in decisions if d.verdict is not Verdict.SKIP}
    if answered:
        keys = pd.MultiIndex.from_arrays([cells["image_index"], cells["class_index"]])
        cells = cells[~keys.isin(list(answered))]
        cells["rank"] = cells.groupby("kind").cumcount() + 1
    cells["reason"] = _reasons(cells, labels, pred_probs, dynamics, source)
    workspace.queue.save(run_id, cells[list(COLUMNS)])
    return cells


def _reasons(
    cells: pd.DataFrame, labels: LabelMatrix, pred_probs: NDArray[np.floating], dynamics: Dynamics, source: str
) -> list[dict[str, float | int | str | None]]:
    rows, columns = cells["image_index"].to_numpy(), cells["class_index"].to_numpy()
    given = labels.values(rows, columns)
    flip = dynamics.flip_epoch[rows, columns]
    return [
        {
            "p": round(float(p), 4),
            "p_source": source,
            "mean_p": round(float(mean), 4),
            "deviation_p": round(float(variance) ** 0.5, 4),
            "flip_epoch": int(epoch) if epoch >= 0 else None,
            "given_label": int(label),
        }
        for p, mean, variance, epoch, label in zip(
            pred_probs[rows, columns],
            dynamics.mean[rows, columns],
            dynamics.variance[rows, columns],
            flip,
            given,
            strict=True,
        )
    ]
