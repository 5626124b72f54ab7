"""What stands of each cell in the ledger."""

from collections.abc import Iterable

from labelmend_core.ledger import standing
from labelmend_core.ledger.verdicts import strength
from labelmend_core.types import Decision
from labelmend_core.workspace import Workspace

Cell = tuple[int, int]
Standing = tuple[int, Decision]  # how many standing decisions there were up to it, and the decision


def standing_answers(workspace: Workspace) -> dict[Cell, Standing]:
    """Return what counts of each (image, class) cell that somebody has decided: what settles it, else the last word.

    A present or absent counts before an unsure, an unsure before a skip: `labelmend_core.ledger.verdicts`.
    """
    return strongest(standing(workspace.ledger.decisions()))


def strongest(decisions: Iterable[Decision]) -> dict[Cell, Standing]:
    """Return what counts of each cell of standing decisions, in their order."""
    found: dict[Cell, tuple[int, int, Decision]] = {}
    for number, decision in enumerate(decisions, start=1):
        cell = decision.image, decision.class_index
        own = strength(decision.verdict, adjudicates=decision.adjudicates)
        if cell not in found or own >= found[cell][0]:
            found[cell] = own, number, decision
    return {cell: (number, decision) for cell, (_, number, decision) in found.items()}
