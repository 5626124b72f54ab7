"""The route `/api/why/{suggestion_id}`: the evidence that is too much for a page of suggestions.

A cell of the audit sample has the evidence of the suggestion that it looks like; its labels and look-alikes are those
of its own picture. So nothing gives it away.
"""

from functools import partial
from typing import Any

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from labelmend_app.evidence.answers import Answers
from labelmend_app.evidence.look_alikes import LookAlikes
from labelmend_app.review.queue import FIRST_AUDIT_ID, is_audit, place_of
from labelmend_app.review.requests import NEVER, RequestError, answered, flag, integer, kind_of
from labelmend_app.review.selected import FIRST_SELECTED_ID
from labelmend_core.run_folder import RunFolder
from labelmend_core.types import Kind, Verdict
from labelmend_core.workspace import Workspace


class EvidenceApi:
    """The routes for one workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._answers, self._look_alikes = Answers(workspace.ledger), LookAlikes(workspace)
        self._reading = CapacityLimiter(2)

    def routes(self) -> list[Route]:
        """Return the routes; they come before those of `ReviewApi`, which answers everything else under `/api/`."""
        return [Route("/api/why/{suggestion_id:int}", answered(self._why))]

    async def _why(self, request: Request) -> Response:
        query = request.query_params
        n_classes = len(self._workspace.dataset.class_names)
        class_index = integer(query, "class_index", 0, n_classes - 1)
        n_images = len(self._workspace.dataset.image_ids)
        image = integer(query, "image", 0, n_images - 1) if "image" in query else None
        asked = (query.get("run", ""), kind_of(query), class_index, request.path_params["suggestion_id"])
        read = partial(self._read, *asked, image, blind=flag(query, "blind"))
        return JSONResponse(await to_thread.run_sync(read, limiter=self._reading), headers=NEVER)

    def _read(
        self, run_id: str, kind: Kind, class_index: int, suggestion_id: int, selected: int | None, *, blind: bool
    ) -> dict[str, Any]:
        """Return the image's other labels, p by epoch and the look-alikes; without p when `blind`.

        `selected` is the image of a selected cell, which needs be no suggestion.
        """
        if selected is not None and suggestion_id >= FIRST_SELECTED_ID:
            image = looks_like = selected
        else:
            image, looks_like = self._images(run_id, kind, class_index, suggestion_id)
        self._answers.refresh()
        found: dict[str, Any] = {"labels": self._labels(image, class_index)}
        nearest = self._look_alikes.of(run_id, image, class_index, partial(self._is_present, class_index))
        ids = self._workspace.dataset.image_ids
        found["look_alikes"] = nearest and {
            side: [{"image": other, "image_id": ids[other]} for other in others] for side, others in nearest.items()
        }
        if not blind:
            curve = RunFolder(self._workspace.run_folder(run_id)).p_by_epoch(looks_like, class_index)
            found["p_by_epoch"] = [round(p, 3) for p in curve.tolist()]
        return found

    def _images(self, run_id: str, kind: Kind, class_index: int, suggestion_id: int) -> tuple[int, int]:
        """Return the image that is shown, and the one whose cell the evidence is about."""
        queue, audits = self._workspace.queue, self._workspace.audits
        if not is_audit(suggestion_id):
            suggestion = queue.get(suggestion_id) if suggestion_id < 2**53 else None
            if suggestion is None or (suggestion.run_id, suggestion.class_index) != (run_id, class_index):
                raise RequestError(404, "This is no suggestion of the run; reload the page.")
            return suggestion.image, suggestion.image
        for cell in audits.cells(run_id, kind=kind, class_index=class_index):
            if FIRST_AUDIT_ID + cell.audit_id == suggestion_id:
                looks = queue.neighbour(run_id, kind=kind, class_index=class_index, rank=place_of(cell))
                return cell.image_index, cell.image_index if looks is None else looks.image
        raise RequestError(404, "This is no suggestion of the run; reload the page.")

    def _labels(self, image: int, class_index: int) -> list[dict[str, str]]:
        """Return the labels of an image but the one that is asked about: kept, added or removed by answers."""
        dataset, answers = self._workspace.dataset, self._answers.of_image(image)
        given = set(dataset.given_labels.positives(image).tolist())
        added = {k for k, verdict in answers.items() if verdict is Verdict.PRESENT}
        removed = {k for k, verdict in answers.items() if verdict is Verdict.ABSENT}
        return [
            {
                "name": dataset.class_names[k],
                "state": "added" if k not in given else "removed" if k in removed else "given",
            }
            for k in sorted((given | added) - {class_index})
        ]

    def _is_present(self, class_index: int, image: int) -> bool | None:
        verdict = self._answers.of_image(image).get(class_index)
        return None if verdict is None else verdict is Verdict.PRESENT
