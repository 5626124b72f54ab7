"""What the review asks next: the open suggestions of one class and kind, with the audit sample mixed into them."""

from collections.abc import Collection
from dataclasses import replace
from math import inf

import numpy as np

from labelmend_core.detection import recalibrations
from labelmend_core.detection.stopping import enough_answers
from labelmend_core.ledger import AuditCell, Second
from labelmend_core.types import Kind, Suggestion
from labelmend_core.workspace import Workspace

# An audited cell has no suggestion; the page needs an id of it all the same, and one that looks like the others.
FIRST_AUDIT_ID = 2**40
# Cells of the sample whose places were passed come one after so many suggestions, not all at once.
BETWEEN = 4


def page_of(
    workspace: Workspace,
    run_id: str,
    kind: Kind,
    class_index: int,
    *,
    after_rank: int,
    limit: int,
    last_rank: int | None = None,
    likely: float | None = None,
    second: Second | None = None,
    before: Collection[tuple[int, int]] | None = None,
) -> list[Suggestion]:
    """Return at least `limit` of what to ask next, in the order of rank; fewer only at the end of the queue.

    Each with its probability now, after the answers to others. A cell of the audit sample comes as a suggestion with
    an id from `FIRST_AUDIT_ID` on, the rank of its place, and all other numbers of the suggestion before it on the
    page, or the first: the reviewer must not be able to tell.

    Args:
        workspace: that the run belongs to.
        run_id: a run with suggestions.
        kind, class_index: the queue.
        after_rank: the highest rank that was seen already.
        limit: how many suggestions.
        last_rank: where the queue ends, None for its own end.
        likely: it ends where suggestions are less likely now, in [0, 1].
        second: who asks, where some cells are asked of two reviewers.
        before: image and class of what the reviewer has before them already. Then cells of the sample whose places
            were passed, because their suggestions were answered elsewhere, are spread over this page and the next
            ones; where it is None they come together, in front of the first page.
    """
    now = recalibrations(workspace, run_id)[kind]
    if likely is not None:
        least = float(now.least(likely)[class_index])
        last_rank = workspace.queue.last_rank(run_id, kind=kind, class_index=class_index, least=least)
    page = workspace.queue.open(
        run_id,
        kind=kind,
        class_index=class_index,
        after_rank=after_rank,
        last_rank=last_rank,
        limit=limit,
        audited=False,
        second=second,
    )
    full = len(page) == limit
    # What is shown after the last one of a full page belongs to it: the next page begins behind its rank.
    last = page[-1].rank if full else inf if last_rank is None else last_rank
    sample = workspace.audits.cells(run_id, kind=kind, class_index=class_index, second=second)
    due = [cell for cell in sample if is_open(cell) and place_of(cell) <= last]
    if before is None:
        placed = [(cell, place_of(cell)) for cell in due if place_of(cell) > after_rank]
    else:
        new = [cell for cell in due if (cell.image_index, cell.class_index) not in before]
        placed = _spread([item.rank for item in page], new, after_rank, full=full)
    disguised = [_disguised(workspace, run_id, page, cell, rank) for cell, rank in placed]
    shown = sorted([*page, *disguised], key=lambda shown: (shown.rank, shown.suggestion_id))
    classes = np.full(len(shown), class_index, dtype=np.int64)
    probabilities = now(classes, np.array([item.error_probability for item in shown], dtype=np.float64)).T.tolist()
    return [
        replace(item, error_probability=p, low=low, high=high)
        for item, (p, low, high) in zip(shown, probabilities, strict=True)
    ]


def is_audit(suggestion_id: int) -> bool:
    """Return whether the id of a shown suggestion is that of an audited cell."""
    return suggestion_id >= FIRST_AUDIT_ID


def is_open(cell: AuditCell) -> bool:
    """Return whether a cell of the sample needs an answer, or another one."""
    if cell.again_for_second:
        return True
    if not cell.answers:
        return not cell.looked_at
    return not cell.unsure and not enough_answers(cell.error_probability, cell.said_error, cell.said_fine)


def place_of(cell: AuditCell) -> int:
    """Return the rank of the suggestion that it is shown after."""
    return cell.again if cell.answers else cell.place


def _spread(ranks: list[int], due: list[AuditCell], after_rank: int, *, full: bool) -> list[tuple[AuditCell, int]]:
    """Return the cells to show on a page, each with the rank that it is shown after.

    A cell comes at its place where that suggestion is on the page. Those whose places were passed fill in, one after
    every `BETWEEN` suggestions; the others wait for the next page, or stand at the end if there is none.
    """
    here: dict[int, list[AuditCell]] = {rank: [] for rank in ranks}
    late: list[AuditCell] = []
    for cell in sorted(due, key=place_of):
        here.get(place_of(cell), late).append(cell)
    placed: list[tuple[AuditCell, int]] = []
    since = 0
    for rank in ranks:
        since += 1
        if not here[rank] and late and place_of(late[0]) < rank and since >= BETWEEN:
            here[rank] = [late.pop(0)]
        placed += [(cell, rank) for cell in here[rank]]
        since = 0 if here[rank] else since
    end = ranks[-1] if ranks else after_rank
    return placed if full else placed + [(cell, max(end, place_of(cell))) for cell in late]


def _disguised(workspace: Workspace, run_id: str, page: list[Suggestion], cell: AuditCell, rank: int) -> Suggestion:
    p = cell.error_probability
    looks = next((shown for shown in reversed(page) if shown.rank <= rank), page[0] if page else None)
    looks = looks or workspace.queue.neighbour(run_id, kind=cell.kind, class_index=cell.class_index, rank=rank)
    if looks is None:  # nothing is suggested for this class
        looks = Suggestion(0, run_id, 0, cell.class_index, cell.kind, 0, 1 - p, p, 0.0, 1.0)
    return replace(looks, suggestion_id=FIRST_AUDIT_ID + cell.audit_id, image=cell.image_index, rank=rank)
