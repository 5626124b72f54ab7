"""`labelmend status`: where a cleaning project stands."""

import typer

from labelmend_app.cli._common import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption, answer, opened
from labelmend_core.ledger import standing


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("status")(status)


def status(workspace: WorkspaceOption = DEFAULT_WORKSPACE, as_json: JsonOption = False) -> None:
    """Say what there is, what is suspected and what has been decided.

    Example: `labelmend status --json`
    """
    with opened(workspace) as project:
        n, k = project.dataset.given_labels.shape
        run_id = project.queue.latest_run()
        counts = None if run_id is None else project.queue.counts(run_id)
        decisions = standing(project.ledger.decisions())
        runs = project.runs.all()
        unreadable = len(project.catalog.problems())
        labels = int(project.dataset.given_labels.positives_per_class().sum())
    suggested = 0 if counts is None else int(counts["suggested"].sum())
    still_open = 0 if counts is None else int(counts["open"].sum())
    record = {
        "images": n,
        "classes": k,
        "labels": labels,
        "unreadable_images": unreadable,
        "runs": len(runs),
        "latest_run": runs[0].run_id if runs else None,
        "suggestions": suggested,
        "open_suggestions": still_open,
        "decisions": len(decisions),
        "reviewers": sorted({decision.reviewer for decision in decisions}),
    }
    lines = [
        f"{n:,} images, {k:,} classes, {labels:,} labels; {unreadable:,} images cannot be read",
        f"{len(runs)} runs" + (f", the latest {runs[0].run_id} ({runs[0].status})" if runs else ""),
        f"{suggested:,} suggestions, {still_open:,} open; {len(decisions):,} decisions",
    ]
    answer("\n".join(lines), record, as_json)
