"""Labels and suggestions as FiftyOne keeps them, and how what was decided in the App outlives a push."""

import io
import zlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from bson import Binary, ObjectId
from numpy.typing import NDArray

from labelmend_app.fiftyone_bridge.layout import DECISIONS, object_id, status_of
from labelmend_core.types import Decision, Suggestion

Element = dict[str, Any]


def classifications(elements: Iterable[Element]) -> dict[str, Any]:
    """Return a value of a field of `Classifications`."""
    return {"_cls": "Classifications", "classifications": list(elements)}


def label(id_: ObjectId, name: str) -> Element:
    """Return one label that says no more than its class."""
    return {"_id": id_, "_cls": "Classification", "tags": [], "label": name}


def vector(values: NDArray[np.floating]) -> Binary | None:
    """Return a value of a `VectorField`, None where a number is missing: the image could not be read.

    In the precision that a run keeps. Not compressed, unlike FiftyOne's own: features hardly get smaller.
    """
    if not np.isfinite(values).all():
        return None
    buffer = io.BytesIO()
    np.save(buffer, values, allow_pickle=False)
    return Binary(zlib.compress(buffer.getvalue(), 0))


def suggested(
    dataset_id: object, suggestion: Suggestion, name: str, now: Sequence[float], answer: tuple[int, Decision] | None
) -> Element:
    """Return a suggestion as the ledger has it.

    Args:
        dataset_id: of the mirror.
        suggestion: as it was ranked.
        name: of its class.
        now: error probability now, low and high, each in [0, 1].
        answer: number and content of what stands of its cell in the ledger, None where nothing does.
    """
    element = label(object_id(dataset_id, suggestion.image, suggestion.class_index), name)
    reason = dict(suggestion.reason)
    scores = reason.pop("scores", None)
    return (
        element
        | {
            "confidence": now[0],
            "kind": suggestion.kind.value,
            "suggestion_id": suggestion.suggestion_id,
            "class_index": suggestion.class_index,
            "rank": suggestion.rank,
            "error_probability": now[0],
            "low": now[1],
            "high": now[2],
            "label_quality": suggestion.label_quality,
            "reason": ", ".join(f"{what} {value}" for what, value in reason.items() if value is not None),
            "scores": dict(scores) if isinstance(scores, Mapping) else {},
        }
        | _as_ledger_says(suggestion.kind.value, answer)
    )


def is_undelivered(element: Element) -> bool:
    """Return whether somebody decided on a suggestion in the App and the ledger does not know of it."""
    known = (element.get("ledger") or {}).get("status")
    return element.get("status") != known or bool(decision_tags(element))


def decision_tags(element: Element) -> list[str]:
    """Return the tags of a suggestion that decide it."""
    return [tag for tag in element.get("tags") or () if tag in DECISIONS]


def merged(
    found: Sequence[Element],
    new: Sequence[Element],
    modified_at: datetime,
    answers: Mapping[int, tuple[int, Decision]],
) -> list[Element]:
    """Return the suggestions of one image after a push.

    What somebody decided in the App and the ledger does not know of stays, though the suggestion be gone meanwhile;
    so do tags, further attributes, and elements that are not ours.

    Args:
        found: what the mirror has.
        new: what the ledger has, of `suggested`.
        modified_at: when the sample changed last: the time of a decision that came without one.
        answers: what stands in the ledger of the image's cells, by class index.
    """
    left = {element["_id"]: element for element in found}
    result = []
    for element in new:
        old = left.pop(element["_id"], None)
        if old is None:
            result.append(element)
        elif not is_undelivered(old):
            result.append(old | element | {"tags": old.get("tags") or []})
        else:
            # Of another kind the same word would say the opposite: then it is kept as it was decided.
            newer = element if element["kind"] == old["kind"] else {}
            result.append(old | newer | _as_decided(old, modified_at, answers))
    gone = [old for old in left.values() if "class_index" not in old]
    gone += [
        old | _as_decided(old, modified_at, answers)
        for old in left.values()
        if "class_index" in old and is_undelivered(old)
    ]
    return result + gone


def _as_ledger_says(kind: str, answer: tuple[int, Decision] | None) -> Element:
    number, decision = answer or (0, None)
    status = status_of(kind, None if decision is None else decision.verdict)
    reviewer = None if decision is None else decision.reviewer
    decided_at = None if decision is None else to_milliseconds(decision.decided_at)
    return {
        "status": status,
        "reviewer": reviewer,
        "decided_at": decided_at,
        "ledger": {"status": status, "reviewer": reviewer, "decided_at": decided_at, "decision": number},
    }


def _as_decided(old: Element, modified_at: datetime, answers: Mapping[int, tuple[int, Decision]]) -> Element:
    """Return what a push must not change of a decided suggestion, beside what the ledger says of it now."""
    reviewer, decided_at = said_by_and_at(old, modified_at)
    ledger = _as_ledger_says(old["kind"], answers.get(old["class_index"]))["ledger"]
    return {
        "status": old.get("status"),
        "tags": old.get("tags") or [],
        "reviewer": reviewer,
        "decided_at": decided_at,
        "ledger": ledger,
    }


def said_by_and_at(element: Element, modified_at: datetime) -> tuple[str | None, datetime]:
    """Return who decided on a suggestion in the App, None where it does not say, and when.

    A reviewer and a time that came with the last push are those of the decision before.
    """
    ledger = element.get("ledger") or {}
    reviewer, decided_at = element.get("reviewer"), element.get("decided_at")
    known = ledger.get("reviewer"), ledger.get("decided_at")
    time = decided_at if isinstance(decided_at, datetime) and decided_at != known[1] else None
    named = isinstance(reviewer, str) and bool(reviewer) and (time is not None or reviewer != known[0])
    return (str(reviewer) if named else None), time or modified_at


def to_milliseconds(time: datetime) -> datetime:
    """Return a time as MongoDB keeps it: in UTC, without saying so, in whole milliseconds."""
    plain = time.astimezone(UTC).replace(tzinfo=None)
    return plain.replace(microsecond=plain.microsecond // 1000 * 1000)
