"""How a workspace looks in FiftyOne: the fields of a sample, those of a suggestion, and the names of both."""

import hashlib
import secrets
from types import ModuleType
from typing import Any

from bson import ObjectId

from labelmend_app.explore.cells import State
from labelmend_core.errors import InputError
from labelmend_core.files import replacing
from labelmend_core.types import Kind, Verdict
from labelmend_core.workspace import Workspace

GIVEN, CORRECTED, ABSENT, SUGGESTIONS = "given_labels", "corrected_labels", "verified_absent", "suggestions"
ELEMENTS = f"{SUGGESTIONS}.classifications"
PRED_PROBS, EMBEDDINGS = "pred_probs", "embeddings"
MARK = "labelmend"  # in the dataset's info: it is a mirror of ours
# What may be decided in the App: as the status of a suggestion, or, without any plugin, as its tag.
DECISIONS = (State.ACCEPTED.value, State.REJECTED.value, State.UNSURE.value)

_VERDICTS = {
    **{(kind, State.ACCEPTED): kind.error_verdict for kind in Kind},
    **{(kind, State.REJECTED): kind.fine_verdict for kind in Kind},
}
_STATES = {(kind, verdict): state for (kind, state), verdict in _VERDICTS.items()}
_SAME_FOR_BOTH = {Verdict.UNSURE: State.UNSURE, Verdict.SKIP: State.SKIPPED}


def verdict_of(kind: str, status: str) -> Verdict:
    """Return what a status among `DECISIONS` says of the cell of a suggestion.

    Example:
        >>> verdict_of("spurious", "accepted").value
        'absent'
    """
    if status == State.UNSURE.value:
        return Verdict.UNSURE
    return _VERDICTS[Kind(kind), State(status)]


def status_of(kind: str, verdict: Verdict | None) -> str:
    """Return what a verdict, None for none, makes of a suggestion.

    Example:
        >>> status_of("missing", None), status_of("missing", Verdict.ABSENT)
        ('open', 'rejected')
    """
    if verdict is None:
        return State.OPEN.value
    return (_SAME_FOR_BOTH.get(verdict) or _STATES[Kind(kind), verdict]).value


def object_id(*parts: object) -> ObjectId:
    """Return the same id for the same parts, so that what is pushed again takes the place of what was there."""
    return ObjectId(hashlib.sha1("\n".join(map(str, parts)).encode(), usedforsecurity=False).digest()[:12])


def dataset_name(workspace: Workspace) -> str:
    """Return the name of the workspace's dataset in FiftyOne, the same for ever; it is kept in the workspace."""
    kept = workspace.folder / "fiftyone" / "dataset.txt"
    if not kept.is_file():
        kept.parent.mkdir(exist_ok=True)
        with replacing(kept) as temporary:
            temporary.write_text(f"labelmend-{secrets.token_hex(4)}\n", encoding="utf-8")
    return kept.read_text(encoding="utf-8").strip()


def existing(fiftyone: ModuleType, workspace: Workspace) -> Any:
    """Return the mirror of a workspace.

    Raises:
        InputError: nothing was pushed yet.
    """
    name = dataset_name(workspace)
    if not fiftyone.dataset_exists(name):
        raise InputError(
            "Expected the workspace in FiftyOne, found nothing there; run 'labelmend fiftyone push' first."
        )
    return _ours(fiftyone.load_dataset(name), workspace)


def existing_or_new(fiftyone: ModuleType, workspace: Workspace) -> Any:
    """Return the mirror of a workspace, made if it is not there yet.

    Raises:
        InputError: a dataset has its name and is something else.
    """
    name = dataset_name(workspace)
    if fiftyone.dataset_exists(name):
        return _ours(fiftyone.load_dataset(name), workspace)
    dataset = fiftyone.Dataset(name, persistent=True)
    dataset.media_type = "image"
    _declare(fiftyone, dataset)
    dataset.info = {MARK: {"images": len(workspace.dataset.image_ids), "folder": str(workspace.folder.resolve())}}
    dataset.save()
    return dataset


def client_of(dataset: Any) -> str:
    """Return the client id under which decisions made in a dataset stand in the ledger."""
    return f"fiftyone-{dataset._doc.id}"


def samples_of(dataset: Any) -> Any:
    """Return the samples of a dataset as MongoDB keeps them.

    FiftyOne's public calls can only set: `set_values` and `set_label_values` overwrite what somebody decides in the App
    between reading and writing, and write a sample for each field. MongoDB itself writes where nothing has changed.
    """
    return dataset._sample_collection


def _ours(dataset: Any, workspace: Workspace) -> Any:
    mark = dataset.info.get(MARK)
    if not isinstance(mark, dict) or mark.get("images") != len(workspace.dataset.image_ids):
        raise InputError(
            f"Expected the FiftyOne dataset {dataset.name} to be the mirror of {workspace.folder}, but it is something "
            "else; rename it in FiftyOne, or delete it there."
        )
    return dataset


def _declare(fiftyone: ModuleType, dataset: Any) -> None:
    """Declare the fields, so that the App can filter and sort by them.

    All at once: FiftyOne reads the whole dataset again after each `add_sample_field`.
    """
    labels = {
        name: fiftyone.EmbeddedDocumentField(fiftyone.Classifications)
        for name in (GIVEN, CORRECTED, ABSENT, SUGGESTIONS)
    }
    labels |= {"image_id": fiftyone.StringField(), "image_index": fiftyone.IntField()}
    dataset._merge_sample_field_schema(labels | {name: fiftyone.VectorField() for name in (PRED_PROBS, EMBEDDINGS)})
    texts = ("kind", "status", "reason", "reviewer")
    numbers = ("error_probability", "low", "high", "label_quality")
    types = dict.fromkeys(texts, fiftyone.StringField) | dict.fromkeys(numbers, fiftyone.FloatField)
    types |= dict.fromkeys(("suggestion_id", "rank", "class_index"), fiftyone.IntField)
    types |= {"decided_at": fiftyone.DateTimeField, "scores": fiftyone.DictField, "ledger": fiftyone.DictField}
    dataset._merge_sample_field_schema({f"{ELEMENTS}.{name}": field() for name, field in types.items()})
