"""`labelmend bench formats`: memory and time of reading and writing annotations of many images."""

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from labelmend_app.cli._common import JsonOption, progress_bar
from labelmend_app.cli._timed import Timed


def add_to(group: typer.Typer) -> None:
    """Register the command."""
    group.command("formats")(formats)


def formats(
    images: Annotated[int, typer.Option(min=1, help="Images of the made-up annotations.")] = 1_000_000,
    only: Annotated[list[str] | None, typer.Option(help="A format; repeatable. All of them by default.")] = None,
    folder: Annotated[Path | None, typer.Option(help="Where the annotations are made, up to 5 GB at a time.")] = None,
    write: Annotated[bool, typer.Option("--write/--no-write", help="Write them back, too.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Read made-up annotations of a million images in every format, and write them back with a correction in 100.

    Each reading and each writing has a process of its own, whose peak of resident memory is told, with the seconds
    of the processor.

    Example: `labelmend bench formats --only coco`
    """
    from labelmend_app.benchmarks.formats.measure import run
    from labelmend_app.benchmarks.table import markdown

    with tempfile.TemporaryDirectory(dir=folder) as made, progress_bar() as bar:
        rows = list(run(Path(made), images, only or (), Timed(bar), write=write))
    header = ["format", "images", "labels", "source, MB", "read, s", "read, MB", "write, s", "write, MB"]
    cells = [
        [
            row.format,
            f"{row.images:,}",
            f"{row.labels:,}",
            f"{row.megabytes:,.0f}",
            f"{row.read_seconds:.1f}",
            f"{row.read_peak:,.0f}",
            "" if row.write_seconds is None else f"{row.write_seconds:.1f}",
            "" if row.write_peak is None else f"{row.write_peak:,.0f}",
        ]
        for row in rows
    ]
    typer.echo(markdown(header, cells))
    if as_json:
        typer.echo(json.dumps({"rows": [asdict(row) for row in rows]}))
