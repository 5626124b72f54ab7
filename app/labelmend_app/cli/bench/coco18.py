"""`labelmend bench coco18`: the whole loop on photographs."""

import json
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

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


def add_to(group: typer.Typer) -> None:
    """Register the command."""
    group.command("coco18")(coco18)


def coco18(
    data: DataOption,
    backbone: BackboneOption = "mobilenetv2_100",
    backbone_arguments: ArgumentsOption = None,
    weights: WeightsOption = "pretrained",
    image_size: SizeOption = 224,
    pixel_mean: MeanOption = 0.5,
    pixel_std: StdOption = 0.5,
    keep: KeepOption = None,
    seed: Annotated[int, typer.Option(help="Of folds, order and initial weights.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Find 60 % dropped labels in photographs with each loss, answer 2,000 suggestions, train again.

    Example: `labelmend bench coco18 --data coco18`
    """
    from labelmend_app.benchmarks import coco18 as benchmark
    from labelmend_app.benchmarks.table import markdown

    chosen = network_options(backbone, backbone_arguments, weights, image_size, pixel_mean, pixel_std)
    settings = run_settings(DEFAULTS["probe"], {**chosen, "companions": [], "planted": 0.0, "seed": seed})
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, progress_bar() as bar:
        rows = list(benchmark.run(data, Path(folder), settings, bar, keep))
    seconds = round(time.perf_counter() - started)
    header = [
        "loss",
        "mAP, 40 % of the labels",
        "… after 2,000 answers",
        "… all labels",
        "missing AP of p, micro / macro",
        "missing AP of our order, micro / macro",
        "errors among the answers",
        "missing labels, estimated / in fact",
    ]
    cells = [
        [
            row.loss,
            f"{row.map_noisy:.3f}",
            f"{row.map_corrected:.3f}",
            f"{row.map_full:.3f}",
            f"{row.missing_p:.3f} / {row.missing_p_macro:.3f}",
            f"{row.missing_ours:.3f} / {row.missing_ours_macro:.3f}",
            f"{row.mended:,}",
            f"{row.n_estimated:,} / {row.n_missing:,}",
        ]
        for row in rows
    ]
    typer.echo(markdown(header, cells))
    typer.echo(f"\nRandom order: {rows[0].missing_random:.3f}. {seconds:,} s in all, seed {seed}.")
    if as_json:
        typer.echo(json.dumps({"seconds": seconds, "rows": [asdict(row) for row in rows]}))
