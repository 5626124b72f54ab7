"""Saved views of the mirror: the open suggestions of one class and kind, most likely first."""

from collections.abc import Sequence
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

from bson import json_util

from labelmend_app.explore.cells import State
from labelmend_app.fiftyone_bridge.elements import to_milliseconds
from labelmend_app.fiftyone_bridge.layout import ELEMENTS, SUGGESTIONS

_LONGEST = 120  # characters of a class's name in the name of a view
_ORDER = f"{ELEMENTS}.error_probability"


def save(fiftyone: ModuleType, dataset: Any, class_names: Sequence[str], wanted: Sequence[tuple[int, str]]) -> int:
    """Save the views of classes and kinds that are not there yet, and return how many the dataset has.

    A view says what to look for and not what was found, so it need not be saved anew.
    """
    there = set(dataset.list_saved_views())
    slugs = {fiftyone.core.utils.to_slug(name) for name in there}
    new = []
    for class_index, kind in wanted:
        name, plain = _names(kind, class_index, class_names[class_index])
        if name in there or plain in there:
            continue
        chosen = plain if fiftyone.core.utils.to_slug(name) in slugs else name
        slug = fiftyone.core.utils.to_slug(chosen)
        slugs.add(slug)
        there.add(chosen)
        new.append(_document(fiftyone, chosen, slug, _view(fiftyone, dataset, class_names[class_index], kind)))
    if new:
        _add(dataset, new)
    return len(there)


def _document(fiftyone: ModuleType, name: str, slug: str, view: Any) -> Any:
    """Return a saved view as `Dataset.save_view` makes it, in the database and not yet in the list of its dataset."""
    stages = [json_util.dumps(stage) for stage in view._serialize(include_uuids=False)]
    now = to_milliseconds(datetime.now(UTC))
    document = fiftyone.core.odm.SavedViewDocument(
        dataset_id=view._root_dataset._doc.id,
        name=name,
        slug=slug,
        view_stages=stages,
        created_at=now,
        last_modified_at=now,
    )
    document.save(upsert=True)
    return document


def _add(dataset: Any, documents: Sequence[Any]) -> None:
    """Put saved views into the list of their dataset: `save_view` reads and writes the whole list for each of them."""
    dataset._doc.reload("saved_views")
    dataset._doc.saved_views.extend(documents)
    dataset._doc.last_modified_at = documents[-1].last_modified_at
    dataset._doc.save(virtual=True)


def _names(kind: str, class_index: int, class_name: str) -> tuple[str, str]:
    """Return the name of a view, and one with the class's number for a name that reads in an address like another's."""
    short = class_name[:_LONGEST]
    return f"{kind}: {short}", f"{kind} {class_index}: {short}"


def _view(fiftyone: ModuleType, dataset: Any, class_name: str, kind: str) -> Any:
    field = fiftyone.ViewField
    wanted = (field("label") == class_name) & (field("kind") == kind) & (field("status") == State.OPEN.value)
    return dataset.filter_labels(SUGGESTIONS, wanted).sort_by(_ORDER, reverse=True)
