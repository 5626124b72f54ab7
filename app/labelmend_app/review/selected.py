"""What the review asks of cells that somebody selected: exactly these, suggested or not, in the order of the selection.

The order never changes, so the place of a cell among those of its class and kind stands for its rank.
"""

from dataclasses import replace
from math import nan

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from labelmend_app.review.queue import FIRST_AUDIT_ID
from labelmend_core.detection import Outlook, outlook, recalibrations
from labelmend_core.ledger import Second
from labelmend_core.ledger.cells import Places
from labelmend_core.types import IntArray, Kind, Suggestion
from labelmend_core.workspace import Workspace

# A selected cell without a suggestion needs an id on the page all the same, one that no audited cell has.
FIRST_SELECTED_ID = 2**41


def look(workspace: Workspace, run_id: str, second: Second | None = None) -> tuple[Outlook, Places]:
    """Return all suggestions of a run as the answers leave them, and where they lie.

    For a `second` reviewer some are open that another has answered.
    """
    while True:  # until nobody makes the suggestions anew in between
        seen = outlook(workspace, run_id, second=second)
        places = workspace.cells.places(run_id, seen.ranking)
        if places is not None:
            return seen, places


def selected_queues(
    workspace: Workspace, run_id: str, key: str, second: Second | None = None
) -> tuple[pd.DataFrame, float, Outlook]:
    """Return what became of the cells of a selection, a row a class and kind, its errors, and all of the run.

    Columns class_index, kind, suggested (how many were selected), open, expected (errors among the open ones that are
    suggestions, NaN where none is) and last_rank (NaN). The errors are those to be expected or found among all cells
    that are suggestions, NaN where none is. For a `second` reviewer cells are open, too, that one other answered.
    """
    cells = workspace.selections.load(key)
    seen, places = look(workspace, run_id, second)
    place = places.of(cells["image_index"].to_numpy(), cells["class_index"].to_numpy())
    open_ = ~answered(workspace, cells, run_id, second)
    # At place -1 stands any number; it is not looked at.
    probability = (
        np.where(place >= 0, seen.probability[place], nan) if len(seen.probability) else np.full(len(cells), nan)
    )
    rows = cells.assign(open=open_, expected=np.where(open_, probability, nan))
    grouped = rows.groupby(["class_index", "kind"], observed=True)
    found = grouped.agg(suggested=("open", "size"), open=("open", "sum"))
    found["expected"] = grouped["expected"].sum(min_count=1)
    found = found.reset_index().assign(last_rank=nan)
    errors = nan if np.isnan(probability).all() else float(np.nansum(probability))
    return found.astype({"kind": str, "suggested": int, "open": int}), errors, seen


def selected_page(
    workspace: Workspace,
    run_id: str,
    key: str,
    kind: Kind,
    class_index: int,
    *,
    after_rank: int,
    limit: int,
    second: Second | None = None,
) -> list[Suggestion]:
    """Return at most `limit` of the open cells of a selection of one class and kind behind a place.

    A cell that is no suggestion of the run, or is of its audit sample, comes with an id that the ledger does not know.

    Args:
        workspace: that the run belongs to.
        run_id: whose suggestions the cells are shown as, where they are some.
        key: of the selection.
        kind, class_index: the queue.
        after_rank: the highest place that was seen already.
        limit: how many.
        second: who asks, where some cells are asked of two reviewers.
    """
    cells = workspace.selections.load(key)
    images = cells.loc[(cells["class_index"] == class_index) & (cells["kind"] == kind.value), "image_index"].to_numpy()
    ranks = np.arange(1, len(images) + 1)
    due = (ranks > after_rank) & ~np.isin(images, workspace.cells.answered_images(class_index, run_id, second))
    images, ranks = images[due][:limit], ranks[due][:limit]
    ids, audited = (
        workspace.cells.suggestion_ids(run_id, class_index, images),
        workspace.cells.audited(run_id, class_index),
    )
    now = recalibrations(workspace, run_id)[kind]
    page = []
    for image, rank in zip(images.tolist(), ranks.tolist(), strict=True):
        shown = None if image not in ids else workspace.queue.get(ids[image])
        if shown is not None and shown.kind is kind:
            p, low, high = now(np.array([class_index]), np.array([shown.error_probability]))[:, 0].tolist()
            shown = replace(shown, rank=rank, error_probability=p, low=low, high=high)
        else:
            shown = Suggestion(FIRST_SELECTED_ID + rank, run_id, image, class_index, kind, rank, nan, nan, nan, nan)
        if image in audited:
            shown = replace(shown, suggestion_id=FIRST_AUDIT_ID + audited[image])
        page.append(shown)
    return page


def answered(
    workspace: Workspace, cells: pd.DataFrame, run_id: str = "", second: Second | None = None
) -> NDArray[np.bool_]:
    """Return which cells have an answer, bool (len(cells),); a skip is none.

    A cell that a `second` reviewer is still to be asked, by the share of the run, has none for them.
    """
    images, classes = cells["image_index"].to_numpy(), cells["class_index"].to_numpy()
    found = np.zeros(len(cells), dtype=bool)
    for class_index in np.unique(classes).tolist():
        here: IntArray = np.flatnonzero(classes == class_index)
        found[here] = np.isin(images[here], workspace.cells.answered_images(class_index, run_id, second))
    return found
