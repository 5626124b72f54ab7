"""`labelmend bench where`: do heat maps lie on the objects?"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from labelmend_app.cli._common import JsonOption, WorkspaceOption, opened, progress_bar
from labelmend_app.cli._timed import Timed
from labelmend_core.errors import InputError


def add_to(group: typer.Typer) -> None:
    """Register the command."""
    group.command("where")(where)


def where(
    workspace: WorkspaceOption = Path(".labelmend-demo"),
    images: Annotated[int, typer.Option(min=2, help="To look at, the first so many.")] = 400,
    seed: Annotated[int, typer.Option(help="Of the demo.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Look for every digit of the demo's scenes with the network that made its suggestions.

    Example: `labelmend demo --headless && labelmend bench where`
    """
    from labelmend_app.benchmarks import where as benchmark
    from labelmend_app.benchmarks.table import markdown

    with opened(workspace) as project, progress_bar() as bar:
        run_id = project.queue.latest_run()
        if run_id is None:
            raise InputError(f"Expected suggestions in {workspace}, found none; run 'labelmend demo --headless' first.")
        rows = benchmark.run(project, run_id, images=images, seed=seed, show=Timed(bar))
    names = {"all": "digits that are there", "dropped": "of them without a label"}
    header = [
        "cells",
        "number",
        "hottest place in the digit",
        "by chance",
        "close-up shows",
        "digit whole",
        "digit cut",
    ]
    shares = {name: list(asdict(row).values())[1:] for name, row in rows.items()}
    cells = [[names[name], f"{rows[name].cells:,}", *(f"{100 * v:.0f} %" for v in shares[name])] for name in rows]
    typer.echo(markdown(header, cells))
    if as_json:
        typer.echo(json.dumps({name: asdict(row) for name, row in rows.items()}))
