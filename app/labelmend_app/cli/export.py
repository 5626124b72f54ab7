"""`labelmend export`: the corrected annotations in the format that they came in, or as a table."""

from pathlib import Path
from typing import Annotated

import typer

from labelmend_app.cli._common import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption, answer, opened
from labelmend_core.errors import InputError
from labelmend_core.files import lies_in
from labelmend_core.ledger import Policy


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("export")(export)


def export(
    destination: Annotated[Path | None, typer.Argument(help="Folder; WORKSPACE/exports/corrected by default.")] = None,
    policy: Annotated[str, typer.Option(help="latest, majority or unanimous.")] = "latest",
    format_name: Annotated[
        str | None, typer.Option("--format", help="csv or csv-wide: a new table; by default the format that came in.")
    ] = None,
    review_tasks: Annotated[
        int | None,
        typer.Option(min=1, help="Also write so many open suggestions as tasks for Label Studio, likeliest first."),
    ] = None,
    training_folder: Annotated[
        Path | None,
        typer.Option(help="Also make this folder to train on elsewhere: links to the images, metadata.csv, 1, 0, -1."),
    ] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Write the corrected annotations and the list of changes.

    Example: `labelmend export corrected`
    """
    from labelmend_app.elsewhere.review_tasks import open_by_image, write_review_tasks
    from labelmend_app.export import CHANGES_NAME, changes, n_negatives_lost
    from labelmend_app.export import export as write
    from labelmend_datasets.training_folder import write_training_folder

    if policy not in list(Policy):
        raise InputError(f"Expected --policy {', '.join(Policy)}, got {policy!r}")
    folder = destination or workspace / "exports" / "corrected"
    with opened(workspace) as project:
        # All that may be refused, before anything is written.
        if training_folder is not None:
            _require_beside(training_folder, folder)
        if review_tasks:
            open_by_image(project, review_tasks)
        changed = changes(project, Policy(policy))
        name = format_name or project.settings.format
        lost = n_negatives_lost(project, changed, name)
        written = write(project, folder, Policy(policy), name)
        by_class = None if training_folder is None else write_training_folder(project, training_folder, Policy(policy))
        tasks, n_tasks = write_review_tasks(project, folder, review_tasks) if review_tasks else ([], 0)
    files = [str(path) for path in (*written, *tasks)]
    record = {
        "files": files,
        "format": name,
        "changed_labels": len(changed),
        "changed_images": int(changed["image"].nunique()),
        "verified_negatives_not_in_annotations": lost,
        "review_tasks": n_tasks,
        "training_folder": None if training_folder is None else str(training_folder),
    }
    text = f"{len(changed):,} labels changed. Wrote {', '.join(files)}"
    if lost:
        text += f"\n{lost:,} verified negatives are in {CHANGES_NAME} only: {name} annotations cannot hold them."
    if n_tasks:
        text += f"\n{n_tasks:,} images are tasks for Label Studio; labelmend pull brings its export back."
    if by_class is not None:
        layout = "a folder a class, and" if by_class else "images, and"
        text += f"\nTo train on elsewhere: {training_folder} holds {layout} metadata.csv with 1, 0 and -1."
    answer(text, record, as_json)


def _require_beside(training_folder: Path, exported: Path) -> None:
    from labelmend_datasets.folders import require_new

    require_new(training_folder)
    if lies_in(exported, training_folder):  # it would hold something once the annotations are written
        raise InputError(f"Expected --training-folder beside or in {exported}, got {training_folder}; name another.")
