"""`labelmend suggest`: rank the cells of a run that look wrong."""

from typing import Annotated

import typer

from labelmend_app.cli._common import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption, answer, opened
from labelmend_core.errors import InputError
from labelmend_core.ledger import Status
from labelmend_core.run_folder import RunFolder
from labelmend_core.workspace import Workspace


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("suggest")(suggest)


def suggest(
    run: Annotated[str | None, typer.Option(help="Run to take; the newest finished one by default.")] = None,
    min_probability: Annotated[float, typer.Option(min=0, max=1, help="Least probability of an error.")] = 0.5,
    audit: Annotated[
        int,
        typer.Option(min=0, help="Cells of each kind to ask at random among the suggestions, to know what is left."),
    ] = 200,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Find labels that are missing and labels that should not be there.

    Example: `labelmend suggest --min-probability 0.7`
    """
    from labelmend_core.detection import suggest as rank

    with opened(workspace) as project:
        run_id = run or newest_run(project)
        cells = rank(project, run_id, min_probability=min_probability, audit=audit)
    counts = cells["kind"].value_counts()
    missing, spurious = int(counts.get("missing", 0)), int(counts.get("spurious", 0))
    record = {"run": run_id, "suggestions": len(cells), "missing": missing, "spurious": spurious}
    text = f"{len(cells):,} suggestions from {run_id}: {missing:,} missing and {spurious:,} spurious labels."
    answer(f"{text}\nNext: labelmend review", record, as_json)


def newest_run(workspace: Workspace, *, with_network: bool = False) -> str:
    """Return the newest finished run; `with_network` the newest that left one, as imported predictions did not.

    Raises:
        InputError: nothing has been trained yet.
    """
    for record in workspace.runs.all():
        has_what_is_needed = not with_network or RunFolder(workspace.run_folder(record.run_id)).model.is_file()
        if record.status is Status.DONE and has_what_is_needed:
            return record.run_id
    what = "a finished run that left a network" if with_network else "a finished run"
    raise InputError(f"Expected {what}, found none; train one with 'labelmend train'.")
