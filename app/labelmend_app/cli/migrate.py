"""`labelmend migrate`: from the file of one machine to the server of a team."""

from typing import Annotated

import typer

from labelmend_app.cli._common import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption, answer, progress_bar
from labelmend_app.cli._timed import Timed
from labelmend_core.migration import migrate as migrate_workspace


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("migrate")(migrate)


def migrate(
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    schema: Annotated[str | None, typer.Option(help="Name of the schema on the server; made up without.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Copy the workspace's database to the PostgreSQL server that LABELMEND_DATABASE_URL names, and go on there.

    All in one transaction, with the numbers of rows compared. `workspace.db` stays as it was and is read no more.

    Example: `labelmend migrate --workspace birds`
    """
    with progress_bar() as bar:
        found = migrate_workspace(workspace, schema, Timed(bar))
    n, decisions = sum(found.rows.values()), found.rows["decisions"]
    answer(
        f"Copied {n:,} rows, {decisions:,} decisions among them, to {found.place}. The workspace goes on there: "
        "keep LABELMEND_DATABASE_URL set. workspace.db stays as it was and is read no more.",
        {"schema": found.schema, "rows": dict(found.rows)},
        as_json,
    )
