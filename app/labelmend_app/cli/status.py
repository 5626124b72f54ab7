"""`labelmend status`: where a cleaning project stands."""

import typer

from labelmend_app.cli._common import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption, answer, opened
from labelmend_core.ledger import standing
from labelmend_core.types import Verdict

LIKELY = (90, 75, 50)  # percent
NEXT = (100, 500, 2000)


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("status")(status)


def status(workspace: WorkspaceOption = DEFAULT_WORKSPACE, as_json: JsonOption = False) -> None:
    """Say what there is, what is suspected, what has been decided and how many errors remain.

    Example: `labelmend status --json`
    """
    from labelmend_app.remaining import outlook_sentences, remaining_record, remaining_sentences
    from labelmend_core.detection import outlook, remaining_errors

    with opened(workspace) as project:
        n, k = project.dataset.given_labels.shape
        run_id = project.queue.latest_run()
        seen = None if run_id is None else outlook(project, run_id)
        said = standing(project.ledger.decisions())
        runs = project.runs.all()
        left = {} if run_id is None else remaining_errors(project, run_id)
        class_names = project.dataset.class_names
        unreadable = len(project.catalog.problems())
        labels = int(project.dataset.given_labels.positives_per_class().sum())
    n_decisions = sum(decision.verdict is not Verdict.SKIP for decision in said)
    suggested = 0 if seen is None else len(seen.open)
    still_open = 0 if seen is None else int(seen.open.sum())
    likely = {} if seen is None else {percent: seen.at_least(percent / 100) for percent in LIKELY}
    following = {} if seen is None else {n: seen.expected_of_next(n) for n in NEXT}
    record = {
        "images": n,
        "classes": k,
        "labels": labels,
        "unreadable_images": unreadable,
        "runs": len(runs),
        "newest_run": runs[0].run_id if runs else None,
        "latest_run": run_id,  # whose suggestions are counted, as on the screens
        "suggestions": suggested,
        "open_suggestions": still_open,
        "likely": {f"{percent}": n for percent, n in likely.items()},
        "errors_among_next": {f"{n}": round(errors, 1) for n, errors in following.items()},
        "decisions": n_decisions,
        "reviewers": sorted({decision.reviewer for decision in said}),
        "remaining": remaining_record(left, class_names),
    }
    lines = [
        f"{n:,} images, {k:,} classes, {labels:,} labels; {unreadable:,} images cannot be read",
        f"{len(runs)} run{'s' if len(runs) != 1 else ''}"
        + (f", the newest {runs[0].run_id} ({runs[0].status})" if runs else ""),
        f"{suggested:,} suggestions, {still_open:,} open; {n_decisions:,} decisions",
        *outlook_sentences(still_open, likely, following),
        *remaining_sentences(left),
        *_next_step(len(runs), run_id, still_open),
    ]
    answer("\n".join(lines), record, as_json)


def _next_step(n_runs: int, suggested: str | None, still_open: int) -> list[str]:
    """Say what a beginner has not done yet; who has suggestions left knows it."""
    if not n_runs:
        return ["Next: labelmend train"]
    if suggested is None:
        return ["Next: labelmend suggest"]
    return [] if still_open else ["Next: labelmend retrain, or labelmend export"]
