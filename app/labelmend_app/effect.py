"""What training again brought: mAP, classes, suggestions and what remains, before and after.

It is worked out once, when the training ends, and kept in the folder of the run: later answers change what the
two runs say, but not what the training changed.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from labelmend_app.number_words import about
from labelmend_core.detection import Left, remaining_errors
from labelmend_core.errors import InputError
from labelmend_core.files import replacing
from labelmend_core.ledger import RunRecord
from labelmend_core.run_folder import RunFolder
from labelmend_core.types import Kind
from labelmend_core.workspace import Workspace

FILE = "effect.json"
_MOST = 5  # classes that gained, and as many that lost
_VALIDATION = "validation"

Interval = tuple[float, float, float]  # the number, and from where to where it is with 90 %


@dataclass(frozen=True)
class Effect:
    """Before and after one training on what was decided.

    Attributes:
        before: the run that was reviewed.
        new_decisions: events in the ledger that the run before had not learned from.
        map_before, map_after: mean average precision on the validation images, in [0, 1]; None where one of the runs
            was not measured on them: against the labels that a run was trained on, two runs do not compare.
        classes: class index, average precision before and after, of the classes that have both; most gained first.
        suggestions, new_suggestions: of the new run, and those of them that the run before had not suggested.
        left_before, left_after: of each kind, how many errors remain, by the run before and all answers, by the new.
    """

    before: str
    new_decisions: int
    map_before: float | None
    map_after: float | None
    classes: tuple[tuple[int, float, float], ...]
    suggestions: int
    new_suggestions: int
    left_before: Mapping[str, Interval]
    left_after: Mapping[str, Interval]

    @property
    def gained(self) -> list[tuple[int, float, float]]:
        """The classes that gained most, most first."""
        return [row for row in self.classes if row[2] > row[1]][:_MOST]

    @property
    def lost(self) -> list[tuple[int, float, float]]:
        """The classes that lost most, most first."""
        return [row for row in reversed(self.classes) if row[2] < row[1]][:_MOST]


def what_remains_by(workspace: Workspace, run_id: str) -> dict[str, Interval]:
    """Return of each kind how many errors remain by a run; empty where it has no audit sample."""
    return {kind.value: _interval(left) for kind, left in remaining_errors(workspace, run_id).items()}


def keep_effect(
    workspace: Workspace, before: RunRecord, after: RunRecord, left_before: Mapping[str, Interval], n_suggestions: int
) -> Effect:
    """Work out what a training brought, write it into the run's folder, and return it.

    Args:
        workspace: that the runs belong to.
        before: the run that was reviewed.
        after: the new one, with its suggestions.
        left_before: `what_remains_by` the run before, at the start of the training.
        n_suggestions: of the new run.
    """
    measured = all(run.metrics.get("on") == _VALIDATION for run in (before, after))
    effect = Effect(
        before=before.run_id,
        new_decisions=after.n_decisions - (before.n_decisions if before.labels == "corrected" else 0),
        map_before=before.metrics.get("map") if measured else None,
        map_after=after.metrics.get("map") if measured else None,
        classes=gains(workspace, before, after) if measured else (),
        suggestions=n_suggestions,
        new_suggestions=workspace.queue.n_new(after.run_id, before.run_id),
        left_before=left_before,
        left_after=what_remains_by(workspace, after.run_id),
    )
    with replacing(workspace.run_folder(after.run_id) / FILE) as temporary:
        temporary.write_text(json.dumps(asdict(effect)), encoding="utf-8")
    return effect


def read_effect(run_folder: Path) -> Effect | None:
    """Return what `keep_effect` wrote, None for a run that was not trained on the review of another.

    Raises:
        InputError: the file is damaged.
    """
    path = run_folder / FILE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        values["classes"] = tuple(map(tuple, values["classes"]))
        for name in ("left_before", "left_after"):
            values[name] = {kind: tuple(interval) for kind, interval in values[name].items()}
        return Effect(**values)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"Expected {path} as labelmend wrote it, got: {error}; remove it.") from error


def effect_sentences(effect: Effect, class_names: tuple[str, ...]) -> list[str]:
    """Return what a training brought, in words."""
    sentences = []
    if effect.map_before is None or effect.map_after is None:
        sentences.append(NOT_MEASURED)
    else:
        change = effect.map_after - effect.map_before
        sentences.append(
            f"mAP on the validation images: {effect.map_before:.3f} -> {effect.map_after:.3f} ({change:+.3f})."
        )
    for word, rows in (("Gained", effect.gained), ("Lost", effect.lost)):
        if rows:
            told = ", ".join(f"{class_names[k]} {after - before:+.3f}" for k, before, after in rows)
            sentences.append(f"{word} most: {told}.")
    sentences.append(f"{effect.suggestions:,} suggestions, {effect.new_suggestions:,} of them newly found.")
    for kind in Kind:
        if kind in effect.left_before and kind in effect.left_after:
            before, after = interval_words(effect.left_before[kind]), interval_words(effect.left_after[kind])
            sentences.append(f"{kind.value.title()} labels estimated to remain: {before} -> {after}.")
    return sentences


NOT_MEASURED = (
    "mAP before and after do not compare: both runs must be measured on the same validation images "
    "(labelmend import --validation)."
)


def interval_words(interval: Interval) -> str:
    """Return a number with its interval in words.

    Example:
        >>> interval_words((142.0, 96.0, 188.0))
        '140 (90 %: 96 to 190)'
    """
    n, low, high = interval
    return f"{about(n)} (90 %: {about(low)} to {about(high)})"


def effect_record(effect: Effect, class_names: tuple[str, ...]) -> dict[str, Any]:
    """Return the same for machines."""
    classes = [{"class": class_names[k], "before": before, "after": after} for k, before, after in effect.classes]
    return {**asdict(effect), "classes": classes}


def _interval(left: Left) -> Interval:
    if left.estimate is None:
        return left.expected.n, left.expected.low, left.expected.high
    return left.estimate.total, left.estimate.low, left.estimate.high


def gains(workspace: Workspace, before: RunRecord, after: RunRecord) -> tuple[tuple[int, float, float], ...]:
    """Return class index and average precision of two runs, of the classes that have both; most gained first."""
    tables = [RunFolder(workspace.run_folder(run.run_id)).table("per_class") for run in (before, after)]
    if tables[0] is None or tables[1] is None:
        return ()
    precision = [table.set_index("class_index")["average_precision"] for table in tables if table is not None]
    both = precision[0].to_frame("before").assign(after=precision[1]).dropna()
    order = (both["before"] - both["after"]).sort_values(kind="stable").index
    return tuple((int(k), float(both.at[k, "before"]), float(both.at[k, "after"])) for k in order)
