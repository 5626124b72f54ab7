"""The command line: `labelmend COMMAND`; one file a command.

Exit codes: 0 done, 2 wrong input (one sentence on standard error, nothing half-written), 1 a fault of ours.
"""

import sys

import click
import typer

from labelmend_app.cli import (
    bench,
    demo,
    export,
    find,
    import_,
    noise,
    report,
    review,
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
for module in (demo, import_, train, suggest, review, export, status, report, noise, find, bench):
    module.add_to(app)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    try:
        code = app(arguments, standalone_mode=False)
    except click.exceptions.Abort:
        code = 130
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except LabelmendError as error:
        typer.echo(f"labelmend: {error}", err=True)
        code = 2
    sys.exit(code)
