"""Suggestions in a dataset that `labelmend fiftyone push` made: which are meant, what is decided, what comes next.

All of the plugin but its buttons. It needs FiftyOne and what a push has written, and nothing of labelmend.
"""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId

FIELD, MARK = "suggestions", "labelmend"
ELEMENTS = f"{FIELD}.classifications"
OPEN, DECISIONS = "open", ("accepted", "rejected", "unsure")
REVIEWER_VARIABLE = "LABELMEND_REVIEWER"
_LONGEST = 60  # characters of a class's name
# A tag decides as well; see `labelmend fiftyone pull`.
_TAGS = {"$setIntersection": [{"$ifNull": ["$element.tags", []]}, DECISIONS]}
_UNTAGGED = {"$eq": [_TAGS, []]}
_COUNT: list[dict[str, Any]] = [
    {"$project": {"element": f"${ELEMENTS}"}},
    {"$unwind": "$element"},
    {"$match": {"element.class_index": {"$exists": True}}},
    {
        "$group": {
            "_id": {
                "kind": "$element.kind",
                "status": {"$cond": [_UNTAGGED, "$element.status", {"$first": _TAGS}]},
                "known": {"$and": [_UNTAGGED, {"$eq": ["$element.status", "$element.ledger.status"]}]},
            },
            "n": {"$sum": 1},
        }
    },
]


@dataclass(frozen=True)
class Target:
    """A suggestion that somebody means; `group` names its class and kind, and they are said by `words`."""

    sample_id: str
    label_id: str
    group: str
    words: str
    status: str


@dataclass(frozen=True)
class Progress:
    """How far the review is: `counts` by kind and status, and how many decisions wait for a pull."""

    counts: dict[tuple[str, str], int]
    waiting: int

    @property
    def total(self) -> int:
        """How many suggestions there are."""
        return sum(self.counts.values())

    @property
    def decided(self) -> int:
        """How many of them were decided; a skip is no decision."""
        return sum(n for (_, status), n in self.counts.items() if status in DECISIONS)


def is_mirror(dataset: Any) -> bool:
    """Return whether a dataset was made by a push."""
    return dataset is not None and MARK in dataset.info


def targets(
    view: Any, *, selected: Sequence[str], labels: Sequence[dict[str, Any]], current: str | None
) -> list[Target]:
    """Return the suggestions that are meant, none where nothing is selected and no picture is open.

    Labels that were selected, else what the view shows of the picture that is open, else of those selected. Of these
    the ones that wait for an answer; where none does, all, so that a mind can be changed.

    Args:
        view: that is shown.
        selected: ids of samples.
        labels: as FiftyOne gives them, `field` and `label_id` of each.
        current: id of the sample that is open.
    """
    wanted = {one["label_id"] for one in labels if one.get("field") == FIELD}
    samples = [one["sample_id"] for one in labels] if wanted else [current] if current else list(selected)
    if not samples:
        return []
    found = [one for one in _shown(view, samples) if not wanted or one.label_id in wanted]
    return found if wanted else [one for one in found if one.status == OPEN] or found


def groups(found: Iterable[Target]) -> list[tuple[str, str, int]]:
    """Return name, words and size of each class and kind among suggestions, the largest first."""
    found = list(found)
    words = {one.group: one.words for one in found}
    return [(group, words[group], n) for group, n in Counter(one.group for one in found).most_common()]


def decide(dataset: Any, found: Sequence[Target], status: str) -> None:
    """Write a status, with the time and who decided, in one command; tags that decided otherwise go."""
    # As MongoDB keeps it: in UTC, without saying so, in whole milliseconds.
    now = datetime.now(UTC).replace(tzinfo=None)
    now = now.replace(microsecond=now.microsecond // 1000 * 1000)
    one = f"{ELEMENTS}.$[one]"
    reviewer = os.environ.get(REVIEWER_VARIABLE) or None
    says = {f"{one}.status": status, f"{one}.reviewer": reviewer, f"{one}.decided_at": now, "last_modified_at": now}
    dataset._sample_collection.update_many(
        {"_id": {"$in": [ObjectId(one.sample_id) for one in found]}},
        {"$set": says, "$pull": {f"{one}.tags": {"$in": list(DECISIONS)}}},
        array_filters=[{"one._id": {"$in": [ObjectId(one.label_id) for one in found]}}],
    )


def next_open(view: Any, after: str | None) -> str | None:
    """Return the sample with the likeliest open suggestion, behind `after` where that is one of them; None without."""
    import fiftyone

    waiting = view.filter_labels(FIELD, fiftyone.ViewField("status") == OPEN)
    ids: list[str] = waiting.sort_by(f"{ELEMENTS}.error_probability", reverse=True).values("id")
    if after in ids:
        ids = ids[ids.index(after) + 1 :] + ids[: ids.index(after)]
    return ids[0] if ids else None


def progress(dataset: Any) -> Progress:
    """Return how far the review of a dataset is."""
    counts: dict[tuple[str, str], int] = {}
    waiting = 0
    for row in dataset._sample_collection.aggregate(_COUNT):
        key = row["_id"]["kind"], row["_id"].get("status") or OPEN
        counts[key] = counts.get(key, 0) + row["n"]
        waiting += 0 if row["_id"]["known"] else row["n"]
    return Progress(counts, waiting)


def _shown(view: Any, samples: Sequence[str]) -> list[Target]:
    names = ("id", "label", "kind", "class_index", "status")
    rows = view.select(samples).values(["id", *(f"{ELEMENTS}.{name}" for name in names)])
    found = []
    for sample_id, *columns in zip(*rows, strict=True):
        for label_id, label, kind, class_index, status in zip(*(one or [] for one in columns), strict=True):
            if class_index is not None:
                short = label if len(label) <= _LONGEST else f"{label[:_LONGEST]}…"
                target = Target(sample_id, label_id, f"{kind} {class_index}", f"{short} ({kind})", status or OPEN)
                found.append(target)
    return found
