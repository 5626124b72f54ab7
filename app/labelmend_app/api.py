"""What the review grid asks of the server: pictures, the next suggestions, and a place for decisions.

None of these routes runs a Streamlit script, so a key press costs one commit and nothing else.
"""

import hashlib
import io
import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from anyio import CapacityLimiter, to_thread
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from labelmend_app.messages import DecisionBatch
from labelmend_app.placeholder import placeholder
from labelmend_core.errors import ImageError, InputError, WorkspaceError
from labelmend_core.types import Kind, Suggestion
from labelmend_core.workspace import SETTINGS, Workspace
from labelmend_datasets.images import decode_image, thumbnail

THUMBNAIL_SIDES = (160, 240, 320, 480, 640)
IMAGE_SIDE = 2048
MAX_BODY = 1 << 20
MAX_PAGE = 500
_FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}
_NEVER = {"Cache-Control": "no-store"}

T = TypeVar("T")


class RequestError(Exception):
    """A request that is answered with one sentence and a status of 400 to 499."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


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

    def routes(self) -> list[Route]:
        """Return the routes; whatever else lies under `/api/` is answered with 404, not with the app's page."""
        return [
            Route("/api/thumbnail/{image_index:int}", _answered(self._thumbnail)),
            Route("/api/image/{image_index:int}", _answered(self._image)),
            Route("/api/queue", _answered(self._queue)),
            Route("/api/decisions", _answered(self._decisions), methods=["POST"]),
            Route("/api/{rest:path}", _answered(_nothing_here), methods=["GET", "POST", "PUT", "DELETE", "PATCH"]),
        ]

    async def _thumbnail(self, request: Request) -> Response:
        side = _integer(request.query_params, "side", 1, 10_000, default=320)
        if side not in THUMBNAIL_SIDES:
            raise RequestError(400, f"Expected a side of {', '.join(map(str, THUMBNAIL_SIDES))}, got {side}.")
        index = self._image_index(request)
        made = partial(self._make_thumbnail, index, side)
        try:
            path = await to_thread.run_sync(made, limiter=self._decoding)
        except (ImageError, WorkspaceError) as error:
            return placeholder(str(error), side)
        return FileResponse(path, headers=self._kept(request))

    def _make_thumbnail(self, index: int, side: int) -> Path:
        source = self._workspace.image_path(index)
        kept = self._workspace.folder / "thumbnails" / str(side) / f"{index}.jpg"
        return kept if kept.is_file() else thumbnail(source, side, kept)

    async def _image(self, request: Request) -> Response:
        index = self._image_index(request)
        try:
            data = await to_thread.run_sync(partial(self._encode_image, index), limiter=self._decoding)
        except ImageError as error:
            return placeholder(str(error), IMAGE_SIDE // 4)
        return Response(data, media_type="image/jpeg", headers=self._kept(request))

    def _encode_image(self, index: int) -> bytes:
        """Decode and encode again: what a hostile file holds beside its pixels never reaches the browser."""
        picture = decode_image(self._workspace.image_path(index))
        picture.thumbnail((IMAGE_SIDE, IMAGE_SIDE))
        encoded = io.BytesIO()
        picture.save(encoded, "JPEG", quality=90)
        return encoded.getvalue()

    def _image_index(self, request: Request) -> int:
        index: int = request.path_params["image_index"]
        n = len(self._workspace.dataset.image_ids)
        n += len(self._workspace.validation.image_ids) if self._workspace.validation is not None else 0
        if index >= n:
            raise RequestError(404, f"Expected an image index below {n}, got {index}.")
        return index

    def _kept(self, request: Request) -> Mapping[str, str]:
        """A browser may keep a picture for good only under an address that names this very workspace."""
        asked = request.query_params.get("workspace")
        if asked is not None and asked != self._key:
            raise RequestError(409, "This page was opened on another workspace; reload it.")
        return _FOREVER if asked == self._key else _NEVER

    async def _queue(self, request: Request) -> Response:
        query = request.query_params
        class_index = _integer(query, "class_index", 0, len(self._workspace.dataset.class_names) - 1)
        kind = query.get("kind", "")
        if kind not in tuple(Kind):
            raise RequestError(400, f"Expected kind to be one of {', '.join(Kind)}, got {kind[:40]!r}.")
        after_rank = _integer(query, "after_rank", 0, 2**53, default=0)
        limit = _integer(query, "limit", 1, MAX_PAGE, default=100)
        read = partial(self._read_queue, query.get("run"), Kind(kind), class_index, after_rank, limit)
        return JSONResponse(await to_thread.run_sync(read, limiter=self._database), headers=_NEVER)

    def _read_queue(
        self, run_id: str | None, kind: Kind, class_index: int, after_rank: int, limit: int
    ) -> dict[str, Any]:
        queue = self._workspace.queue
        run_id = run_id or queue.latest_run()
        if run_id is None:
            return {"run": None, "suggested": 0, "open": 0, "items": []}
        page = queue.open(run_id, kind=kind, class_index=class_index, after_rank=after_rank, limit=limit)
        answer: dict[str, Any] = {"run": run_id, "items": [self._as_item(suggestion) for suggestion in page]}
        if after_rank == 0:
            counts = queue.counts(run_id)
            here = counts[(counts["class_index"] == class_index) & (counts["kind"] == kind.value)]
            answer |= {"suggested": int(here["suggested"].sum()), "open": int(here["open"].sum())}
        return answer

    def _as_item(self, suggestion: Suggestion) -> dict[str, Any]:
        dataset = self._workspace.dataset
        given = dataset.given_labels.positives(suggestion.image)
        return {
            "suggestion_id": suggestion.suggestion_id,
            "image": suggestion.image,
            "image_id": dataset.image_ids[suggestion.image],
            "rank": suggestion.rank,
            "error_probability": _finite(suggestion.error_probability),
            "low": _finite(suggestion.low),
            "high": _finite(suggestion.high),
            "label_quality": _finite(suggestion.label_quality),
            "reason": {name: _finite(value) for name, value in suggestion.reason.items()},
            "given_labels": [dataset.class_names[k] for k in given.tolist()],
        }

    async def _decisions(self, request: Request) -> Response:
        _require_same_origin(request)
        if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
            raise RequestError(415, "Expected decisions as application/json.")
        try:
            batch = DecisionBatch.model_validate_json(await _body(request))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            where = ".".join(map(str, first["loc"])) or "body"
            raise RequestError(
                400, f"Expected decisions as the review page sends them: {where}: {first['msg']}."
            ) from None
        if batch.workspace != self._key:
            raise RequestError(409, "These decisions were made on another workspace; open that one to save them.")
        acknowledged = await to_thread.run_sync(partial(self._append, batch), limiter=self._database)
        return JSONResponse({"acknowledged": acknowledged}, headers=_NEVER)

    def _append(self, batch: DecisionBatch) -> int:
        """Commit, then say up to where; an unknown suggestion is dropped, the decision about its cell is not."""
        known = {
            (suggestion.image, suggestion.class_index, suggestion_id)
            for suggestion_id in {event.suggestion_id for event in batch.decisions if event.suggestion_id is not None}
            if (suggestion := self._workspace.queue.get(suggestion_id)) is not None
        }
        self._workspace.ledger.append(batch.as_decisions(known))
        return self._workspace.ledger.acknowledged(batch.client)


def _answered(endpoint: Callable[[Request], Any]) -> Callable[[Request], Any]:
    """Turn the errors that a person can mend into one sentence in JSON."""

    async def handle(request: Request) -> Response:
        try:
            response: Response = await endpoint(request)
        except RequestError as error:
            return _error(error.status, str(error))
        except InputError as error:
            return _error(422, str(error))
        except WorkspaceError as error:
            return _error(503, str(error))
        return response

    return handle


async def _nothing_here(request: Request) -> Response:
    raise RequestError(404, "There is nothing at this address.")


def _error(status: int, sentence: str) -> JSONResponse:
    return JSONResponse({"error": sentence}, status_code=status, headers=_NEVER)


def _require_same_origin(request: Request) -> None:
    """Only our own page may write: another site's script or form carries another Origin, or none."""
    origin = urlsplit(request.headers.get("origin", ""))
    if origin.scheme not in ("http", "https") or origin.netloc != request.headers.get("host", ""):
        raise RequestError(403, "Expected decisions from the review page itself, got them from another origin.")


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise RequestError(413, f"Expected at most {MAX_BODY} bytes of decisions in one request.")
    return bytes(body)


def _integer(query: Mapping[str, str], name: str, low: int, high: int, default: int | None = None) -> int:
    text = query.get(name)
    if text is None and default is not None:
        return default
    if text is None or not (text.isascii() and text.isdigit()) or len(text) > 16 or not low <= int(text) <= high:
        raise RequestError(400, f"Expected {name} to be a whole number in {low}…{high}, got {(text or '')[:40]!r}.")
    return int(text)


def _finite(value: T) -> T | None:
    """JSON knows neither NaN nor infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
