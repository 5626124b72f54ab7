"""A workspace into FiftyOne: labels, suggestions, probabilities and features, as often as one likes.

A push writes what the ledger says over what the mirror says, with one exception: what somebody decided in the App and
the ledger does not know of yet stays, and waits for a pull.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymongo import UpdateOne

from labelmend_app.elsewhere.answers import Standing, standing_answers
from labelmend_app.fiftyone_bridge import brain, elements, layout, views
from labelmend_app.fiftyone_bridge.connection import connect
from labelmend_app.fiftyone_bridge.run_curves import run_curves
from labelmend_app.review.selected import look
from labelmend_core.detection import Outlook
from labelmend_core.errors import InputError
from labelmend_core.ledger import Status
from labelmend_core.run_folder import RunFolder
from labelmend_core.types import ABSENT, PRESENT, LabelMatrix, Suggestion
from labelmend_core.workspace import Workspace
from labelmend_datasets.images import workspace_image

Show = Callable[[str, int, int], None]
_BLOCK = 1_000  # images that are written at once
_TRIES = 20  # to write a block while somebody decides in the App


@dataclass(frozen=True)
class Pushed:
    """What is in FiftyOne after a push.

    Attributes:
        dataset: its name there.
        images, suggestions, views: how many.
        waiting: decisions made in the App that the ledger does not know of; a pull brings them.
    """

    dataset: str
    images: int
    suggestions: int
    views: int
    waiting: int


def push(workspace: Workspace, *, run_id: str | None = None, show: Show = lambda phase, done, total: None) -> Pushed:
    """Bring a workspace into FiftyOne, or what it has there up to date.

    Args:
        workspace: read, not changed.
        run_id: whose suggestions; the newest run that has any without it.
        show: called with a phase, how many images are written, and of how many.

    Raises:
        WorkspaceError: there is no database for FiftyOne.
        InputError: there is no such run, something else has the name of the dataset, or the images are no files.
    """
    _require_files(workspace)
    run_id = workspace.runs.get(run_id).run_id if run_id else workspace.queue.latest_run()
    show("FiftyOne starts", 0, 0)
    fiftyone = connect(workspace.folder)
    dataset = layout.existing_or_new(fiftyone, workspace)
    source = _Source(workspace, dataset, run_id)
    writing = _Writing(source, dataset)
    n = len(workspace.dataset.image_ids)
    for start in range(0, n, _BLOCK):
        show("images to FiftyOne", start, n)
        writing.block(range(start, min(start + _BLOCK, n)))
    if source.new_vectors:
        show("similarity and map", 0, 0)
        brain.remember(dataset, source.embeddings, workspace.folder / "projections")
    _note(dataset, source)
    n_views = _tidy(fiftyone, dataset, source)
    return Pushed(dataset.name, n, source.n_suggestions, n_views, writing.waiting)


def _require_files(workspace: Workspace) -> None:
    for image, name in enumerate(workspace.dataset.image_ids):
        if not isinstance(workspace_image(workspace, image), Path):
            raise InputError(
                f"FiftyOne shows files only: expected the images in a folder, but {name} lies in "
                f"{workspace.settings.image_folder}; put them into a folder and import them from there."
            )


class _Source:
    """All that is to be said of the images of a workspace, in the light of one run."""

    def __init__(self, workspace: Workspace, dataset: Any, run_id: str | None) -> None:
        self.workspace, self.run_id, self.dataset_id = workspace, run_id, dataset._doc.id
        self.annotated, self.names = workspace.dataset, workspace.dataset.class_names
        self.answers = standing_answers(workspace)
        self.corrected = workspace.corrected_labels()
        self._suggestions = _by_image(workspace, run_id)
        self.n_suggestions = sum(map(len, self._suggestions.values()))
        self.pred_probs, self.embeddings = _arrays(workspace, run_id)
        self.vectors = f"{run_id} {workspace.runs.get(run_id).created_at}" if run_id else ""
        # As long as the run is the same, so are its probabilities and features.
        self.new_vectors = dataset.info.get(layout.MARK, {}).get("vectors") != self.vectors

    def labels(self, images: range) -> list[dict[str, Any]]:
        """Return the fields of labels of some images."""
        given = self._present("given", self.annotated.given_labels, images, PRESENT)
        corrected = self._present("corrected", self.corrected, images, PRESENT)
        absent = self._present("absent", self.corrected, images, ABSENT)
        return [
            {layout.GIVEN: one, layout.CORRECTED: other, layout.ABSENT: none}
            for one, other, none in zip(given, corrected, absent, strict=True)
        ]

    def suggestions(self, image: int) -> list[elements.Element]:
        """Return the suggestions of an image."""
        return [
            elements.suggested(
                self.dataset_id, one, self.names[one.class_index], now, self.answers.get((image, one.class_index))
            )
            for one, now in self._suggestions.get(image, ())
        ]

    def vectors_of(self, image: int) -> dict[str, Any]:
        """Return probabilities and features of an image."""
        found = {}
        for name, array in ((layout.PRED_PROBS, self.pred_probs), (layout.EMBEDDINGS, self.embeddings)):
            found[name] = None if array is None else elements.vector(np.asarray(array[image]))
        return found

    def _present(self, what: str, labels: LabelMatrix, images: range, value: int) -> list[dict[str, Any]]:
        own: list[list[elements.Element]] = [[] for _ in images]
        for image, k, held in zip(*(cells.tolist() for cells in labels.cells(images.start, images.stop)), strict=True):
            if held == value:
                id_ = layout.object_id(self.dataset_id, what, image, k)
                own[image - images.start].append(elements.label(id_, self.names[k]))
        return [elements.classifications(one) for one in own]


class _Writing:
    """Writes samples, block by block, and never over what somebody does in the App in the meantime."""

    def __init__(self, source: _Source, dataset: Any) -> None:
        self._source, self._samples = source, layout.samples_of(dataset)
        self.waiting = 0

    def block(self, images: range) -> None:
        """Write some images."""
        labels = dict(zip(images, self._source.labels(images), strict=True))
        left = {brain.sample_id(self._source.dataset_id, image): image for image in images}
        for _ in range(_TRIES):
            left = self._written(left, labels)
            if not left:
                return
        raise InputError(
            f"Expected to write to FiftyOne, but {len(left):,} images were changed there each time; push again."
        )

    def _written(self, left: dict[Any, int], labels: dict[int, dict[str, Any]]) -> dict[Any, int]:
        """Write images and return those that somebody has changed since they were read."""
        fields = {"last_modified_at": 1, layout.ELEMENTS: 1}
        found = {one["_id"]: one for one in self._samples.find({"_id": {"$in": list(left)}}, fields)}
        now = elements.to_milliseconds(datetime.now(UTC))
        updates, waiting = [], {}
        for id_, image in left.items():
            before = found.get(id_)
            own = self._source.suggestions(image)
            values = labels[image] | self._fixed(image)
            if before is not None:
                there = (before.get(layout.SUGGESTIONS) or {}).get("classifications") or []
                own = elements.merged(there, own, before["last_modified_at"], self._of_image(image, there))
                waiting[id_] = sum(elements.is_undelivered(one) for one in own)
            values[layout.SUGGESTIONS] = elements.classifications(own)
            if before is None or self._source.new_vectors:
                values |= self._source.vectors_of(image)
            updates.append(_update(id_, values, before, now, self._source.dataset_id))
        result = self._samples.bulk_write(updates, ordered=False)
        again: dict[Any, int] = {}
        if result.matched_count + result.upserted_count < len(updates):
            changed = {"_id": {"$in": list(left)}, "last_modified_at": {"$ne": now}}
            again = {one["_id"]: left[one["_id"]] for one in self._samples.find(changed, {"_id": 1})}
        self.waiting += sum(n for id_, n in waiting.items() if id_ not in again)
        return again

    def _fixed(self, image: int) -> dict[str, Any]:
        annotated = self._source.annotated
        path = workspace_image(self._source.workspace, image)
        return {"filepath": str(path), "image_id": annotated.image_ids[image], "image_index": image}

    def _of_image(self, image: int, there: Sequence[elements.Element]) -> dict[int, Standing]:
        classes = [one["class_index"] for one in there if "class_index" in one]
        return {k: self._source.answers[image, k] for k in classes if (image, k) in self._source.answers}


def _update(
    id_: Any, values: dict[str, Any], before: dict[str, Any] | None, now: datetime, dataset_id: Any
) -> UpdateOne:
    """Return the writing of a sample, which does nothing where it has changed since it was read."""
    values = values | {"last_modified_at": now}
    if before is not None:
        return UpdateOne({"_id": id_, "last_modified_at": before["last_modified_at"]}, {"$set": values})
    rand = int.from_bytes(id_.binary[:4], "big") / 2**32  # what FiftyOne shuffles by
    first = {"tags": [], "_media_type": "image", "_rand": rand, "_dataset_id": dataset_id, "created_at": now}
    return UpdateOne({"_id": id_, "last_modified_at": None}, {"$set": values, "$setOnInsert": first}, upsert=True)


def _by_image(workspace: Workspace, run_id: str | None) -> dict[int, list[tuple[Suggestion, list[float]]]]:
    """Return the suggestions of a run with error probability now, low and high, by image."""
    found: dict[int, list[tuple[Suggestion, list[float]]]] = {}
    if run_id is None:
        return found
    outlook, places = look(workspace, run_id)
    now = _now(outlook)
    suggestions = workspace.queue.of_run(run_id)
    images, classes = (
        np.array([getattr(one, name) for one in suggestions], dtype=np.int64) for name in ("image", "class_index")
    )
    for suggestion, place in zip(suggestions, places.of(images, classes).tolist(), strict=True):
        of_now = now[place] if place >= 0 else [suggestion.error_probability, suggestion.low, suggestion.high]
        found.setdefault(suggestion.image, []).append((suggestion, of_now))
    return found


def _now(outlook: Outlook) -> list[list[float]]:
    """Return error probability, low and high of every suggestion now."""
    ranking = outlook.ranking
    found = np.empty((3, len(ranking.rank)))
    kinds = np.array([kind.value for kind in ranking.kinds])[ranking.queue] if len(ranking.rank) else np.empty(0)
    for kind, now in outlook.now.items():
        here = kinds == kind.value
        found[:, here] = now(ranking.classes[ranking.queue[here]], ranking.probability[here])
    said = ~outlook.open & np.isin(outlook.probability, (0.0, 1.0))
    found[:, said] = outlook.probability[said]
    rows: list[list[float]] = found.T.tolist()
    return rows


def _arrays(workspace: Workspace, run_id: str | None) -> tuple[NDArray[np.float16] | None, NDArray[np.float16] | None]:
    """Return what a run left of probabilities and features, None where it left none."""
    if run_id is None or workspace.runs.get(run_id).status is not Status.DONE:
        return None, None
    run = RunFolder(workspace.run_folder(run_id))
    there = (run.path / "pred_probs.npy").is_file()
    return (run.pred_probs() if there else None), run.embeddings(len(workspace.dataset.image_ids))


def _note(dataset: Any, source: _Source) -> None:
    dataset.reload()
    run = None if source.run_id is None else RunFolder(source.workspace.run_folder(source.run_id))
    says = {"vectors": source.vectors, "run": source.run_id or "", "curves": {} if run is None else run_curves(run)}
    dataset.info[layout.MARK] = {**dataset.info[layout.MARK], **says}
    dataset.save()


def _tidy(fiftyone: ModuleType, dataset: Any, source: _Source) -> int:
    """Save the views that are not there yet and return how many there are."""
    if source.run_id is None:
        return len(dataset.list_saved_views())
    counts = source.workspace.queue.counts(source.run_id)
    wanted = [(int(k), str(kind)) for k, kind in zip(counts["class_index"], counts["kind"], strict=True)]
    return views.save(fiftyone, dataset, source.names, wanted)
