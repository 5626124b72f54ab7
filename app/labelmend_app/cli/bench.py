"""`labelmend bench`: the figures of BENCHMARKS.md, measured here."""

import json
import os
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from labelmend_app.cli._common import JsonOption, progress_bar


def add_to(app: typer.Typer) -> None:
    """Register the group of commands."""
    group = typer.Typer(help="Measure what BENCHMARKS.md says.", no_args_is_help=True)
    group.callback()(_only_a_group)
    group.command()(coco18)
    group.command()(losses)
    app.add_typer(group, name="bench")


def _only_a_group() -> None:
    """Measure what BENCHMARKS.md says."""


def coco18(
    data: Annotated[Path, typer.Option(help="Folder with images/, classes.txt and the lists.")],
    backbone: Annotated[str, typer.Option(help="timm's name of the network.")] = "mobilenetv2_100",
    backbone_arguments: Annotated[
        list[str] | None, typer.Option("--backbone-arg", help="Passed on to timm, such as pad_type=same.")
    ] = None,
    weights: Annotated[str, typer.Option(help="pretrained, random, or a .safetensors file.")] = "pretrained",
    image_size: Annotated[int, typer.Option(help="Side of the network's input in pixels.")] = 224,
    pixel_mean: Annotated[float, typer.Option(help="Mean of the pixels in [0, 1].")] = 0.5,
    pixel_std: Annotated[float, typer.Option(help="Deviation of the pixels.")] = 0.5,
    keep: Annotated[Path | None, typer.Option(help="Folder that keeps pixels and features for a second run.")] = None,
    planted: Annotated[float, typer.Option(help="Share of labels hidden, to calibrate suggestions; 0 none.")] = 0.1,
    seed: Annotated[int, typer.Option(help="Of folds, order and initial weights.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Find 60 % dropped labels in photographs with each loss, answer 2,000 suggestions, train again.

    Example: `labelmend bench coco18 --data coco18`
    """
    from labelmend_app.benchmarks import coco18 as benchmark
    from labelmend_app.benchmarks.table import markdown
    from labelmend_app.cli.train import DEFAULTS, backbone_spec
    from labelmend_core.training import RunSettings, Schedule

    epochs, lr, weight_decay, batch_size = DEFAULTS["probe"]
    settings = RunSettings(
        mode="probe",
        loss="bce",
        backbone=backbone_spec(backbone, weights, backbone_arguments, image_size, pixel_mean, pixel_std),
        schedule=Schedule(epochs=epochs, lr=lr, weight_decay=weight_decay),
        batch_size=batch_size,
        planted=planted,
        seed=seed,
    )
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


def losses(
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    compiled: Annotated[bool, typer.Option("--compile", help="Under torch.compile, too; takes minutes.")] = False,
    repeats: Annotated[int, typer.Option(min=1, help="Of each measurement.")] = 30,
    as_json: JsonOption = False,
) -> None:
    """Time every loss, forward and backward, against PyTorch's BCE and a transcription of its formula.

    Example: `labelmend bench losses --compile`
    """
    # The profiler, which counts the memory, would print four lines each time.
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    from labelmend_app.benchmarks import losses as benchmark
    from labelmend_app.benchmarks.table import markdown

    rows = list(benchmark.run(device=device, compiled=compiled, repeats=repeats))
    header = ["loss", "B x K", "BCE, µs", "ours, µs", "ours / BCE", "ours / transcribed", "memory / transcribed"]
    cells = [
        [
            row.loss,
            f"{row.images} x {row.classes:,}",
            f"{row.bce:,.0f}",
            f"{row.ours:,.0f}",
            f"{row.ours / row.bce:.2f}",
            f"{row.ours / row.transcribed:.2f}",
            f"{row.memory / row.memory_transcribed:.2f}",
        ]
        for row in rows
    ]
    if compiled:
        header.append("compiled / BCE")
        for line, row in zip(cells, rows, strict=True):
            line.append(f"{(row.compiled or float('nan')) / row.bce:.2f}")
    typer.echo(markdown(header, cells))
    if as_json:
        typer.echo(json.dumps({"rows": [asdict(row) for row in rows]}))
