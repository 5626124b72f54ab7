"""The review one image at a time: all open suggestions of an image, the images with the most errors expected first.

The order of the images is by the probabilities as they were ranked, so it stays the same whatever is answered. Cells
of the audit sample are not asked here but class by class: they stand for cells of their probability, not of an image.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from threading import Lock

import numpy as np

from labelmend_app.review.picked_queue import ALL, Pick, picked_queue
from labelmend_app.review.reservations import Cell, cell_of
from labelmend_core.detection import recalibrations
from labelmend_core.ledger import Second
from labelmend_core.ledger.ranking import Ranking
from labelmend_core.types import IntArray, Kind, Suggestion
from labelmend_core.workspace import Workspace

_BLOCK = 200  # images that are looked at together


@dataclass(frozen=True)
class ImagePage:
    """Some images of the order.

    Attributes:
        suggestions: of whole images, in their order, likeliest first, with their probabilities now.
        after: place in the order to go on from.
        ended: whether nothing comes after it.
        held: how many suggestions on the way were left out, because others have them before them.
    """

    suggestions: Sequence[Suggestion]
    after: int
    ended: bool
    held: int = 0


class ImageQueue:
    """The images of one workspace's runs; safe to ask from several threads."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace, self._lock = workspace, Lock()
        self._known: tuple[str, Ranking, IntArray] | None = None

    def order(self, run_id: str, *, from_start: bool) -> IntArray:
        """Return the images with suggestions, int64 (n,), those with the most errors expected first.

        Only a reviewer who begins is told of suggestions that were made anew: a place in an order means nothing in
        another one.
        """
        with self._lock:
            known = self._known
            if known is not None and known[0] == run_id and not from_start:
                return known[2]
            ranking = self._workspace.queue.ranking(run_id)  # another object once the suggestions are others
            if known is None or known[1] is not ranking:
                images = self._workspace.queue.images(run_id)
                images = images.sort_values(["expected", "image_index"], ascending=[False, True])
                known = (run_id, ranking, images["image_index"].to_numpy(np.int64))
                self._known = known
            return known[2]

    def page(
        self,
        run_id: str,
        pick: Pick,
        *,
        after: int,
        limit: int,
        blind: bool = False,
        second: Second | None = None,
        taken: Collection[Cell] = (),
    ) -> ImagePage:
        """Return the next images that have something open within the pick.

        Args:
            run_id: a run with suggestions.
            pick: which suggestions.
            after: how many images of the order were seen.
            limit: how many images at most.
            blind: order the suggestions of an image by class, so that it does not say which are likely.
            second: reviewer for whom cells that one other answered are open, too.
            taken: cells that others have before them; they are left out.
        """
        order, within = self.order(run_id, from_start=after == 0), _Within(self._workspace, run_id, pick)
        found: list[Suggestion] = []
        n_images = held = 0
        while after < len(order) and n_images < limit:
            block = order[after : after + _BLOCK].tolist()
            by_image: dict[int, list[Suggestion]] = {}
            for suggestion in within.of(self._workspace.queue.open_of(run_id, block, second=second)):
                by_image.setdefault(suggestion.image, []).append(suggestion)
            for image in block:
                after += 1
                whole = by_image.get(image, [])
                of_image = [one for one in whole if cell_of(one) not in taken]
                held += len(whole) - len(of_image)
                found += sorted(of_image, key=lambda one: (0 if blind else -one.error_probability, one.class_index))
                n_images += bool(of_image)
                if n_images == limit:
                    break
        return ImagePage(found, after, after >= len(order), held)

    def counts(self, run_id: str, pick: Pick, second: Second | None = None) -> tuple[int, int]:
        """Return how many suggestions there are to ask, and how many of them are open."""
        if pick == ALL and second is None:
            queues = self._workspace.queue.counts(run_id)
            suggested, still_open = int(queues["suggested"].sum()), int(queues["open"].sum())
            sample = [cell for cell in self._workspace.audits.cells(run_id) if cell.rank is not None]
            return suggested - len(sample), still_open - sum(not cell.decided for cell in sample)
        # What was picked counts the cells of the sample as well; they are few, and only the number shown is above.
        queues = picked_queue(self._workspace, run_id, pick, second=second).queues
        return int(queues["suggested"].sum()), int(queues["open"].sum())


class _Within:
    """Tells which suggestions are within a pick, and how likely each is now."""

    def __init__(self, workspace: Workspace, run_id: str, pick: Pick) -> None:
        self._now = recalibrations(workspace, run_id)
        self._least = None if pick.likely is None else pick.likely / 100
        self._last: dict[tuple[int, str], float] | None = None
        self._cells: set[tuple[int, int, str]] | None = None
        if pick.selection is not None:
            cells = workspace.selections.load(pick.selection)[["image_index", "class_index", "kind"]]
            self._cells = set(cells.itertuples(index=False, name=None))
        elif pick.effort is not None:
            rows = picked_queue(workspace, run_id, pick).queues.fillna({"last_rank": np.inf})
            self._last = {(int(row.class_index), str(row.kind)): float(row.last_rank) for row in rows.itertuples()}

    def of(self, suggestions: Sequence[Suggestion]) -> list[Suggestion]:
        """Return those that are, with their probabilities now."""
        found: list[Suggestion] = []
        for kind in Kind:
            some = [one for one in suggestions if one.kind is kind and self._has(one)]
            classes = np.array([one.class_index for one in some], dtype=np.int64)
            ranked = np.array([one.error_probability for one in some], dtype=np.float64)
            now = self._now[kind](classes, ranked).T.tolist()
            changed = [
                replace(one, error_probability=p, low=low, high=high)
                for one, (p, low, high) in zip(some, now, strict=True)
            ]
            found += [one for one in changed if self._least is None or one.error_probability >= self._least]
        return found

    def _has(self, suggestion: Suggestion) -> bool:
        if self._cells is not None:
            return (suggestion.image, suggestion.class_index, suggestion.kind.value) in self._cells
        return self._last is None or suggestion.rank <= self._last.get(
            (suggestion.class_index, suggestion.kind.value), 0
        )
