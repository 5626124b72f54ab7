"""What the review grid asks of the server: pictures, the next suggestions, and a place for decisions.

None of these routes runs a Streamlit script, so a key press costs one commit and nothing else.
"""

import hashlib
import io
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from anyio import CapacityLimiter, to_thread
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from labelmend_app.review.messages import DecisionBatch
from labelmend_app.review.pages_api import PagesApi
from labelmend_app.review.placeholder import placeholder
from labelmend_app.review.queue import is_audit
from labelmend_app.review.requests import FOREVER, NEVER, RequestError, answered, integer, own_json
from labelmend_app.review.reservations import Reservations
from labelmend_core.errors import ImageError, WorkspaceError
from labelmend_core.files import lies_in
from labelmend_core.workspace import SETTINGS, Workspace
from labelmend_datasets.images import decode_image, image_file, thumbnail, workspace_image

THUMBNAIL_SIDES = (160, 240, 320, 480, 640)
IMAGE_SIDE = 2048


def workspace_key(workspace: Workspace) -> str:
    """Return what tells this workspace from any other that the same address may serve tomorrow.

    Browsers keep pictures and unsent decisions by address; this key keeps them apart.
    """
    made = (workspace.folder / SETTINGS).stat().st_mtime_ns
    return hashlib.sha256(f"{workspace.folder.resolve()}\n{made}".encode()).hexdigest()[:16]


class ReviewApi:
    """The routes under `/api/` for one workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._key = workspace_key(workspace)
        self._decoding = CapacityLimiter(4)  # a page of large photographs must not hold up a decision
        self._database = CapacityLimiter(4)
        self._reservations = Reservations()
        self._pages = PagesApi(workspace, self._reservations, self._database)

    def routes(self) -> list[Route]:
        """Return the routes; whatever else lies under `/api/` is answered with 404, not with the app's page."""
        return [
            Route("/api/thumbnail/{image_index:int}", answered(self._thumbnail)),
            Route("/api/image/{image_index:int}", answered(self._image)),
            *self._pages.routes(),
            Route("/api/decisions", answered(self._decisions), methods=["POST"]),
            Route("/api/{rest:path}", answered(_nothing_here), methods=["GET", "POST", "PUT", "DELETE", "PATCH"]),
        ]

    async def _thumbnail(self, request: Request) -> Response:
        side = integer(request.query_params, "side", 1, 10_000, default=320)
        if side not in THUMBNAIL_SIDES:
            raise RequestError(400, f"Expected a side of {', '.join(map(str, THUMBNAIL_SIDES))}, got {side}.")
        index = self.image_index(request)
        made = partial(self._make_thumbnail, index, side)
        try:
            path = await to_thread.run_sync(made, limiter=self._decoding)
        except (ImageError, WorkspaceError) as error:
            return placeholder(str(error), side)
        return FileResponse(path, headers=self.kept(request))

    def _make_thumbnail(self, index: int, side: int) -> Path:
        folder = self._workspace.folder / "thumbnails"
        kept = folder / str(side) / f"{index}.jpg"
        if not lies_in(kept, folder):
            raise WorkspaceError(f"Expected {kept} in the workspace, but a link leads out of it; remove the link.")
        return kept if kept.is_file() else thumbnail(image_file(workspace_image(self._workspace, index)), side, kept)

    async def _image(self, request: Request) -> Response:
        index = self.image_index(request)
        try:
            data = await to_thread.run_sync(partial(self._encode_image, index), limiter=self._decoding)
        except (ImageError, WorkspaceError) as error:
            return placeholder(str(error), IMAGE_SIDE // 4)
        return Response(data, media_type="image/jpeg", headers=self.kept(request))

    def _encode_image(self, index: int) -> bytes:
        """Decode and encode again: what a hostile file holds beside its pixels never reaches the browser."""
        picture = decode_image(image_file(workspace_image(self._workspace, index)))
        picture.thumbnail((IMAGE_SIDE, IMAGE_SIDE))
        encoded = io.BytesIO()
        picture.save(encoded, "JPEG", quality=90)
        return encoded.getvalue()

    def image_index(self, request: Request) -> int:
        """Return the image that the address names, if the workspace has it."""
        index: int = request.path_params["image_index"]
        n = len(self._workspace.dataset.image_ids)
        n += len(self._workspace.validation.image_ids) if self._workspace.validation is not None else 0
        if index >= n:
            raise RequestError(404, f"Expected an image index below {n}, got {index}.")
        return index

    def kept(self, request: Request) -> Mapping[str, str]:
        """Return the header that says how long a browser may keep the answer.

        For good only under an address that names this very workspace.
        """
        asked = request.query_params.get("workspace")
        if asked is not None and asked != self._key:
            raise RequestError(409, "This page was opened on another workspace; reload it.")
        return FOREVER if asked == self._key else NEVER

    async def _decisions(self, request: Request) -> Response:
        try:
            batch = DecisionBatch.model_validate_json(await own_json(request, "decisions"))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            where = ".".join(map(str, first["loc"])) or "body"
            raise RequestError(
                400, f"Expected decisions as the review page sends them: {where}: {first['msg']}."
            ) from None
        if batch.workspace != self._key:
            raise RequestError(409, "These decisions were made on another workspace; open that one to save them.")
        acknowledged = await to_thread.run_sync(partial(self._append, batch), limiter=self._database)
        return JSONResponse({"acknowledged": acknowledged}, headers=NEVER)

    def _append(self, batch: DecisionBatch) -> int:
        """Commit, then say up to where; an unknown suggestion is dropped, the decision about its cell is not.

        So a decision on a cell of the audit sample is one without a suggestion.
        """
        known = {
            (suggestion.image, suggestion.class_index, suggestion_id)
            for suggestion_id in {event.suggestion_id for event in batch.decisions if event.suggestion_id is not None}
            if not is_audit(suggestion_id) and (suggestion := self._workspace.queue.get(suggestion_id)) is not None
        }
        self._workspace.ledger.append(batch.as_decisions(known))
        answers = {(event.image, event.class_index): event.undoes is None for event in batch.decisions}
        self._reservations.answered(batch.reviewer, answers)
        return self._workspace.ledger.acknowledged(batch.client)


async def _nothing_here(request: Request) -> Response:
    raise RequestError(404, "There is nothing at this address.")
