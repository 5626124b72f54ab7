"""The routes of heat maps: whether there are any, one as numbers that the page draws, a close-up of its hottest box.

One is made at a time, beside all else; a page that has gone on does not wait in the line for it.
"""

import io
from functools import partial
from typing import Any

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from labelmend_app.heat_maps.heat_maps import HeatMaps
from labelmend_app.review.api import THUMBNAIL_SIDES, ReviewApi
from labelmend_app.review.requests import NEVER, RequestError, answered, integer
from labelmend_core.workspace import Workspace
from labelmend_datasets.images import ImageSource, close_up, image_file, workspace_image

_QUALITY = 88
_LONGEST_RUN_ID = 200
_SMALLEST, _PLACES = 0.5, 4  # a close-up is so large a share of the image, or so many places of a finer map


class HeatMapApi:
    """The routes for one workspace.

    Args:
        workspace: whose images are asked about.
        review: the routes that know which images there are and how long an answer may be kept.
        heat_maps: what makes them.
    """

    def __init__(self, workspace: Workspace, review: ReviewApi, heat_maps: HeatMaps) -> None:
        self._workspace, self._review, self._heat_maps = workspace, review, heat_maps
        self._turn = CapacityLimiter(1)
        self._making = CapacityLimiter(1)
        self._reading = CapacityLimiter(2)

    def routes(self) -> list[Route]:
        """Return the routes; they come before those of `ReviewApi`, which answers everything else under `/api/`."""
        return [
            Route("/api/heat-map", answered(self._available)),
            Route("/api/heat-map/{image_index:int}", answered(self._heat_map)),
            Route("/api/close-up/{image_index:int}", answered(self._close_up)),
        ]

    async def _available(self, request: Request) -> Response:
        reason = await to_thread.run_sync(self._heat_maps.why_not, _run_id(request), limiter=self._reading)
        return JSONResponse({"unavailable": reason}, headers=NEVER)

    async def _heat_map(self, request: Request) -> Response:
        headers = self._review.kept(request)
        return JSONResponse(await self._found(request), headers=headers)

    async def _close_up(self, request: Request) -> Response:
        headers = self._review.kept(request)
        side = integer(request.query_params, "side", 1, 10_000, default=320)
        if side not in THUMBNAIL_SIDES:
            raise RequestError(400, f"Expected a side of {', '.join(map(str, THUMBNAIL_SIDES))}, got {side}.")
        found = await self._found(request)
        source = workspace_image(self._workspace, request.path_params["image_index"])
        # A box of few places is rough: the object may reach one beyond it.
        smallest = min(_SMALLEST, _PLACES / max(found["height"], found["width"]))
        cut = partial(_encoded, source, tuple(found["hottest"]), side, smallest)
        data = await to_thread.run_sync(cut, limiter=self._reading)
        return Response(data, media_type="image/jpeg", headers=headers)

    async def _found(self, request: Request) -> dict[str, Any]:
        image = self._review.image_index(request)
        n_classes = len(self._workspace.dataset.class_names)
        class_index = integer(request.query_params, "class_index", 0, n_classes - 1)
        asked = (_run_id(request), image, class_index)
        kept = await to_thread.run_sync(self._heat_maps.kept, *asked, limiter=self._reading)
        if kept is not None:
            return kept
        async with self._turn:
            if await request.is_disconnected():
                raise RequestError(499, "Nobody waits for this any more.")
            # A server that ends does not wait for an answer; it ends the process that was to give it.
            return await to_thread.run_sync(self._heat_maps.make, *asked, limiter=self._making, abandon_on_cancel=True)


def _run_id(request: Request) -> str:
    run_id = request.query_params.get("run", "")
    if not run_id or len(run_id) > _LONGEST_RUN_ID:
        raise RequestError(400, "Expected run to be the name of a run.")
    return run_id


def _encoded(source: ImageSource, box: tuple[float, float, float, float], side: int, smallest: float) -> bytes:
    encoded = io.BytesIO()
    close_up(image_file(source), box, side, smallest).save(encoded, "JPEG", quality=_QUALITY)
    return encoded.getvalue()
