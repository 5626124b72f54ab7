"""`labelmend review`: the screens in the browser."""

from typing import Annotated

import typer

from labelmend_app.cli._common import DEFAULT_WORKSPACE, WorkspaceOption


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("review")(review)


def review(
    port: Annotated[int, typer.Option(help="Port on this machine; the next free one if it is taken.")] = 8501,
    page: Annotated[str, typer.Option(help="overview, train, review, loss_lab, runs or export.")] = "review",
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Open the browser.")] = True,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Accept or reject the suggestions in the browser; only this machine can reach it.

    Example: `labelmend review`
    """
    from labelmend_app.server import serve

    serve(workspace, page=page, port=port, open_browser=open_browser)
