"""Given labels and decisions make corrected labels."""

from collections.abc import Iterable
from enum import StrEnum

from labelmend_core.ledger.store import standing
from labelmend_core.types import ABSENT, PRESENT, Decision, LabelMatrix, Verdict

Cell = tuple[int, int]


class Policy(StrEnum):
    """Whose word counts where several reviewers decided one cell.

    `LATEST`: the last present or absent; `MAJORITY`: more votes than the other side;
    `UNANIMOUS`: every reviewer who answered says the same, an unsure one included.
    """

    LATEST = "latest"
    MAJORITY = "majority"
    UNANIMOUS = "unanimous"


def replay(given_labels: LabelMatrix, events: Iterable[Decision], policy: Policy = Policy.LATEST) -> LabelMatrix:
    """Return the corrected labels: present writes 1, absent writes -1, everything else leaves the cell as given.

    So an accepted missing label becomes 1, a rejected one -1 (a verified negative), an accepted
    spurious label -1, a rejected one 1. A reviewer's later answer replaces the earlier one; an
    `unsure` withdraws it; a `skip` says nothing. The order is that of the events, never of the clock.

    Args:
        given_labels: shape (N, K).
        events: the ledger's events in the order of their commit, undo events included.
        policy: whose word counts.
    """
    values = {cell: value for cell, votes in _votes(events).items() if (value := _outcome(votes, policy)) is not None}
    images = [image for image, _ in values]
    classes = [class_index for _, class_index in values]
    return given_labels.replace(images, classes, list(values.values()))


def decided_by(events: Iterable[Decision]) -> dict[Cell, Decision]:
    """Return for each (image, class) cell the last standing decision that says present or absent."""
    definite = (Verdict.PRESENT, Verdict.ABSENT)
    return {(e.image, e.class_index): e for e in standing(events) if e.verdict in definite}


def _votes(events: Iterable[Decision]) -> dict[Cell, dict[str, Verdict]]:
    """Each cell's reviewers with their last answer; the reviewer who answered last comes last."""
    votes: dict[Cell, dict[str, Verdict]] = {}
    for event in standing(events):
        if event.verdict is Verdict.SKIP:
            continue
        of_cell = votes.setdefault((event.image, event.class_index), {})
        of_cell.pop(event.reviewer, None)
        of_cell[event.reviewer] = event.verdict
    return votes


def _outcome(votes: dict[str, Verdict], policy: Policy) -> int | None:
    """Return 1, -1, or None where the cell stays as given."""
    answers = list(votes.values())
    definite = [answer for answer in answers if answer is not Verdict.UNSURE]
    if not definite:
        return None
    present = sum(answer is Verdict.PRESENT for answer in definite)
    absent = len(definite) - present
    if policy is Policy.LATEST:
        return PRESENT if definite[-1] is Verdict.PRESENT else ABSENT
    if policy is Policy.MAJORITY:
        return None if present == absent else (PRESENT if present > absent else ABSENT)
    if len(set(answers)) > 1:
        return None
    return PRESENT if present else ABSENT
