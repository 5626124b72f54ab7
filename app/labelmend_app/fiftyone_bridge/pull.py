"""Decisions made in FiftyOne into the ledger: each once, and none over what the ledger says otherwise."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from labelmend_app.elsewhere.taking import Said, take
from labelmend_app.explore.cells import State
from labelmend_app.fiftyone_bridge import layout
from labelmend_app.fiftyone_bridge.connection import connect
from labelmend_app.fiftyone_bridge.elements import Element, decision_tags, said_by_and_at, to_milliseconds
from labelmend_app.review.reviewers import default_reviewer, reviewer_name
from labelmend_core.errors import InputError
from labelmend_core.types import Decision
from labelmend_core.workspace import Workspace

_MARKED = 20_000  # decisions a command; MongoDB takes 16 MB
_NEEDED = ("_id", "label", "class_index", "kind", "status", "tags", "reviewer", "decided_at", "ledger")
_UNDELIVERED = [
    {"$match": {f"{layout.ELEMENTS}.0": {"$exists": True}}},
    {"$project": {"image_index": 1, "last_modified_at": 1, "element": f"${layout.ELEMENTS}"}},
    {"$unwind": "$element"},
    {
        "$match": {
            "element.class_index": {"$exists": True},
            "$or": [
                {"$expr": {"$ne": ["$element.status", "$element.ledger.status"]}},
                {"element.tags": {"$in": list(layout.DECISIONS)}},
            ],
        }
    },
    {"$sort": {"last_modified_at": 1, "image_index": 1, "element.class_index": 1}},
    # What else a suggestion says, scores for instance, would only take time on the way.
    {"$project": {"image_index": 1, "last_modified_at": 1} | {f"element.{name}": 1 for name in _NEEDED}},
]


@dataclass(frozen=True)
class Conflict:
    """A cell that the App and the ledger call differently; neither was changed."""

    image: str
    class_name: str
    kind: str
    in_fiftyone: str
    in_ledger: str
    decided_by: str


@dataclass
class Pulled:
    """What became of the decisions made in the App.

    Attributes:
        sent: how many the App had that the ledger had not.
        kept: how many of these the ledger has now, those that it had from an interrupted pull included.
        added: new events in the ledger.
        conflicts: what the ledger calls differently.
        unclear: what cannot be read as a decision, in words.
    """

    sent: int = 0
    kept: int = 0
    added: int = 0
    conflicts: list[Conflict] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Said(Said):
    """One decision of the App, and how the mirror is told that the ledger has it."""

    sample_id: Any
    element: Element
    status: str


def pull(workspace: Workspace, *, reviewer: str | None = None) -> Pulled:
    """Bring what was decided in FiftyOne into the ledger; doing it again adds nothing.

    A decision is a suggestion's status, accepted, rejected or unsure, or a tag of one of these names. Open again takes
    back what came from there.

    Args:
        workspace: whose ledger.
        reviewer: who decided, where a suggestion does not say it; whoever is logged in without it.

    Raises:
        WorkspaceError: there is no database for FiftyOne.
        InputError: nothing was pushed yet.
    """
    name = default_reviewer() if reviewer is None else reviewer_name(reviewer)
    dataset = layout.existing(connect(workspace.folder), workspace)
    pulled = Pulled()
    run_id = str(dataset.info[layout.MARK].get("run", ""))
    taken = take(workspace, layout.client_of(dataset), _read(dataset, name, pulled), run_id=run_id)
    pulled.conflicts = [_conflict(workspace, said, decision) for said, decision in taken.conflicts]
    pulled.added, pulled.kept, delivered = taken.added, len(taken.kept), taken.kept
    for start in range(0, len(delivered), _MARKED):
        _mark(dataset, delivered[start : start + _MARKED])
    return pulled


def _read(dataset: Any, reviewer: str, pulled: Pulled) -> list[_Said]:
    found: list[_Said] = []
    for row in layout.samples_of(dataset).aggregate(_UNDELIVERED):
        element = row["element"]
        where = f"{element.get('label')!r} of image {row['image_index']}"
        pulled.sent += 1
        status = _status(element)
        if status is None:
            tags = ", ".join(decision_tags(element))
            says = f"the tags {tags}" if len(decision_tags(element)) > 1 else f"the status {element.get('status')!r}"
            pulled.unclear.append(f"{where} has {says}")
            continue
        named, decided_at = said_by_and_at(element, row["last_modified_at"])
        try:
            by = reviewer if named is None else reviewer_name(named)
        except InputError as error:
            pulled.unclear.append(f"{where}: {error}")
            continue
        cell = row["image_index"], element["class_index"]
        verdict = None if status == State.OPEN.value else layout.verdict_of(element["kind"], status)
        found.append(_Said(cell, verdict, by, decided_at.replace(tzinfo=UTC), row["_id"], element, status))
    return found


def _status(element: Element) -> str | None:
    """Return what was decided, None where it is no decision or two."""
    tags = decision_tags(element)
    status = element.get("status") or State.OPEN.value
    changed = element.get("status") != element["ledger"]["status"]
    if tags and (len(tags) > 1 or (changed and status != tags[0])):
        return None
    decided = tags[0] if tags else status
    return decided if decided in (*layout.DECISIONS, State.OPEN.value) else None


def _conflict(workspace: Workspace, said: _Said, decision: Decision | None) -> Conflict:
    image, k = said.cell
    kind = said.element["kind"]
    dataset = workspace.dataset
    return Conflict(
        image=dataset.image_ids[image],
        class_name=dataset.class_names[k],
        kind=kind,
        in_fiftyone=said.status,
        in_ledger=layout.status_of(kind, None if decision is None else decision.verdict),
        decided_by="" if decision is None else decision.reviewer,
    )


def _mark(dataset: Any, delivered: Sequence[_Said]) -> None:
    """Note in the mirror what the ledger has, unless it was changed once more in the meantime."""
    groups: dict[tuple[str, str | None, bool], list[_Said]] = {}
    for said in delivered:
        groups.setdefault((said.status, said.element.get("status"), bool(decision_tags(said.element))), []).append(said)
    # All in one command: what takes the time is to write a sample, which may have suggestions of several groups.
    update: dict[str, dict[str, Any]] = {"$set": {"last_modified_at": to_milliseconds(datetime.now(UTC))}}
    filters = []
    for number, ((status, before, tagged), own) in enumerate(groups.items()):
        name = f"group{number}"
        found = f"{layout.ELEMENTS}.$[{name}]"
        update["$set"] |= {f"{found}.status": status, f"{found}.ledger.status": status}
        which = {f"{name}._id": {"$in": [said.element["_id"] for said in own]}, f"{name}.status": before}
        if tagged:
            update.setdefault("$pull", {})[f"{found}.tags"] = status
            which[f"{name}.tags"] = status
        filters.append(which)
    samples = {"_id": {"$in": [said.sample_id for said in delivered]}}
    layout.samples_of(dataset).update_many(samples, update, array_filters=filters)
