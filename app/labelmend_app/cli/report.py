"""`labelmend report`: one HTML page to hand on."""

from pathlib import Path
from typing import Annotated

import typer

from labelmend_app.cli._common import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption, answer, opened


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("report")(report)


def report(
    destination: Annotated[
        Path | None, typer.Argument(help="HTML file; WORKSPACE/exports/report.html by default.")
    ] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Write what was found and mended as one HTML page that needs no other file.

    Example: `labelmend report report.html`
    """
    from labelmend_app.report import write_report

    path = destination or workspace / "exports" / "report.html"
    with opened(workspace) as project:
        write_report(project, path)
    answer(f"Wrote {path}", {"file": str(path)}, as_json)
