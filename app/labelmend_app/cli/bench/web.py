"""`labelmend bench web`: reviewers in one go, and addresses that must not be answered."""

import json
import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from labelmend_app.cli._common import JsonOption, progress_bar
from labelmend_app.cli._timed import Timed


def add_to(group: typer.Typer) -> None:
    """Register the command."""
    group.command("web")(web)


def web(
    reviewers: Annotated[int, typer.Option(min=1, max=256, help="At once.")] = 32,
    decisions: Annotated[int, typer.Option(min=1, help="Of each, every one a request of its own.")] = 1_000,
    per_second: Annotated[
        float | None, typer.Option(min=0.01, help="Decisions of each; without it the next follows the answer.")
    ] = None,
    paths: Annotated[int, typer.Option(min=10, max=4_000, help="Hostile addresses.")] = 1_000,
    as_json: JsonOption = False,
) -> None:
    """Let reviewers decide over HTTP in one go, and ask the server for files that it must not hand out.

    Example: `labelmend bench web`
    """
    from labelmend_app.benchmarks.table import markdown
    from labelmend_app.benchmarks.web import measure

    with tempfile.TemporaryDirectory() as made, progress_bar() as bar:
        many = {"reviewers": reviewers, "decisions": decisions, "paths": paths}
        found = measure(Path(made), **many, per_second=per_second, show=Timed(bar))
    load = found.load
    p50, p95, p99 = np.percentile(load.milliseconds, (50, 95, 99)).tolist()
    header = ["reviewers x decisions", "decisions a second", "ms, median", "p95", "p99", "lost", "doubled"]
    header += ["hostile addresses", "leaked"]
    row = [f"{reviewers} x {decisions:,}", f"{len(load.milliseconds) / load.seconds:.0f}"]
    row += [f"{one:.0f}" for one in (p50, p95, p99)]
    row += [f"{one:,}" for one in (load.lost, load.doubled, found.hostile_paths, found.leaked)]
    typer.echo(markdown(header, [row]))
    if as_json:
        line = {"decision_ms_p50": round(p50, 1), "decision_ms_p95": round(p95, 1), "decision_ms_p99": round(p99, 1)}
        line |= {"acknowledged": load.acknowledged, "lost": load.lost, "doubled": load.doubled}
        typer.echo(json.dumps({**line, "hostile_paths": found.hostile_paths, "leaked": found.leaked}))
