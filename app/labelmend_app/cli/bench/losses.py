"""`labelmend bench losses`: time and memory of every loss."""

import json
import os
from dataclasses import asdict
from typing import Annotated

import typer

from labelmend_app.cli._common import JsonOption


def add_to(group: typer.Typer) -> None:
    """Register the command."""
    group.command("losses")(losses)


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
