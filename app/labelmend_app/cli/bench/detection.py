"""`labelmend bench detection`: how well errors are found, and how far the figures about them can be trusted."""

import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from labelmend_app.cli._common import Bar, JsonOption, progress_bar
from labelmend_app.cli._timed import Timed
from labelmend_app.cli.bench._network import (
    ArgumentsOption,
    BackboneOption,
    DataOption,
    KeepOption,
    MeanOption,
    SizeOption,
    StdOption,
    WeightsOption,
    network_options,
)
from labelmend_app.run_options import DEFAULTS, run_settings
from labelmend_core.errors import InputError

if TYPE_CHECKING:
    from labelmend_app.benchmarks.detection.problem import Problem
    from labelmend_app.benchmarks.detection.session import MakeSession


def add_to(group: typer.Typer) -> None:
    """Register the command."""
    group.command("detection")(detection)


def detection(
    data: DataOption,
    backbone: BackboneOption = "mobilenetv2_100",
    backbone_arguments: ArgumentsOption = None,
    weights: WeightsOption = "pretrained",
    image_size: SizeOption = 224,
    pixel_mean: MeanOption = 0.5,
    pixel_std: StdOption = 0.5,
    keep: KeepOption = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this part: ranking, own, calibration, stopping, effort, reranking or cost; repeatable."
        ),
    ] = None,
    case: Annotated[list[str] | None, typer.Option(help="Only this case; repeatable.")] = None,
    loss: Annotated[str, typer.Option(help="Of the probe that all methods share.")] = "bce",
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the images.")] = 10,
    resamples: Annotated[int, typer.Option(min=10, help="Of the images, for intervals.")] = 200,
    sessions: Annotated[int, typer.Option(min=1, help="Simulated reviews, for coverage.")] = 40,
    every: Annotated[int, typer.Option(min=1, help="Answers after which the queue is ranked again.")] = 500,
    as_json: JsonOption = False,
) -> None:
    """Plant errors in photographs and digits, and compare how methods find them, count them and use answers.

    Example: `labelmend bench detection --data coco18 --keep kept --only ranking`
    """
    from labelmend_app.benchmarks.detection.problem import known_cases, load
    from labelmend_app.benchmarks.detection.session import maker

    parts = _known_parts(only or ())
    names = known_cases(case or ())
    chosen = network_options(backbone, backbone_arguments, weights, image_size, pixel_mean, pixel_std)
    chosen |= {"loss": loss, "planted": 0.0, "schedule.epochs": epochs, "companions": []}
    settings = run_settings(DEFAULTS["probe"], chosen)
    kept = None if keep is None else keep / "detection"
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    record: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, progress_bar() as bar:
        problems = [] if set(parts) <= WITHOUT_PROBLEMS else list(load(names, data, settings, keep, Timed(bar)))
        make = maker(Path(folder), kept)
        options = {"resamples": resamples, "sessions": sessions, "every": every, "cases": case, "keep": kept}
        for part in parts:
            record[part] = PARTS[part](problems, make, bar, options)
    seconds = round(time.perf_counter() - started)
    typer.echo(f"\n{seconds:,} s in all.")
    if as_json:
        typer.echo(json.dumps({"seconds": seconds, **record}))


Problems: TypeAlias = "Sequence[Problem]"
Options: TypeAlias = Mapping[str, Any]
Part = Callable[[Problems, "MakeSession", Bar, Options], Any]


def _ranking(problems: Problems, make: "MakeSession", bar: Bar, options: Options) -> list[dict[str, Any]]:
    from labelmend_app.benchmarks.detection import ranking
    from labelmend_app.benchmarks.detection.tables import ranking_table

    rows = list(ranking.run(problems, make, Timed(bar), resamples=options["resamples"]))
    typer.echo(ranking_table(rows))
    return [asdict(row) for row in rows]


def _own(problems: Problems, make: "MakeSession", bar: Bar, options: Options) -> list[dict[str, Any]]:
    from labelmend_app.benchmarks.detection import own
    from labelmend_app.benchmarks.detection.tables import own_table

    rows = list(own.run(problems, make, Timed(bar)))
    typer.echo("\nWhat labels and probabilities alone tell, before anybody's answer\n")
    typer.echo(own_table(rows))
    return [asdict(row) for row in rows]


