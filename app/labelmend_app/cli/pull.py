"""`labelmend pull`: what was decided in Label Studio on our tasks, into the ledger."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from labelmend_app.cli._common import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption, answer, opened
from labelmend_core.errors import InputError

_SHOWN = 20  # conflicts, one a line


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("pull")(pull)


def pull(
    export: Annotated[Path, typer.Argument(help="What Label Studio exports as JSON (not JSON-MIN).")],
    reviewer: Annotated[
        list[str] | None,
        typer.Option(help="Who a user of Label Studio is, by number or e-mail: --reviewer 1=Anna; repeatable."),
    ] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Bring what was decided in Label Studio on tasks of `export --review-tasks` into the ledger, each decision once.

    What the ledger says otherwise is listed and stays. For FiftyOne there is `labelmend fiftyone pull`.

    Example: `labelmend pull project-1.json --reviewer 1=Anna`
    """
    from labelmend_app.elsewhere.label_studio import bring

    with opened(workspace) as project:
        brought = bring(project, export, reviewers=_named(reviewer or ()))
    lines = [
        f"{brought.annotated:,} of {brought.tasks:,} tasks are submitted, with {brought.sent:,} decisions; "
        f"{brought.kept:,} of them are in the ledger, {brought.added:,} new."
    ]
    if brought.conflicts:
        lines.append(f"{len(brought.conflicts):,} differ from the ledger and were not taken:")
        lines += [
            f"  {one.image}, {one.class_name}: {one.in_label_studio} by {one.reviewer} there, {one.in_ledger} by "
            f"{one.decided_by} here"
            for one in brought.conflicts[:_SHOWN]
        ]
    lines += [f"Not understood: {what}" for what in brought.unclear[:_SHOWN]]
    answer("\n".join([*lines, "Next: labelmend retrain"]), asdict(brought), as_json)


def _named(options: Sequence[str]) -> dict[str, str]:
    """Return names by what Label Studio calls the users."""
    found = {}
    for option in options:
        user, equals, name = option.partition("=")
        if not (user.strip() and equals and name.strip()):
            raise InputError(f"Expected --reviewer to say who a user is, as 1=Anna does, got {option[:80]!r}.")
        found[user.strip()] = name.strip()
    return found
