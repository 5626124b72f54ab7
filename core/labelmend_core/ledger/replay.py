"""Given labels and decisions make corrected labels."""

from collections.abc import Iterable
from enum import StrEnum

from labelmend_core.ledger.store import standing
from labelmend_core.types import ABSENT, PRESENT, Decision, LabelMatrix, Verdict

Cell = tuple[int, int]
_LABELS = {Verdict.PRESENT: PRESENT, Verdict.ABSENT: ABSENT}


class Policy(StrEnum):
    """Whose word counts where several reviewers decided one cell and nobody settled it.

    `LATEST`: the last present or absent; `MAJORITY`: more votes than the other side;
    `UNANIMOUS`: every reviewer who answered says the same, an unsure one included. An adjudication counts
    under every policy, whatever is said before or after it; of several the last.
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
    decided = decided_by(events, policy)
    images = [image for image, _ in decided]
    classes = [class_index for _, class_index in decided]
    return given_labels.replace(images, classes, [_LABELS[decision.verdict] for decision in decided.values()])


def decided_by(events: Iterable[Decision], policy: Policy = Policy.LATEST) -> dict[Cell, Decision]:
    """Return for each (image, class) cell that is decided under the policy the last decision that says so.

    Its verdict is present or absent, what `replay` writes; a cell that stays as given is not in it.
    """
    events = standing(events)
    settled = {cell: _settled(list(answers.values()), policy) for cell, answers in _answers(events).items()}
    settled |= {(event.image, event.class_index): event for event in events if event.adjudicates}
    return {cell: decision for cell, decision in settled.items() if decision is not None}


def _answers(events: Iterable[Decision]) -> dict[Cell, dict[str, Decision]]:
    """Each cell's reviewers with their last answer; the reviewer who answered last comes last."""
    answers: dict[Cell, dict[str, Decision]] = {}
    for event in events:
        if event.verdict is Verdict.SKIP or event.adjudicates:
            continue
        of_cell = answers.setdefault((event.image, event.class_index), {})
        of_cell.pop(event.reviewer, None)
        of_cell[event.reviewer] = event
    return answers


def _settled(answers: list[Decision], policy: Policy) -> Decision | None:
    """Return the last decision that says what the policy makes of the answers, None where the cell stays as given."""
    present = [answer for answer in answers if answer.verdict is Verdict.PRESENT]
    absent = [answer for answer in answers if answer.verdict is Verdict.ABSENT]
    definite = [answer for answer in answers if answer.verdict is not Verdict.UNSURE]
    if not definite:
        return None
    if policy is Policy.LATEST:
        return definite[-1]
    if policy is Policy.MAJORITY:
        return None if len(present) == len(absent) else max(present, absent, key=len)[-1]
    return definite[-1] if len(answers) in (len(present), len(absent)) else None
