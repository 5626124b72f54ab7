"""Decisions made in another tool into the ledger: each once, and none over what somebody said otherwise here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

import numpy as np

from labelmend_app.elsewhere.answers import Cell, strongest
from labelmend_core.ledger import standing
from labelmend_core.types import Decision, Verdict
from labelmend_core.workspace import Workspace

Voice = Cell | tuple[Cell, str]


@dataclass(frozen=True)
class Said:
    """What somebody said of one (image, class) cell in the other tool; without a verdict it is open again there."""

    cell: Cell
    verdict: Verdict | None
    reviewer: str
    decided_at: datetime


S = TypeVar("S", bound=Said)


@dataclass(frozen=True)
class Taken(Generic[S]):
    """What became of what was said.

    Attributes:
        kept: what the ledger has now, what it had already included.
        conflicts: what the ledger calls differently, with what it has.
        added: new events in the ledger.
    """

    kept: list[S]
    conflicts: list[tuple[S, Decision | None]]
    added: int


def take(workspace: Workspace, client: str, said: Sequence[S], *, run_id: str, each_reviewer: bool = False) -> Taken[S]:
    """Bring decisions into the ledger; doing it again adds nothing, and what is not taken changes nothing.

    Args:
        workspace: whose ledger.
        client: under which the other tool's decisions stand in the ledger.
        said: what the other tool has; of a cell, or of a cell and a reviewer, once.
        run_id: whose suggestions they answer.
        each_reviewer: whether the tool keeps an answer of every reviewer of a cell, rather than one of the cell; then
            the reviewers may differ, which *Conflicts* shows.
    """
    events = standing(workspace.ledger.decisions())
    all_said = strongest(events)
    of_others = strongest([one for one in events if one.client != client])
    own = {
        _voice(one.image, one.class_index, one.reviewer, each_reviewer): one for one in events if one.client == client
    }
    kept: list[S] = []
    conflicts: list[tuple[S, Decision | None]] = []
    for one in said:
        counts = all_said.get(one.cell)
        other = of_others.get(one.cell) if one.verdict is not None else counts
        if other is not None and other[1].client != client and _contradicts(other[1], one.verdict):
            conflicts.append((one, other[1]))
        else:
            kept.append(one)
    before = [own.get(_voice(*one.cell, one.reviewer, each_reviewer)) for one in kept]
    new = [
        (one, mine)
        for one, mine in zip(kept, before, strict=True)
        if not (_is_there(one, mine) or (one.cell in all_said and _is_there(one, all_said[one.cell][1])))
    ]
    ids = _suggestion_ids(workspace, run_id, [one.cell for one, _ in new])
    added = workspace.ledger.append(_events(workspace.ledger.acknowledged(client), client, new, ids))
    return Taken(kept, conflicts, added)


def _voice(image: int, class_index: int, reviewer: str, each_reviewer: bool) -> Voice:
    """Return what has one answer in the other tool."""
    return ((image, class_index), reviewer) if each_reviewer else (image, class_index)


def _contradicts(other: Decision, verdict: Verdict | None) -> bool:
    return other.verdict.is_definite and other.verdict is not verdict


def _is_there(said: Said, standing: Decision | None) -> bool:
    """Whether the ledger has this very decision, or there is nothing to take back."""
    if said.verdict is None:
        return standing is None
    return standing is not None and (standing.verdict, standing.reviewer) == (said.verdict, said.reviewer)


def _events(
    last: int, client: str, new: Sequence[tuple[Said, Decision | None]], ids: Mapping[Cell, int]
) -> list[Decision]:
    """Return decisions for the ledger, numbered on; who changes their mind takes the decision before back."""
    events: list[Decision] = []
    for said, before in new:
        image, k = said.cell
        if before is not None and before.verdict is not said.verdict:
            undone = (before.client, before.seq)
            seq = last + len(events) + 1
            events.append(
                Decision(client, seq, image, k, Verdict.UNDO, before.reviewer, said.decided_at, undoes=undone)
            )
        if said.verdict is not None:
            seq = last + len(events) + 1
            suggestion = ids.get(said.cell)
            events.append(Decision(client, seq, image, k, said.verdict, said.reviewer, said.decided_at, suggestion))
    return events


def _suggestion_ids(workspace: Workspace, run_id: str, cells: Sequence[Cell]) -> dict[Cell, int]:
    """Return the suggestion that each decision answers; an answer on the audit sample carries none."""
    if run_id not in workspace.cells.runs_with_suggestions():
        return {}
    images: dict[int, list[int]] = {}
    for image, k in cells:
        images.setdefault(k, []).append(image)
    found: dict[Cell, int] = {}
    for k, own in images.items():
        sample = workspace.cells.audited(run_id, k)
        ids = workspace.cells.suggestion_ids(run_id, k, np.array(own, dtype=np.int64))
        found |= {(image, k): id_ for image, id_ in ids.items() if image not in sample}
    return found
