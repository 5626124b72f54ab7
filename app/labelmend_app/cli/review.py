"""`labelmend review`: the screens in the browser."""

import os
from pathlib import Path
from typing import Annotated

import typer

from labelmend_app.cli._common import DEFAULT_WORKSPACE, WorkspaceOption, opened
from labelmend_app.review.reviewers import REVIEWER_VARIABLE, reviewer_name


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("review")(review)


def review(
    port: Annotated[int, typer.Option(help="Port on this machine; the next free one if it is taken.")] = 8501,
    host: Annotated[
        str, typer.Option(help="Where to listen; 0.0.0.0 lets other machines in, with a token or a log-in.")
    ] = "127.0.0.1",
    token: Annotated[
        bool, typer.Option("--token", help="Demand a token, that of LABELMEND_TOKEN or one made for you.")
    ] = False,
    token_file: Annotated[Path | None, typer.Option(help="Demand the token in this file.")] = None,
    page: Annotated[
        str, typer.Option(help="overview, train, review, explore, conflicts, decisions, loss_lab, runs or export.")
    ] = "review",
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Open the browser.")] = True,
    reviewer: Annotated[
        str | None,
        typer.Option(
            help="Name to begin with, instead of the account that the server runs under.", envvar=REVIEWER_VARIABLE
        ),
    ] = None,
    double_review: Annotated[
        int | None,
        typer.Option(help="Share of the cells, in percent, that a second reviewer is asked about; kept."),
    ] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Accept or reject the suggestions in the browser; only this machine can reach it unless --host says otherwise.

    Example: `labelmend review`
    """
    from labelmend_app.server import serve

    if double_review is not None:
        with opened(workspace) as project:
            project.double_review.set(double_review)
    if reviewer is not None:
        os.environ[REVIEWER_VARIABLE] = reviewer_name(reviewer)
    serve(workspace, page=page, host=host, port=port, open_browser=open_browser, token=token, token_file=token_file)
