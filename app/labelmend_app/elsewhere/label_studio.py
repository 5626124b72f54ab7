"""Decisions made in Label Studio on our review tasks, into the ledger: its JSON export, as often as one likes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from labelmend_app.elsewhere.answers import Cell
from labelmend_app.elsewhere.review_tasks import ASKED, BEFORE, IMAGE, MARK, RUN
from labelmend_app.elsewhere.taking import Said, take
from labelmend_app.review.reviewers import reviewer_name
from labelmend_core.errors import InputError
from labelmend_core.types import Decision, Verdict
from labelmend_core.workspace import Workspace
from labelmend_datasets.formats import annotated_tasks

CLIENT = "label-studio"


@dataclass(frozen=True)
class Conflict:
    """A cell that Label Studio and the ledger call differently; neither was changed."""

    image: str
    class_name: str
    in_label_studio: str
    reviewer: str
    in_ledger: str
    decided_by: str


@dataclass
class Brought:
    """What became of the decisions made in Label Studio.

    Attributes:
        tasks: how many of ours the file has.
        annotated: how many of these somebody submitted.
        sent: decisions that these make.
        kept: how many of them the ledger has now.
        added: new events in the ledger.
        conflicts: what the ledger calls differently.
        unclear: what cannot be read as a decision, in words.
    """

    tasks: int = 0
    annotated: int = 0
    sent: int = 0
    kept: int = 0
    added: int = 0
    conflicts: list[Conflict] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)


def bring(workspace: Workspace, export: Path, *, reviewers: Mapping[str, str] | None = None) -> Brought:
    """Bring what was decided on the tasks of `write_review_tasks` into the ledger; doing it again adds nothing.

    Submitting a task answers what it asked: a suggested class that was chosen is present, one that was not is absent.
    Another class is answered where its choice was changed. What was taken back in the ledger since, or decided anew,
    is not brought a second time by the same export or an older one.

    Args:
        workspace: whose ledger.
        export: what Label Studio exports as JSON.
        reviewers: names of its users, by their number or e-mail address there.

    Raises:
        AnnotationError: the file is no JSON list of tasks.
        InputError: none of its tasks is one of this workspace.
    """
    brought = Brought()
    said, run_id = _read(workspace, export, reviewers or {}, brought)
    brought.sent = len(said)
    told = _told(workspace)
    new = [one for one in said if (one.cell, one.reviewer) not in told or told[one.cell, one.reviewer] < one.decided_at]
    taken = take(workspace, CLIENT, new, run_id=run_id, each_reviewer=True)
    brought.kept = len(said) - len(taken.conflicts)
    brought.added = taken.added
    brought.conflicts = [_conflict(workspace, one, decision) for one, decision in taken.conflicts]
    return brought


def _told(workspace: Workspace) -> dict[tuple[Cell, str], datetime]:
    """Return when a reviewer last said something of a cell that the ledger took, though it was undone since."""
    return {
        ((one.image, one.class_index), one.reviewer): one.decided_at
        for one in workspace.ledger.decisions()
        if one.client == CLIENT and one.verdict is not Verdict.UNDO
    }


def _read(workspace: Workspace, export: Path, reviewers: Mapping[str, str], brought: Brought) -> tuple[list[Said], str]:
    """Return what was said, of each cell and reviewer the last, and the run that the tasks come from."""
    dataset = workspace.dataset
    images = {image_id: index for index, image_id in enumerate(dataset.image_ids)}
    classes = {name: index for index, name in enumerate(dataset.class_names)}
    # A file without times has that of its own.
    saved_at = None
    last: dict[tuple[Cell, str], Said] = {}
    run_id, n_strange = "", 0
    for number, data, annotations in annotated_tasks(export):
        saved_at = saved_at or datetime.fromtimestamp(export.stat().st_mtime, UTC)
        task = _Task.of(data, images, classes)
        if task is None:
            n_strange += 1
            continue
        brought.tasks += 1
        brought.annotated += bool(annotations)
        run_id = run_id or task.run_id
        for annotation in annotations:
            unknown = sorted(set(annotation.choices) - set(classes))
            brought.unclear += [f"task {number}: {name[:80]!r} is no class of this workspace" for name in unknown]
            reviewer = _reviewer(annotation.by, reviewers)
            when = annotation.at or saved_at
            for cell, verdict in task.said({classes[name] for name in annotation.choices if name in classes}):
                before = last.get((cell, reviewer))
                if before is None or before.decided_at <= when:
                    last[cell, reviewer] = Said(cell, verdict, reviewer, when)
    if not brought.tasks:
        raise InputError(
            f"Expected tasks of this workspace in {export}, found {n_strange:,} others; export the project of "
            "'labelmend export --review-tasks' as JSON, and not as JSON-MIN."
        )
    if n_strange:
        brought.unclear.append(f"{n_strange:,} tasks are none of this workspace")
    return list(last.values()), run_id


@dataclass(frozen=True)
class _Task:
    """What a task of ours asked: an image, the classes suggested, and those that it had."""

    image: int
    asked: frozenset[int]
    before: frozenset[int]
    run_id: str

    @classmethod
    def of(cls, data: Mapping[str, object], images: Mapping[str, int], classes: Mapping[str, int]) -> "_Task | None":
        """Return the task of the data of one, None where it is none of this workspace."""
        mark = data.get(MARK)
        if not isinstance(mark, dict):
            return None
        asked, before, image = mark.get(ASKED), mark.get(BEFORE), mark.get(IMAGE)
        if not (isinstance(image, str) and image in images and _known(asked, classes) and _known(before, classes)):
            return None
        indices = [frozenset(classes[name] for name in names) for names in (asked or (), before or ())]
        return cls(images[image], indices[0], indices[1], str(mark.get(RUN, "")))

    def said(self, chosen: set[int]) -> Iterator[tuple[Cell, Verdict]]:
        """Yield what a submission says: of what was asked, and of what was changed without being asked."""
        for k in sorted(self.asked | (self.before ^ chosen)):
            yield (self.image, k), Verdict.PRESENT if k in chosen else Verdict.ABSENT


def _known(names: object, classes: Mapping[str, int]) -> bool:
    return isinstance(names, list) and all(isinstance(name, str) and name in classes for name in names)


def _reviewer(by: Sequence[str], reviewers: Mapping[str, str]) -> str:
    """Return who submitted: the name that was given for it, else what Label Studio says."""
    named = next((reviewers[one] for one in by if one in reviewers), None)
    if named is not None:
        return reviewer_name(named)
    try:
        return reviewer_name(by[0] if not by[0].isdigit() else f"Label Studio user {by[0]}")
    except (IndexError, InputError):
        return "Label Studio"


def _conflict(workspace: Workspace, said: Said, decision: Decision | None) -> Conflict:
    dataset, (image, k) = workspace.dataset, said.cell
    return Conflict(
        image=dataset.image_ids[image],
        class_name=dataset.class_names[k],
        in_label_studio="" if said.verdict is None else said.verdict.value,
        reviewer=said.reviewer,
        in_ledger="" if decision is None else decision.verdict.value,
        decided_by="" if decision is None else decision.reviewer,
    )
