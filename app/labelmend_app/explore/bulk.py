"""One answer to many cells of one class at once: written as ordinary decisions, and taken back together.

On a cell of the audit sample it counts as a label, but not as an answer of the sample: the review still asks for it.
"""

from datetime import UTC, datetime
from uuid import uuid4

import pandas as pd

from labelmend_core.errors import InputError
from labelmend_core.types import BULK_CLIENT, Decision, Verdict
from labelmend_core.workspace import Workspace

_WHAT = {Verdict.PRESENT: "as showing", Verdict.ABSENT: "as not showing"}


def new_client() -> str:
    """Return a client id for one bulk decision."""
    return BULK_CLIENT + uuid4().hex


def is_client(text: str) -> bool:
    """Return whether a text may be the client id of a bulk decision."""
    return text.startswith(BULK_CLIENT) and len(text) == len(BULK_CLIENT) + 32 and text.isascii()


def decide_all(
    workspace: Workspace,
    run_id: str,
    cells: pd.DataFrame,
    verdict: Verdict,
    *,
    reviewer: str,
    client: str,
    anew: bool = False,
) -> int:
    """Commit the same answer to all cells in one transaction and return how many decisions are new.

    Saying it a second time with the same client changes nothing.

    Args:
        workspace: whose ledger.
        run_id: the run whose suggestions are answered, where the cells are some.
        cells: image_index and class_index, all of one class.
        verdict: present or absent.
        reviewer: who says so.
        client: of `new_client`.
        anew: cells that have an answer are answered anew; without it there must be none.

    Raises:
        InputError: the cells are of several classes, or somebody has answered one of them meanwhile.
    """
    classes = cells["class_index"].unique().tolist()
    if len(classes) != 1:
        raise InputError(f"Expected a bulk decision on one class, got {len(classes)}; choose one class.")
    images = cells["image_index"].to_numpy()
    ids = workspace.cells.suggestion_ids(run_id, classes[0], images)
    now = datetime.now(UTC)
    return workspace.ledger.append(
        [
            Decision(
                client=client,
                seq=seq,
                image=image,
                class_index=classes[0],
                verdict=verdict,
                reviewer=reviewer,
                decided_at=now,
                suggestion_id=ids.get(image),
            )
            for seq, image in enumerate(images.tolist(), start=1)
        ],
        unanswered=not anew,
    )


def undo_all(workspace: Workspace, client: str) -> int:
    """Take back all that stands of a bulk decision, in one transaction, and return how many decisions that were."""
    if not is_client(client):
        return 0
    standing = workspace.cells.standing_of(client)
    # The numbers follow from what is undone: two tabs that undo at once write the same events, which count once.
    total, now = workspace.ledger.acknowledged(client), datetime.now(UTC)
    undone = [
        Decision(
            client=client,
            seq=total + place,
            image=int(row.image_index),
            class_index=int(row.class_index),
            verdict=Verdict.UNDO,
            reviewer=str(row.reviewer),
            decided_at=now,
            undoes=(client, int(row.seq)),
        )
        for place, row in enumerate(standing.itertuples(), start=1)
    ]
    return workspace.ledger.append(undone)


def said(verdict: Verdict, n: int, class_name: str) -> str:
    """Return what a bulk decision says.

    Example:
        >>> said(Verdict.PRESENT, 37, "dog")
        'Mark 37 images as showing dog'
    """
    return f"Mark {n:,} image{'' if n == 1 else 's'} {_WHAT[verdict]} {class_name}"
