"""What a report says, as words, tables, charts and pictures; how it looks is the page's business."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import pandas as pd
from markupsafe import Markup

from labelmend_app.effect import gains
from labelmend_app.export import changes
from labelmend_app.remaining import remaining_columns, remaining_sentences
from labelmend_app.report._figures import line_chart
from labelmend_app.report._pictures import class_examples
from labelmend_app.review.answered import answered_suggestions
from labelmend_core.detection import remaining_errors
from labelmend_core.ledger import Policy, RunRecord, Status, agreements, standing
from labelmend_core.run_folder import RunFolder
from labelmend_core.types import Decision, Verdict
from labelmend_core.workspace import Workspace

_POLICY = {
    Policy.LATEST: "the last present or absent counts",
    Policy.MAJORITY: "what more reviewers say counts",
    Policy.UNANIMOUS: "only what every reviewer who answered says counts",
}
ASSUMPTIONS = (
    "The estimate rests on cells that were drawn at random before anybody answered and are asked among the "
    "suggestions; until enough of them are answered, it is the sum of the error probabilities, and right as far as "
    "those are. It takes an answer for the truth up to the slips that cells asked twice show, and the cells of a "
    "class that are about as likely to be errors for alike. Images that cannot be read are not in it."
)


@dataclass(frozen=True)
class Table:
    """Rows under headings; the first `names` columns hold text, the others numbers."""

    headings: Sequence[str]
    rows: Sequence[Sequence[object]]
    names: int = 1


def content(workspace: Workspace, policy: Policy, command: str) -> dict[str, Any]:
    """Return what the template of the page asks for, by name."""
    changed = changes(workspace, policy)
    mended = changed[(changed["before"] == "present") != (changed["after"] == "present")]
    decisions = [d for d in standing(workspace.ledger.decisions()) if d.verdict is not Verdict.SKIP]
    records = [record for record in workspace.runs.all() if record.status is Status.DONE]
    run_id = workspace.queue.latest_run()
    left = {} if run_id is None else remaining_errors(workspace, run_id)
    answered = answered_suggestions(workspace)
    examples = class_examples(workspace, mended)
    return {
        "images": workspace.settings.image_folder,
        "short": _in_short(changed, decisions, answered),
        "dataset": _dataset(workspace),
        "unreadable": len(workspace.catalog.problems()),
        "per_class": _per_class(workspace, changed, answered),
        "examples": examples,
        "classes_left_out": mended["class"].nunique() - len(examples),
        "reviewers": _reviewers(decisions),
        "agreement": _agreement(workspace),
        "runs": _runs(records),
        "effect": _quality(workspace, records),
        "charts": _charts(workspace, records),
        "remaining": remaining_sentences(left),
        "remaining_by_class": _remaining_by_class(workspace, remaining_columns(left)),
        "assumptions": ASSUMPTIONS,
        "made": _made(policy, command),
    }


def percent(part: float, whole: float) -> str:
    """Return a share in words, a dash of nothing.

    Example:
        >>> percent(1, 3), percent(0, 0)
        ('33 %', '–')
    """
    return f"{100 * part / whole:.0f} %" if whole else "–"


def _in_short(changed: pd.DataFrame, decisions: list[Decision], answered: pd.DataFrame) -> list[tuple[str, str]]:
    added, removed = int((changed["after"] == "present").sum()), int((changed["before"] == "present").sum())
    n, accepted, expected = answered["answered"].sum(), answered["accepted"].sum(), answered["expected"].sum()
    return [
        ("labels added", f"{added:,}"),
        ("labels removed", f"{removed:,}"),
        ("cells verified absent", f"{len(changed) - added - removed:,}"),
        ("answers of reviewers", f"{len(decisions):,}"),
        ("of the answered suggestions were errors", percent(accepted, n)),
        ("were expected to be", percent(expected, n)),
    ]


def _dataset(workspace: Workspace) -> Table:
    labels, validation = workspace.dataset.given_labels, workspace.validation
    n, k = labels.shape
    given = int(labels.positives_per_class().sum())
    rows = [
        ("images", f"{n:,}"),
        ("images for validation", f"{len(validation.paths) if validation else 0:,}"),
        ("classes", f"{k:,}"),
        ("given labels", f"{given:,}"),
        ("given labels for each image", f"{given / n:.2f}"),
        ("cells given as absent (-1)", f"{int(labels.negatives_per_class().sum()):,}"),
        ("images that cannot be read, of those opened so far", f"{len(workspace.catalog.problems()):,}"),
    ]
    return Table(("what", "number"), rows)


def _per_class(workspace: Workspace, changed: pd.DataFrame, answered: pd.DataFrame) -> Table:
    """Given labels, what was suspected, answered and mended; most mended labels first."""
    names = list(workspace.dataset.class_names)
    given = workspace.dataset.given_labels.positives_per_class()
    counts = answered.groupby("class_index")[["suggested", "answered", "accepted", "expected", "open"]].sum()
    counts = counts.reindex(range(len(names)), fill_value=0)
    sorts = {
        "added": changed["after"] == "present",
        "removed": changed["before"] == "present",
        "verified": (changed["before"] == "unobserved") & (changed["after"] == "absent"),
    }
    told = {name: changed.loc[rows, "class"].value_counts() for name, rows in sorts.items()}
    rows = []
    for k, name in enumerate(names):
        said = counts.loc[k]
        sort = [int(told[which].get(name, 0)) for which in sorts]
        numbers = [int(given[k]), *(int(said[which]) for which in ("suggested", "answered", "accepted"))]
        rates = [percent(said["accepted"], said["answered"]), percent(said["expected"], said["answered"])]
        tail = [f"{n:,}" for n in (*sort, int(said["open"]))]
        rows.append((sort[0] + sort[1], [name, *(f"{n:,}" for n in numbers), *rates, *tail]))
    rows.sort(key=lambda row: -row[0])
    headings = ("class", "given labels", "suggested", "answered", "were errors", "rate", "expected rate")
    more = ("added", "removed", "verified absent", "still open")
    return Table((*headings, *more), [row for _, row in rows])


def _remaining_by_class(workspace: Workspace, left: Mapping[str, list[str]]) -> Table:
    rows = list(zip(workspace.dataset.class_names, *left.values(), strict=True)) if left else []
    return Table(("class", *map(str.lower, left)), rows)


def _reviewers(decisions: list[Decision]) -> Table:
    of = pd.Series([decision.reviewer for decision in decisions], dtype=str).value_counts()
    return Table(("reviewer", "answers"), [(name, f"{n:,}") for name, n in of.items()])


def _agreement(workspace: Workspace) -> Table:
    """Return a row for all classes and one for each in which two reviewers or more called a cell present or absent."""
    of_all, *of_classes = agreements(workspace.ledger.shared_answers())
    shared = [of_all, *of_classes] if len(of_classes) > 1 else of_classes
    rows = [
        (
            "all classes" if found.class_index is None else workspace.dataset.class_names[found.class_index],
            f"{found.cells:,}",
            f"{found.conflicts:,}",
            "–" if found.share is None else f"{100 * found.share:.0f} %",
            found.why
            if found.kappa is None
            else f"{found.kappa:.2f} ({found.low:.2f} to {found.high:.2f}), {found.measure}",
        )
        for found in shared
    ]
    return Table(("class", "cells answered by several", "conflicts", "agree", "κ beyond chance (90 %)"), rows)


def _runs(records: list[RunRecord]) -> Table:
    rows = [
        (
            record.run_id,
            record.mode,
            record.loss,
            record.labels,
            record.metrics.get("on", "–"),
            f"{record.n_decisions if record.labels == 'corrected' else 0:,}",
            _number(record.metrics.get("map")),
        )
        for record in records
    ]
    return Table(("run", "mode", "loss", "labels", "measured on", "decisions used", "mAP"), rows, names=5)


def _quality(workspace: Workspace, records: list[RunRecord]) -> dict[str, Any] | None:
    """Return the first and the newest run that were measured on the validation images, None without two of them."""
    measured = [r for r in records if r.metrics.get("on") == "validation" and r.metrics.get("map") is not None]
    if len(measured) < 2:
        return None
    after, before = measured[0], measured[-1]
    rows = [
        (workspace.dataset.class_names[k], f"{was:.3f}", f"{is_now:.3f}", f"{is_now - was:+.3f}")
        for k, was, is_now in gains(workspace, before, after)
    ]
    return {
        "before": before,
        "after": after,
        "map_before": _number(before.metrics["map"]),
        "map_after": _number(after.metrics["map"]),
        "gain": f"{after.metrics['map'] - before.metrics['map']:+.3f}",
        "classes": Table(("class", "before", "after", "difference"), rows),
    }


def _charts(workspace: Workspace, records: list[RunRecord]) -> list[tuple[str, Markup, Sequence[str]]]:
    """Return title, chart and names of the lines of the newest run's curves, and of mAP over the runs."""
    found: list[tuple[str, Markup, Sequence[str]]] = []
    metrics = RunFolder(workspace.run_folder(records[0].run_id)).table("metrics") if records else None
    if metrics is not None and len(metrics):
        epochs = (metrics["epoch"] + 1).tolist()
        loss = {"loss": metrics["loss"].tolist()}
        found.append(("Loss", line_chart("Loss by epoch", "epoch", "loss for each image", epochs, loss), ()))
        quality = {label: metrics[name].tolist() for name, label in (("map", "mAP"), ("cf1", "CF1"), ("of1", "OF1"))}
        chart = line_chart("Quality by epoch", "epoch", "0 to 1, higher is better", epochs, quality)
        found.append(("Quality on validation images", chart, tuple(quality)))
    measured = [
        r for r in reversed(records) if r.metrics.get("on") == "validation" and r.metrics.get("map") is not None
    ]
    if len(measured) > 1:
        values = {"mAP": [float(record.metrics["map"]) for record in measured]}
        numbers = list(range(1, len(measured) + 1))
        chart = line_chart("mAP of the runs, oldest first", "run, oldest first", "mAP, 0 to 1", numbers, values)
        found.append(("mAP of the runs on validation images", chart, ()))
    return [one for one in found if one[1]]


def _made(policy: Policy, command: str) -> Table:
    rows = [
        ("written", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"),
        ("by", f"labelmend {version('labelmend')}"),
        ("command", command or "the Export screen"),
        ("where several reviewers answered", f"{policy.value}: {_POLICY[policy]}"),
    ]
    return Table(("what", "value"), rows, names=2)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
