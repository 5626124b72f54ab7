"""`labelmend evaluate`: how good a trained network is."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from labelmend_app.cli._common import (
    DEFAULT_WORKSPACE,
    FormatOption,
    JsonOption,
    WorkspaceOption,
    answer,
    progress_bar,
)
from labelmend_app.cli._trained import network_and_images
from labelmend_core.errors import InputError

if TYPE_CHECKING:
    from labelmend_app.evaluation import Images, Measured, SeenBefore


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("evaluate")(evaluate)


def evaluate(
    checkpoint: Annotated[Path | None, typer.Option(help="model.safetensors of a run, its JSON beside it.")] = None,
    run: Annotated[str | None, typer.Option(help="Run of the workspace; the newest finished one by default.")] = None,
    split: Annotated[str, typer.Option(help="Images of the workspace: validation or train.")] = "validation",
    labels: Annotated[Path | None, typer.Option(help="Measure on these annotations instead; needs --images.")] = None,
    images: Annotated[
        str | None, typer.Option(help="What their image names are relative to: folder, zip, tar, or address.")
    ] = None,
    classes: Annotated[Path | None, typer.Option(help="File with one class name a line, for --labels.")] = None,
    format_name: FormatOption = "auto",
    unobserved: Annotated[
        str | None,
        typer.Option(
            help="What a 0 is: absent, left_out (unknown), or auto: unknown if there is a -1; as the run was told, "
            "auto for --labels."
        ),
    ] = None,
    threshold: Annotated[float, typer.Option(min=0, max=1, help="Predicted is what has a higher p.")] = 0.5,
    per_class: Annotated[bool, typer.Option("--per-class", help="Average precision of every class as well.")] = False,
    weights: Annotated[
        str | None, typer.Option(help="Of a probe's backbone, if they lie elsewhere than in training.")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Images a step.")] = 64,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Measure a trained network: mAP, CF1, OF1, and CF1 and OF1 of the three highest classes of each image.

    Example: `labelmend evaluate --labels test.txt --images photos --classes classes.txt`
    """
    kinds: dict[str, Literal["validation", "train"]] = {"validation": "validation", "train": "train"}
    if split not in kinds:
        raise InputError(f"Expected --split validation or train, got {split!r}")
    path, trained, shown = network_and_images(
        workspace,
        checkpoint=checkpoint,
        run=run,
        weights=weights,
        split=kinds[split],
        labels=labels,
        images=images,
        format_name=format_name,
        classes=classes,
    )
    from labelmend_app.evaluation import measure, seen_before

    reading = unobserved or ("auto" if labels is not None else trained.settings.unobserved)
    with progress_bar() as bar:
        found = measure(trained, shown, unobserved=reading, threshold=threshold, batch_size=batch_size, show=bar)
    seen = seen_before(path, shown)
    record = _record(path, shown, found, seen, threshold, per_class=per_class)
    answer("\n".join(_lines(shown, found, seen, threshold, per_class=per_class)), record, as_json)


def _record(
    path: Path,
    shown: "Images",
    found: "Measured",
    seen: "SeenBefore | None",
    threshold: float,
    *,
    per_class: bool,
) -> dict[str, Any]:
    evaluation = found.evaluation
    precisions = map(_plain, evaluation.average_precision.tolist())
    record: dict[str, Any] = {
        "checkpoint": str(path),
        "on": shown.name,
        "images": found.n_images,
        "unreadable_images": len(found.unreadable),
        "unobserved": found.unobserved,
        "known": found.known,
        "threshold": threshold,
        "map": _plain(evaluation.mean_average_precision),
        "cf1": _plain(evaluation.cf1),
        "of1": _plain(evaluation.of1),
        "cf1_top3": _plain(found.top.cf1),
        "of1_top3": _plain(found.top.of1),
        "cf1_top3_above_threshold": _plain(found.top_above.cf1),
        "of1_top3_above_threshold": _plain(found.top_above.of1),
        "left_out": [found.class_names[k] for k in evaluation.left_out],
        "trained_on": None if seen is None else seen.trained_on,
        "chosen_on": None if seen is None else seen.chosen_on,
    }
    if per_class:
        record["average_precision"] = dict(zip(found.class_names, precisions, strict=True))
    return record


def _lines(
    shown: "Images", found: "Measured", seen: "SeenBefore | None", threshold: float, *, per_class: bool
) -> list[str]:
    evaluation, left_out = found.evaluation, found.evaluation.left_out
    reading = "Unobserved cells count as absent."
    if found.unobserved == "left_out":
        reading = f"Partial labels: {found.known:.1%} of the cells are known, the others are left out."
    lines = [
        f"mAP {_figure(evaluation.mean_average_precision)} on {shown.name}: {found.n_images:,} images, "
        f"{len(found.class_names):,} classes",
        f"{'':<22}   CF1    OF1",
        f"{f'p > {threshold:g}':<22} {_figure(evaluation.cf1)} {_figure(evaluation.of1)}",
        f"{'top 3':<22} {_figure(found.top.cf1)} {_figure(found.top.of1)}",
        f"{f'top 3 with p > {threshold:g}':<22} {_figure(found.top_above.cf1)} {_figure(found.top_above.of1)}",
        reading,
    ]
    if left_out:
        why = "a positive" if found.unobserved == "absent" else "a positive and a verified negative"
        lines.append(f"Without {why}, and so without an average precision: {len(left_out):,} classes.")
    if found.unreadable:
        name, why = next(iter(found.unreadable.items()))
        lines.append(f"Left out: {len(found.unreadable):,} images that cannot be read, the first {name}: {why}")
    if per_class:
        lines += ["", *_table(found)]
    return lines + _warnings(seen)


def _table(found: "Measured") -> list[str]:
    """Return a line a class: average precision, positives, name."""
    rows = zip(found.evaluation.average_precision, found.positives.tolist(), found.class_names, strict=True)
    body = [f"{_figure(precision)} {positives:>10,}  {name}" for precision, positives, name in rows]
    return [f"{'AP':>6} {'positives':>10}  class", *body]


def _warnings(seen: "SeenBefore | None") -> list[str]:
    if seen is None:
        return ["Whether these images had a part in the training cannot be told: the run's workspace is not here."]
    lines = []
    if seen.trained_on:
        lines.append(f"{seen.trained_on:,} of these images were trained on: the figures say nothing about new ones.")
    if seen.chosen_on:
        lines.append(
            f"The best epoch was chosen on {seen.chosen_on:,} of these images, as in the papers: the figures flatter. "
            "Train with --hold-out 0.1 to choose it on others."
        )
    return lines


def _figure(value: float) -> str:
    return f"{'–':>6}" if math.isnan(value) else f"{value:6.4f}"


def _plain(value: float) -> float | None:
    """JSON has no NaN."""
    return None if math.isnan(value) else value
