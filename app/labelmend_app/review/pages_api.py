"""The routes that hand out what to ask next: `/api/queue`, a class and a kind, and `/api/images`, image by image."""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from labelmend_app.review.image_queue import ImageQueue
from labelmend_app.review.picked_queue import Pick, picked_queue, read_pick
from labelmend_app.review.queue import page_of
from labelmend_app.review.requests import NEVER, RequestError, answered, flag, integer, kind_of
from labelmend_app.review.reservations import Cell, Reservations, left_for
from labelmend_app.review.reviewers import reviewer_name
from labelmend_app.review.selected import selected_page
from labelmend_core.ledger import Second
from labelmend_core.types import Kind, Suggestion
from labelmend_core.workspace import Workspace

MAX_PAGE = 500
MAX_IMAGES = 50
_LONGEST_TAB = 64  # letters of what names one

T = TypeVar("T")


@dataclass(frozen=True)
class Before:
    """Who has which cells before them: others, the asking tab (of one class), and a call to add a page."""

    others: set[Cell]
    own: set[Cell]
    reserve: Callable[[Iterable[Suggestion]], None]


class PagesApi:
    """The routes for one workspace; its reservations and its share of the database are those of `ReviewApi`."""

    def __init__(self, workspace: Workspace, reservations: Reservations, database: CapacityLimiter) -> None:
        self._workspace = workspace
        self._images = ImageQueue(workspace)
        self._reservations, self._database = reservations, database

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/api/queue", answered(self._queue)),
            Route("/api/images", answered(self._by_image)),
        ]

    async def _queue(self, request: Request) -> Response:
        query = request.query_params
        class_index = integer(query, "class_index", 0, len(self._workspace.dataset.class_names) - 1)
        kind = kind_of(query)
        after_rank = integer(query, "after_rank", 0, 2**53, default=0)
        limit = integer(query, "limit", 1, MAX_PAGE, default=100)
        last_rank = integer(query, "last_rank", 0, 2**53, default=0) if "last_rank" in query else None
        read = partial(self._read_queue, query, kind, class_index, after_rank, limit, last_rank)
        return JSONResponse(await to_thread.run_sync(read, limiter=self._database), headers=NEVER)

    def _read_queue(
        self,
        query: Mapping[str, str],
        kind: Kind,
        class_index: int,
        after_rank: int,
        limit: int,
        last_rank: int | None,
    ) -> dict[str, Any]:
        """Return a page; the first one also says how many there are, and where a picked number of them ends."""
        reviewer = _asking(query)
        second = self._workspace.double_review.of(reviewer)
        run_id = query.get("run") or self._workspace.queue.latest_run()
        if run_id is None:
            return {"run": None, "suggested": 0, "open": 0, "items": []}
        pick = read_pick(query, run_id, self._workspace.selections)
        answer: dict[str, Any] = {"run": run_id}
        if after_rank == 0 or (pick.effort is not None and last_rank is None):
            answer |= self._numbers(run_id, pick, kind, class_index, second)
            last_rank = answer["last_rank"]
        first = after_rank == 0
        with self._reserving(reviewer, query, class_index, first=first) as before:
            read = self._reader(run_id, pick, kind, class_index, after_rank, last_rank, second, before.own)
            page, held = left_for(read(limit=limit + len(before.others)), before.others, limit)
            before.reserve(page)
        blind = flag(query, "blind")
        return answer | {"items": [self._as_item(suggestion, blind=blind) for suggestion in page], "held": held}

    def _reader(
        self,
        run_id: str,
        pick: Pick,
        kind: Kind,
        class_index: int,
        after_rank: int,
        last_rank: int | None,
        second: Second | None,
        before: Collection[Cell],
    ) -> Callable[..., list[Suggestion]]:
        """Return the call that reads a page of a picked queue, given its `limit`."""
        if pick.selection is not None:
            queue = self._workspace, run_id, pick.selection, kind, class_index
            return partial(selected_page, *queue, after_rank=after_rank, second=second)
        return partial(
            page_of,
            self._workspace,
            run_id,
            kind,
            class_index,
            after_rank=after_rank,
            last_rank=last_rank,
            likely=None if pick.likely is None else pick.likely / 100,
            second=second,
            before=before,
        )

    async def _by_image(self, request: Request) -> Response:
        query = request.query_params
        after = integer(query, "after", 0, 2**53, default=0)
        limit = integer(query, "limit", 1, MAX_IMAGES, default=4)
        read = partial(self._read_images, query, after, limit, blind=flag(query, "blind"))
        return JSONResponse(await to_thread.run_sync(read, limiter=self._database), headers=NEVER)

    def _read_images(self, query: Mapping[str, str], after: int, limit: int, *, blind: bool) -> dict[str, Any]:
        """Return the suggestions of some images; the first page also says how many there are in all."""
        reviewer = _asking(query)
        second = self._workspace.double_review.of(reviewer)
        run_id = query.get("run") or self._workspace.queue.latest_run()
        if run_id is None:
            return {"run": None, "suggested": 0, "open": 0, "items": [], "after": 0, "ended": True}
        pick = read_pick(query, run_id, self._workspace.selections)
        with self._reserving(reviewer, query) as before:
            read = partial(self._images.page, run_id, pick, after=after, limit=limit)
            page = read(blind=blind, second=second, taken=before.others)
            before.reserve(page.suggestions)
        answer: dict[str, Any] = {"run": run_id, "after": page.after, "ended": page.ended, "held": page.held}
        if after == 0:
            answer["suggested"], answer["open"] = self._images.counts(run_id, pick, second)
        names = self._workspace.dataset.class_names
        answer["items"] = [
            self._as_item(suggestion, blind=blind)
            | {
                "class_index": suggestion.class_index,
                "class_name": names[suggestion.class_index],
                "kind": suggestion.kind.value,
            }
            for suggestion in page.suggestions
        ]
        return answer

    @contextmanager
    def _reserving(
        self,
        reviewer: str,
        query: Mapping[str, str],
        class_index: int | None = None,
        *,
        first: bool = False,
    ) -> Iterator[Before]:
        """Give what is before whom until the page is reserved; one request at a time.

        The `first` page of a queue of one class lets go of what the tab had of it.
        """
        tab = query.get("tab", reviewer)[:_LONGEST_TAB]
        held = self._reservations
        with held.lock:
            own: set[Cell] = set()
            if class_index is not None:
                if first:
                    held.start_again(reviewer, tab, class_index)
                own = held.before(reviewer, tab, class_index)
            yield Before(held.taken(reviewer, tab, class_index), own, partial(held.reserve, reviewer, tab))

    def _numbers(
        self, run_id: str, pick: Pick, kind: Kind, class_index: int, second: Second | None
    ) -> dict[str, int | None]:
        queues = picked_queue(self._workspace, run_id, pick, second=second).queues
        here = queues[(queues["class_index"] == class_index) & (queues["kind"] == kind.value)]
        last_rank = None if pick.effort is None else int(here["last_rank"].sum())  # 0 where nothing was picked
        return {"suggested": int(here["suggested"].sum()), "open": int(here["open"].sum()), "last_rank": last_rank}

    def _as_item(self, suggestion: Suggestion, *, blind: bool) -> dict[str, Any]:
        """Return what the page is told of a suggestion; nothing that the model thinks when `blind`."""
        dataset = self._workspace.dataset
        given = dataset.given_labels.positives(suggestion.image)
        item: dict[str, Any] = {
            "suggestion_id": suggestion.suggestion_id,
            "image": suggestion.image,
            "image_id": dataset.image_ids[suggestion.image],
            "rank": suggestion.rank,
            "given_labels": [dataset.class_names[k] for k in given.tolist()],
        }
        if blind:
            return item
        return item | {
            "error_probability": _finite(suggestion.error_probability),
            "low": _finite(suggestion.low),
            "high": _finite(suggestion.high),
            "label_quality": _finite(suggestion.label_quality),
            "reason": {name: _finite(value) for name, value in suggestion.reason.items()},
        }


def _asking(query: Mapping[str, str]) -> str:
    """Return who asks: what is shown to whom is kept, so that nobody is asked what somebody else is.

    Raises:
        RequestError: the request does not say it.
    """
    if "reviewer" not in query:
        raise RequestError(400, "Expected reviewer, the name of who asks; open the Review screen anew.")
    return reviewer_name(query["reviewer"])


def _finite(value: T) -> T | None:
    """JSON knows neither NaN nor infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
