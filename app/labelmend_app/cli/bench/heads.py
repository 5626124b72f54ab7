"""`labelmend bench heads`: quality and speed of every head."""

import json
from dataclasses import asdict, replace
from functools import cache
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from labelmend_app.cli._common import JsonOption, progress_bar
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


def add_to(group: typer.Typer) -> None:
    """Register the command."""
    group.command("heads")(heads)


def heads(
    data: DataOption,
    backbone: BackboneOption = "mobilenetv2_100",
    backbone_arguments: ArgumentsOption = None,
    weights: WeightsOption = "pretrained",
    image_size: SizeOption = 224,
    pixel_mean: MeanOption = 0.5,
    pixel_std: StdOption = 0.5,
    keep: KeepOption = None,
    images: Annotated[int, typer.Option(min=100, help="To train on, the first so many.")] = 8_000,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the images.")] = 10,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings at each head's best rate.")] = 3,
    as_json: JsonOption = False,
) -> None:
    """Train every head on the same features and 40 % of the labels.

    Example: `labelmend bench heads --data coco18 --keep kept`
    """
    from labelmend_app.benchmarks import heads as benchmark
    from labelmend_app.benchmarks.arena import with_fewer
    from labelmend_app.benchmarks.problems import photographs
    from labelmend_app.benchmarks.table import markdown
    from labelmend_core.models.heads import HEADS

    chosen = network_options(backbone, backbone_arguments, weights, image_size, pixel_mean, pixel_std)
    settings = run_settings(DEFAULTS["probe"], {**chosen, "companions": [], "schedule.epochs": epochs})
    with progress_bar() as bar:

        def show(phase: str, done: int, total: int) -> None:
            bar(phase, done, total, None)

        @cache
        def arena_that_gives(takes: str) -> "Arena":
            head = next(name for name in HEADS if HEADS[name].takes == takes)
            return with_fewer(photographs(data, replace(settings, head=head), keep, show), images)

        rows = list(benchmark.run(lambda head: arena_that_gives(benchmark.takes(head)), seeds=seeds, show=show))
    header = ["head", "loss", "mAP", "learning rate", "images/s, training", "images/s, prediction"]
    cells = [
        [
            row.head,
            row.loss,
            f"{100 * np.mean(row.maps):.1f} ± {100 * np.std(row.maps):.1f}",
            f"{row.lr:g}",
            f"{row.train_speed:,.0f}",
            f"{row.predict_speed:,.0f}",
        ]
        for row in rows
    ]
    typer.echo(markdown(header, cells))
    if as_json:
        typer.echo(json.dumps({"rows": [asdict(row) for row in rows]}))