def _calibration(problems: Problems, make: "MakeSession", bar: Bar, options: Options) -> dict[str, Any]:
    from labelmend_app.benchmarks.detection import calibration
    from labelmend_app.benchmarks.detection.tables import counts_table, deciles_table

    deciles = list(calibration.deciles(problems, make, Timed(bar)))
    typer.echo("\nErrors, estimated / actual share, by decile of a queue twice as long as there are errors\n")
    typer.echo(deciles_table(deciles))
    file = None if options["keep"] is None else options["keep"] / "counts.jsonl"
    counts = calibration.counts(problems, make, Timed(bar), options["sessions"], file)
    summaries = list(calibration.summaries(counts))
    typer.echo("\nThe number of errors\n")
    typer.echo(counts_table(summaries))
    parts: dict[str, Sequence[Any]] = {"deciles": deciles, "counts": counts, "summaries": summaries}
    return {name: [asdict(row) for row in rows] for name, rows in parts.items()}


def _effort(problems: Problems, make: "MakeSession", bar: Bar, options: Options) -> list[dict[str, Any]]:
    from labelmend_app.benchmarks.detection import effort
    from labelmend_app.benchmarks.detection.tables import effort_table

    chosen = [problem for problem in problems if options["cases"] or problem.name in effort.CASES]
    file = None if options["keep"] is None else options["keep"] / "effort.jsonl"
    rows = list(effort.run(chosen, make, Timed(bar), keep=file, every=options["every"]))
    typer.echo(
        "\nMissing labels mended, mAP then, and how much of what the errors cost is back, where they cost mAP at all\n"
    )
    typer.echo(effort_table(rows))
    return [asdict(row) for row in rows]


def _stopping(problems: Problems, make: "MakeSession", bar: Bar, options: Options) -> list[dict[str, Any]]:
    from labelmend_app.benchmarks.detection import stopping
    from labelmend_app.benchmarks.detection.tables import stopping_table

    rows = list(stopping.run(problems, make, Timed(bar), sessions=options["sessions"]))
    typer.echo("\nWhat remains: how often the 90 % interval holds the truth, in simulated reviews\n")
    typer.echo(stopping_table(rows))
    return rows


def _reranking(problems: Problems, make: "MakeSession", bar: Bar, options: Options) -> list[dict[str, Any]]:
    from labelmend_app.benchmarks.detection import reranking
    from labelmend_app.benchmarks.detection.tables import reranking_table

    with tempfile.TemporaryDirectory(dir=options["keep"]) as folder:
        rows = [row for n_classes in reranking.CLASSES for row in reranking.measure(Path(folder), n_classes)]
    typer.echo("\nTime from an answer to what it changes\n")
    typer.echo(reranking_table(rows))
    return [asdict(row) for row in rows]


def _cost(problems: Problems, make: "MakeSession", bar: Bar, options: Options) -> dict[str, Any]:
    from labelmend_app.benchmarks.detection import cost
    from labelmend_app.benchmarks.detection.tables import cost_table

    with tempfile.TemporaryDirectory(dir=options["keep"]) as folder:
        compared = list(cost.compare(Path(folder), Timed(bar)))
        grown = cost.growth(Path(folder), Timed(bar))
        large = cost.large(Path(folder), Timed(bar))
    typer.echo("\nTime and memory of finding errors by probabilities alone\n")
    typer.echo(cost_table([*compared, *grown, large]))
    typer.echo(f"\nSlope of time over cells, both in logarithm: {cost.slope(grown):.2f}.")
    return {"rows": [asdict(row) for row in (*compared, *grown, large)], "slope": cost.slope(grown)}


# What `--only` names, in the order in which it is done.
PARTS: dict[str, Part] = {
    "ranking": _ranking,
    "own": _own,
    "calibration": _calibration,
    "stopping": _stopping,
    "effort": _effort,
    "reranking": _reranking,
    "cost": _cost,
}
WITHOUT_PROBLEMS = {"reranking", "cost"}  # they make their own data


def _known_parts(names: Sequence[str]) -> tuple[str, ...]:
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        raise InputError(f"Expected --only among {', '.join(PARTS)}, got {unknown[0]!r}")
    return tuple(part for part in PARTS if part in names or not names)
