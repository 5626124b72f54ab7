"""Who has which cells before them, so that two reviewers are never shown the same one, however each of them asks.

Kept in the memory of the server: after a restart, two may be shown the same until they ask for their next pages, and
two answers to one cell are no harm.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from threading import Lock

from labelmend_core.types import Suggestion

Cell = tuple[int, int]  # image and class
IDLE_SECONDS = 600.0  # who neither answers nor turns a page for so long has left


class Reservations:
    """What was sent to each reviewer and is not answered; hold `lock` from asking what is taken until `reserve`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.lock = Lock()
        self._clock = clock
        self._seen: dict[str, float] = {}  # when each reviewer was last heard of
        self._before: dict[Cell, tuple[str, str]] = {}  # whom each cell is before, and in which tab

    def taken(self, reviewer: str, tab: str, class_index: int | None = None) -> set[Cell]:
        """Return the cells, of one class or of all, that others have before them, in other tabs."""
        now = self._clock()
        here = {name for name, seen in self._seen.items() if name != reviewer and now - seen < IDLE_SECONDS}
        return {
            cell
            for cell, (other, other_tab) in self._before.items()
            if other in here and other_tab != tab and class_index in (None, cell[1])
        }

    def before(self, reviewer: str, tab: str, class_index: int) -> set[Cell]:
        """Return the cells of a class that a reviewer has before them in a tab and has not answered."""
        return {
            cell
            for cell, whose in self._before.items()
            if cell[1] == class_index and whose in ((reviewer, tab), (reviewer, ""))
        }

    def start_again(self, reviewer: str, tab: str, class_index: int) -> None:
        """Note that the tab shows nothing of a class any more: it was reloaded, or opens the queue anew."""
        for cell in self.before(reviewer, tab, class_index):
            del self._before[cell]

    def reserve(self, reviewer: str, tab: str, page: Iterable[Suggestion]) -> None:
        """Note what a reviewer has before them."""
        self._seen[reviewer] = self._clock()
        for suggestion in page:
            self._before[cell_of(suggestion)] = reviewer, tab

    def answered(self, reviewer: str, answers: Mapping[Cell, bool]) -> None:
        """Note what a reviewer answered; `answers` says of each cell whether there is an answer now, or it was undone.

        A cell that somebody else has before them stays with them.
        """
        with self.lock:
            self._seen[reviewer] = self._clock()
            for cell, answered in answers.items():
                if self._before.get(cell, (reviewer, ""))[0] != reviewer:
                    continue
                if answered:
                    self._before.pop(cell, None)
                else:
                    self._before[cell] = reviewer, ""


def cell_of(suggestion: Suggestion) -> Cell:
    """Return which cell a suggestion is about."""
    return suggestion.image, suggestion.class_index


def left_for(page: Iterable[Suggestion], taken: Collection[Cell], limit: int) -> tuple[list[Suggestion], int]:
    """Return the suggestions of a page that nobody else has before them, and how many were left out.

    Args:
        page: in the order of rank, at least `limit` and as many as are taken where the queue has them.
        taken: cells that others have before them.
        limit: how many to return; a few more where several share the last rank.
    """
    page = list(page)
    free = [suggestion for suggestion in page if cell_of(suggestion) not in taken]
    if len(free) > limit:
        last = free[limit - 1].rank
        page, free = ([s for s in some if s.rank <= last] for some in (page, free))
    return free, len(page) - len(free)
