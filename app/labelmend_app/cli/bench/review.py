"""`labelmend bench review`: how fast the review is, and whether it loses anything."""

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from labelmend_app.cli._common import JsonOption, progress_bar
from labelmend_app.cli._timed import Timed

if TYPE_CHECKING:
    from labelmend_app.benchmarks.review import Figures


def add_to(group: typer.Typer) -> None:
    """Register the command."""
    group.command("review")(review)


def review(
    data: Annotated[Path | None, typer.Option(help="Folder of images; scenes of digits without it.")] = None,
    suggestions: Annotated[list[int] | None, typer.Option(min=1_000, help="Open ones; repeatable.")] = None,
    presses: Annotated[int, typer.Option(min=1, help="Of each key.")] = 200,
    answers: Annotated[int, typer.Option(min=0, help="While the server is killed twice; 0 leaves it out.")] = 300,
    as_json: JsonOption = False,
) -> None:
    """Review made-up suggestions in Chromium as a person does, and time it inside the page.

    Example: `labelmend bench review --data coco18`
    """
    from labelmend_app.benchmarks.review import measure, summary, weather
    from labelmend_app.benchmarks.table import markdown

    with tempfile.TemporaryDirectory() as made, progress_bar() as bar:
        folder = Path(made)
        sizes = suggestions or [100_000, 1_000_000]
        found = [measure(folder, data, size, presses, Timed(bar)) for size in sizes]
        storm = weather(folder, data, answers=answers, per_second=20, kills=2, show=Timed(bar)) if answers else None
    header = [
        "images",
        "open suggestions",
        "queue opened, ms",
        "Enter, next page painted",
        "Enter, page committed",
        "key, answer committed",
        "tab, MB",
        "server, MB",
    ]
    typer.echo(markdown(header, [_cells(one) for one in found]))
    if storm is not None:
        typer.echo(
            f"\n{storm.pressed:,} keys, 20 a second, the server killed {storm.kills} times: {storm.sent:,} answers "
            f"sent, {storm.stored:,} stored, {storm.doubled:,} doubled; up to {storm.unsaved:,} waited for it."
        )
    if as_json:
        typer.echo(json.dumps({"workspaces": [asdict(one) for one in found]}))
        typer.echo(json.dumps(summary(found, storm)))


def _cells(one: "Figures") -> list[str]:
    def spread(sample: tuple[float, ...]) -> str:
        return f"{np.median(sample):.0f} (p95 {np.percentile(sample, 95):.0f})"

    times = (one.opened_ms, one.painted_ms, one.page_durable_ms, one.durable_ms)
    return [
        f"{one.images:,}",
        f"{one.suggestions:,}",
        *map(spread, times),
        f"{one.browser_mb:.0f}",
        f"{one.server_mb:.0f}",
    ]
