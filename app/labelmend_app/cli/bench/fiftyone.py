"""`labelmend bench fiftyone`: push, push again and pull, with the real FiftyOne and its MongoDB."""

import atexit
import json
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from labelmend_app.cli._common import JsonOption, progress_bar
from labelmend_app.cli._timed import Timed

_KEYS = ("push_seconds", "repush_seconds", "pull_seconds", "decisions_sent", "decisions_kept")


def add_to(group: typer.Typer) -> None:
    """Register the command."""
    group.command("fiftyone")(fiftyone)


def fiftyone(
    images: Annotated[int, typer.Option(min=1, help="Images of the made-up workspace.")] = 5_000,
    classes: Annotated[int, typer.Option(min=1, help="Its classes.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Push a made-up workspace into FiftyOne, decide on every suggestion there, push again, and pull.

    Example: `labelmend bench fiftyone`
    """
    from labelmend_app.benchmarks.fiftyone import measure
    from labelmend_app.benchmarks.table import markdown

    made = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, made, ignore_errors=True)  # after the database in it has ended
    with progress_bar() as bar:
        found = measure(Path(made), images, classes, Timed(bar))
    header = ["images x classes", "suggestions", "start, s", "push, s", "push again, s", "pull, s", "sent", "kept"]
    times = (found.start_seconds, found.push_seconds, found.repush_seconds, found.pull_seconds)
    size = f"{found.images:,} x {found.classes:,}"
    counts = (found.decisions_sent, found.decisions_kept)
    row = [size, f"{found.suggestions:,}", *(f"{one:.2f}" for one in times), *(f"{one:,}" for one in counts)]
    typer.echo(markdown(header, [row]))
    if as_json:
        typer.echo(json.dumps({name: value for name, value in asdict(found).items() if name in _KEYS}))
