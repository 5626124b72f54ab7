"""The routes of the guidelines: `/api/guidelines/{class_index}`, read and written by the panel beside the grid."""

from functools import partial
from typing import Annotated, Any

from anyio import CapacityLimiter, to_thread
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from labelmend_app.guidelines.files import Guidelines
from labelmend_app.review.api import workspace_key
from labelmend_app.review.requests import NEVER, RequestError, answered, own_json
from labelmend_core.workspace import Workspace


class _Message(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
    workspace: Annotated[str, StringConstraints(max_length=64)]


class _Text(_Message):
    text: str
    before: str


class _Example(_Message):
    image: Annotated[int, Field(ge=0, lt=2**31)]
    shown: bool


class GuidelinesApi:
    """The routes for one workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace, self._key = workspace, workspace_key(workspace)
        self._guidelines = Guidelines(workspace.folder)
        self._one = CapacityLimiter(1)  # who writes sees what was written before

    def routes(self) -> list[Route]:
        """Return the routes; they come before those of `ReviewApi`, which answers everything else under `/api/`."""
        return [
            Route("/api/guidelines/{class_index:int}", answered(self._read)),
            Route("/api/guidelines/{class_index:int}", answered(self._write), methods=["POST"]),
        ]

    async def _read(self, request: Request) -> Response:
        class_index = self._class_index(request)
        return JSONResponse(await to_thread.run_sync(self._found, class_index, limiter=self._one), headers=NEVER)

    async def _write(self, request: Request) -> Response:
        class_index = self._class_index(request)
        body = await own_json(request, "guidelines")
        message = _parsed(body)
        if message.workspace != self._key:
            raise RequestError(409, "This page was opened on another workspace; reload it.")
        kept = partial(self._keep, class_index, message)
        return JSONResponse(await to_thread.run_sync(kept, limiter=self._one), headers=NEVER)

    def _keep(self, class_index: int, message: _Text | _Example) -> dict[str, Any]:
        if isinstance(message, _Text):
            self._guidelines.write(class_index, message.text, message.before)
        elif message.image >= len(self._workspace.dataset.image_ids):
            raise RequestError(404, "There is no such image.")
        else:
            self._guidelines.show_example(class_index, message.image, shown=message.shown)
        return self._found(class_index)

    def _found(self, class_index: int) -> dict[str, Any]:
        ids = self._workspace.dataset.image_ids
        examples = [image for image in self._guidelines.examples(class_index) if image < len(ids)]
        return {
            "text": self._guidelines.text(class_index),
            "examples": [{"image": image, "image_id": ids[image]} for image in examples],
        }

    def _class_index(self, request: Request) -> int:
        index: int = request.path_params["class_index"]
        if index >= len(self._workspace.dataset.class_names):
            raise RequestError(404, "There is no such class.")
        return index


def _parsed(body: bytes) -> _Text | _Example:
    for kind in (_Text, _Example):
        try:
            return kind.model_validate_json(body)
        except ValidationError:
            continue
    raise RequestError(400, "Expected a text or an example as the review page sends them.")
