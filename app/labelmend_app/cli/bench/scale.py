"""`labelmend bench scale`: the store of highest probabilities at the size of Open Images' classes."""

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
    group.command("scale")(scale)


def scale(
    images: Annotated[int, typer.Option(min=100, help="N.")] = 1_000_000,
    classes: Annotated[int, typer.Option(min=10, help="K.")] = 9_600,
    keep: Annotated[int, typer.Option("--top", min=1, help="Highest probabilities of each image.")] = 50,
    folder: Annotated[Path | None, typer.Option(help="Empty folder for it; a temporary one without.")] = None,
    seed: Annotated[int, typer.Option(help="Of labels, errors and probabilities.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Write, merge and search the probabilities of a network that knows more classes than memory holds.

    Example: `labelmend bench scale --images 20000 --json`
    """
    from labelmend_app.benchmarks import scale as benchmark
    from labelmend_app.benchmarks.table import markdown

    with tempfile.TemporaryDirectory(prefix="labelmend-scale-") as temporary, progress_bar() as bar:
        where = folder or Path(temporary)
        found = benchmark.run(where, images=images, classes=classes, keep=keep, seed=seed, show=Timed(bar))
    rows = [
        ["images x classes", f"{found.images:,} x {found.classes:,}"],
        ["probabilities kept", f"{found.kept:,}"],
        ["store, MB", f"{found.bytes / 1e6:,.0f}"],
        ["all probabilities in float16, MB", f"{found.dense_bytes / 1e6:,.0f}"],
        ["choosing what is kept, s", f"{found.select_seconds:.0f}"],
        ["writing blocks, s", f"{found.write_seconds:.0f}"],
        ["merging, s", f"{found.merge_seconds:.1f}"],
        ["finding errors, s", f"{found.find_seconds:.1f}"],
        ["most memory, MB", f"{found.peak_bytes / 1e6:,.0f}"],
        ["planted missing labels among as many at the top", f"{found.missing_found:.3f}"],
        ["planted spurious labels among as many at the top", f"{found.spurious_found:.3f}"],
        ["errors in all probabilities that the store shows, too", f"{found.same_as_dense:.3f}"],
    ]
    typer.echo(markdown(["of the store", "value"], rows))
    if as_json:
        typer.echo(json.dumps(asdict(found)))
