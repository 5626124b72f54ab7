"""Labels, suggestions and decisions of a workspace counted by class, and which classes occur together."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from labelmend_core.detection import Left, outlook, remaining_errors
from labelmend_core.ledger import replay, standing
from labelmend_core.types import PRESENT, Kind, LabelMatrix, Verdict
from labelmend_core.workspace import Workspace

MOST_CLASSES = 60  # more rows than this cannot be told apart in a heat map


@dataclass(frozen=True)
class Counts:
    """What is known of the labels of a workspace.

    Attributes:
        table: a row for each class: name, given, negatives (verified absent), missing and spurious (suspected),
            answered and open, in numbers of images.
        decisions: standing decisions (skips left out).
        corrections: cells in which the corrected labels differ from the given ones in meaning (1 or not 1).
        run_id: the run whose suggestions are counted, None when there is none.
        expected: errors to be expected among its open suggestions, by the answers so far.
        left: what the audit sample of that run says of the errors that remain, empty without a sample.
    """

    table: pd.DataFrame
    decisions: int
    corrections: int
    run_id: str | None
    expected: float
    left: Mapping[Kind, Left]


def class_counts(workspace: Workspace) -> Counts:
    """Count labels, suggestions of the newest run that has some, and decisions, by class."""
    given = workspace.dataset.given_labels
    events = workspace.ledger.decisions()
    corrected = replay(given, events)
    run_id = workspace.queue.latest_run()
    table = pd.DataFrame(
        {
            "name": list(workspace.dataset.class_names),
            "given": given.positives_per_class(),
            "negatives": corrected.negatives_per_class(),
            **dict.fromkeys(("missing", "spurious", "answered", "open"), 0),
        }
    )
    if run_id is not None:
        for row in workspace.queue.counts(run_id).itertuples():
            table.loc[row.class_index, row.kind] += row.suggested
            table.loc[row.class_index, "answered"] += row.suggested - row.open
            table.loc[row.class_index, "open"] += row.open
    rows, classes = given.changed_cells(corrected)
    before, after = given.values(rows, classes), corrected.values(rows, classes)
    return Counts(
        table=table,
        decisions=sum(event.verdict is not Verdict.SKIP for event in standing(events)),
        corrections=int(((before == PRESENT) != (after == PRESENT)).sum()),
        run_id=run_id,
        expected=0.0 if run_id is None else outlook(workspace, run_id).expected,
        left={} if run_id is None else remaining_errors(workspace, run_id),
    )


def together(labels: LabelMatrix, most: int = MOST_CLASSES) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the `most` most frequent classes, most frequent first, and in how many images each two occur together.

    Args:
        labels: (N, K).
        most: how many classes at most.

    Returns:
        Class indices (M,) and counts (M, M), symmetric; the diagonal holds the positives of each class.
    """
    positives = labels.positives_per_class()
    chosen = np.argsort(-positives, kind="stable")[:most]
    chosen = chosen[positives[chosen] > 0]
    rows, columns, values = labels.cells()
    present = values == PRESENT
    shape = labels.shape
    matrix = sparse.csr_array((np.ones(present.sum(), np.int64), (rows[present], columns[present])), shape=shape)
    matrix = matrix[:, chosen]
    return chosen, np.asarray((matrix.T @ matrix).toarray(), dtype=np.int64)
