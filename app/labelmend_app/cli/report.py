"""`labelmend report`: one HTML page to hand on."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from labelmend_app.cli._common import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption, answer, opened
from labelmend_core.errors import InputError
from labelmend_core.ledger import Policy


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("report")(report)


def report(
    destination: Annotated[Path | None, typer.Argument(help="HTML file, the same as --out.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="HTML file; WORKSPACE/exports/report.html by default.")
    ] = None,
    policy: Annotated[str, typer.Option(help="latest, majority or unanimous.")] = "latest",
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Write what was found and mended as one HTML page that needs no other file and no network.

    Example: `labelmend report --out report.html`
    """
    from labelmend_app.report import write_report

    if policy not in list(Policy):
        raise InputError(f"Expected --policy {', '.join(Policy)}, got {policy!r}")
    if destination is not None and out is not None:
        raise InputError(f"Expected one file, got {destination} and --out {out}; leave one of them out.")
    path = out or destination or workspace / "exports" / "report.html"
    command = shlex.join(["labelmend", "report", "--workspace", str(workspace), "--out", str(path), "--policy", policy])
    with opened(workspace) as project:
        write_report(project, path, Policy(policy), force=force, command=command)
    answer(f"Wrote {path}", {"file": str(path), "bytes": path.stat().st_size}, as_json)
