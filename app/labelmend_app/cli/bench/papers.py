"""`labelmend bench papers`: every loss on every kind of noise."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from labelmend_app.cli._common import JsonOption, progress_bar
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

if TYPE_CHECKING:
    from labelmend_app.benchmarks.arena import Arena
    from labelmend_app.benchmarks.papers import Row


def add_to(group: typer.Typer) -> None:
    """Register the command."""
    group.command("papers")(papers)


def papers(
    data: DataOption,
    backbone: BackboneOption = "mobilenetv2_100",
    backbone_arguments: ArgumentsOption = None,
    weights: WeightsOption = "pretrained",
    image_size: SizeOption = 224,
    pixel_mean: MeanOption = 0.5,
    pixel_std: StdOption = 0.5,
    keep: KeepOption = None,
    loss: Annotated[list[str] | None, typer.Option(help="Only this one; repeatable.")] = None,
    on: Annotated[str, typer.Option(help="photographs (probe), digits (finetune) or both.")] = "both",
    seeds: Annotated[int, typer.Option(min=1, help="Trainings at each loss's best rate.")] = 3,
    noise: Annotated[list[str] | None, typer.Option(help="Only this kind of noise; repeatable.")] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the images.")] = 10,
    weight_decay: Annotated[float, typer.Option(min=0, help="Of the probe's head.")] = 3.0,
    scenes: Annotated[int, typer.Option(min=50, help="Of digits to train on.")] = 1_000,
    as_json: JsonOption = False,
) -> None:
    """Train every loss on 75 %, 40 %, a single one, and a mixture of missing and spurious labels.

    Example: `labelmend bench papers --data coco18 --keep kept`
    """
    from labelmend_app.benchmarks import papers as benchmark
    from labelmend_app.benchmarks.problems import digits, photographs
    from labelmend_app.benchmarks.table import markdown

    chosen = network_options(backbone, backbone_arguments, weights, image_size, pixel_mean, pixel_std)
    chosen |= {"schedule.epochs": epochs, "schedule.weight_decay": weight_decay}
    settings = run_settings(DEFAULTS["probe"], {**chosen, "companions": []})
    started = time.perf_counter()
    rows: list[benchmark.Row] = []
    with progress_bar() as bar:

        def reading(phase: str, done: int, total: int) -> None:
            bar(phase, done, total, None)

        arenas: dict[str, Callable[[], Arena]] = {
            "photographs": lambda: photographs(data, settings, keep, reading),
            "digits": lambda: digits(epochs, scenes),
        }
        for name, arena in arenas.items():
            if on in (name, "both"):
                kept = None if keep is None else keep / f"papers-{name}.jsonl"
                rows += benchmark.run(
                    benchmark.with_noise(arena(), noise or ()),
                    losses=benchmark.known(loss or ()),
                    seeds=seeds,
                    show=Timed(bar),
                    keep=kept,
                )
    for arena_name in dict.fromkeys(row.arena for row in rows):
        of_arena = [row for row in rows if row.arena == arena_name]
        typer.echo(f"\n{arena_name}\n")
        typer.echo(markdown(["loss", *dict.fromkeys(row.noise for row in of_arena)], list(_lines(of_arena))))
    typer.echo(f"\n{round(time.perf_counter() - started):,} s in all.")
    if as_json:
        typer.echo(json.dumps({"rows": [asdict(row) for row in rows]}))


def _lines(rows: "Sequence[Row]") -> Iterator[list[str]]:
    for loss in dict.fromkeys(row.loss for row in rows):
        of_loss = [row for row in rows if row.loss == loss]
        yield [loss, *(f"{100 * row.mean:.1f} ± {100 * row.spread:.1f} ({row.lr:g})" for row in of_loss)]
