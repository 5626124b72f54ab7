"""The command line: `labelmend COMMAND`; one file a command.

Exit codes: 0 done, 2 wrong input (one sentence on standard error, nothing half-written), 1 a fault of ours.
"""

import os
import sys

import typer

from labelmend_app.cli import (
    bench,
    decisions,
    demo,
    evaluate,
    export,
    fiftyone,
    find,
    import_,
    migrate,
    noise,
    pull,
    recipes,
    report,
    retrain,
    review,
    score,
    status,
    suggest,
    train,
)
from labelmend_core.errors import LabelmendError

app = typer.Typer(
    help="Find and mend the missing and spurious labels of multi-label image datasets.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
for module in (
    demo,
    import_,
    train,
    evaluate,
    recipes,
    suggest,
    review,
    retrain,
    export,
    pull,
    status,
    decisions,
    report,
    noise,
    score,
    find,
    fiftyone,
    migrate,
    bench,
):
    module.add_to(app)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    # OpenMP's threads spin while they wait. Beside anything else that computes, training then runs at a
    # fifteenth of its speed; with a short spin at a half, and no slower alone (measured on 2 cores).
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    try:
        app(arguments)
    except LabelmendError as error:
        typer.echo(f"labelmend: {error}", err=True)
        sys.exit(2)
