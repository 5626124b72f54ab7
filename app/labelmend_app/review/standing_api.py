"""The routes that say where a reviewer stands: `/api/standing`, quick, and `/api/remaining`, which may take seconds."""

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from labelmend_app.review.requests import NEVER, answered, flag, integer, kind_of
from labelmend_app.review.standing import standing_of
from labelmend_core.detection import Left, remaining_errors
from labelmend_core.types import Kind
from labelmend_core.workspace import Workspace

_REST = 30.0  # seconds between two estimates: one takes a second of a core that decisions need, too


class StandingApi:
    """The routes for one workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._reading, self._estimating = CapacityLimiter(1), CapacityLimiter(1)
        self._known: tuple[tuple[str, int], float, Mapping[Kind, Left]] | None = None

    def routes(self) -> list[Route]:
        """Return the routes; they come before those of `ReviewApi`, which answers everything else under `/api/`."""
        return [
            Route("/api/standing", answered(self._standing)),
            Route("/api/remaining", answered(self._remaining)),
        ]

    async def _standing(self, request: Request) -> Response:
        asked = partial(standing_of, self._workspace, *self._asked(request))
        found = await to_thread.run_sync(asked, limiter=self._reading)
        if flag(request.query_params, "blind"):
            found = {name: found[name] for name in ("said", "accepted", "mended")}
        return JSONResponse(found, headers=NEVER)

    async def _remaining(self, request: Request) -> Response:
        asked = partial(self._estimate, *self._asked(request))
        return JSONResponse(await to_thread.run_sync(asked, limiter=self._estimating), headers=NEVER)

    def _asked(self, request: Request) -> tuple[str, Kind, int]:
        query = request.query_params
        class_index = integer(query, "class_index", 0, len(self._workspace.dataset.class_names) - 1)
        return query.get("run", ""), kind_of(query), class_index

    def _estimate(self, run_id: str, kind: Kind, class_index: int) -> dict[str, Any]:
        """Return what remains of one kind, in the class and in all: n with its 90 % interval, None without a sample.

        `by` says what it rests on: the audit sample, or, while that has too few answers, the error probabilities.
        """
        left = self._left(run_id).get(kind)
        if left is None or not left.drawn:
            return {"of_class": None, "of_all": None}
        estimate, expected = left.estimate, left.expected
        total = expected if estimate is None else estimate
        n, low, high = total.per_class[class_index].tolist()
        of_all = {"n": expected.n if estimate is None else estimate.total, "low": total.low, "high": total.high}
        by = "probabilities" if estimate is None else "sample"
        found: dict[str, Any] = {"of_class": {"n": n, "low": low, "high": high}, "of_all": of_all, "by": by}
        if estimate is not None and estimate.next_n:
            found |= {"next": estimate.next_n, "next_mends": round(estimate.next_mends, 1)}
        return found

    def _left(self, run_id: str) -> Mapping[Kind, Left]:
        """Return an estimate of now, or one that is younger than `_REST`."""
        now, known = (run_id, self._workspace.ledger.newest()), self._known
        if known is not None and known[0][0] == run_id and (known[0] == now or time.monotonic() - known[1] < _REST):
            return known[2]
        self._workspace.runs.get(run_id)  # says so when there is no such run
        left = remaining_errors(self._workspace, run_id)
        self._known = now, time.monotonic(), left
        return left
