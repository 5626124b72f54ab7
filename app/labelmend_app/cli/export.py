"""`labelmend export`: the corrected annotations in the format that they came in."""

from pathlib import Path
from typing import Annotated

import typer

from labelmend_app.cli._common import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption, answer, opened
from labelmend_core.errors import InputError
from labelmend_core.ledger import Policy


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("export")(export)


def export(
    destination: Annotated[Path | None, typer.Argument(help="Folder; WORKSPACE/exports/corrected by default.")] = None,
    policy: Annotated[str, typer.Option(help="latest, majority or unanimous.")] = "latest",
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Write the corrected annotations and the list of changes.

    Example: `labelmend export corrected`
    """
    from labelmend_app.export import CHANGES_NAME, changes, n_negatives_lost
    from labelmend_app.export import export as write

    if policy not in list(Policy):
        raise InputError(f"Expected --policy {', '.join(Policy)}, got {policy!r}")
    folder = destination or workspace / "exports" / "corrected"
    with opened(workspace) as project:
        changed = changes(project, Policy(policy))
        lost, name = n_negatives_lost(project, changed), project.settings.format
        written = write(project, folder, Policy(policy))
    files = [str(path) for path in written]
    record = {
        "files": files,
        "changed_labels": len(changed),
        "changed_images": int(changed["image"].nunique()),
        "verified_negatives_not_in_annotations": lost,
    }
    text = f"{len(changed):,} labels changed. Wrote {', '.join(files)}"
    if lost:
        text += f"\n{lost:,} verified negatives are in {CHANGES_NAME} only: {name} annotations cannot hold them."
    answer(text, record, as_json)
