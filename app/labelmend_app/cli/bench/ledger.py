"""`labelmend bench ledger`: whether an acknowledged decision survives what is killed around it."""

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labelmend_app.cli._common import JsonOption, progress_bar
from labelmend_app.cli._timed import Timed

if TYPE_CHECKING:
    from labelmend_app.benchmarks.ledger.faults import Outcome


def add_to(group: typer.Typer) -> None:
    """Register the command."""
    group.command("ledger")(ledger)


def ledger(
    kills: Annotated[int, typer.Option(min=1, help="For each database.")] = 200,
    seed: Annotated[int, typer.Option(help="Of who is killed and when.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Kill writers, and the PostgreSQL server, at random while they write, and look for every acknowledged decision.

    Example: `labelmend bench ledger --kills 20`
    """
    from labelmend_app.benchmarks.ledger.faults import DATABASES, measure
    from labelmend_app.benchmarks.table import markdown

    found = []
    for database in DATABASES:
        with tempfile.TemporaryDirectory() as made, progress_bar() as bar:
            found.append(measure(database, Path(made), kills, seed, Timed(bar)))
    header = ["database", "kills", "of the server", "acknowledged", "stored", "lost", "doubled", "torn", "intact"]
    typer.echo(markdown(header, [_cells(one) for one in found]))
    if as_json:
        typer.echo(json.dumps({one.database: asdict(one) for one in found}))


def _cells(one: "Outcome") -> list[str]:
    numbers = one.kills, one.server_kills, one.acknowledged, one.stored, one.lost, one.doubled, one.torn
    return [one.database, *(f"{n:,}" for n in numbers), "yes" if one.intact else "no"]
