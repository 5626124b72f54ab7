"""`labelmend retrain`: train again on what was decided, and suggest anew."""

import os
from typing import Annotated, Any

import typer

from labelmend_app.cli._common import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption, answer, opened, progress_bar
from labelmend_app.cli.suggest import newest_run
from labelmend_core.errors import InputError


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("retrain")(retrain)


def retrain(
    run: Annotated[
        str | None, typer.Option(help="Run whose settings to take; by default the one under review.")
    ] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Train a probe on the corrected labels with the settings of the run before, and suggest: seconds.

    Example: `labelmend retrain`
    """
    from labelmend_app.effect import effect_record, effect_sentences
    from labelmend_app.retraining import retrain as again

    if (n := int(os.environ.get("WORLD_SIZE", "1"))) > 1:
        raise InputError(
            f"Expected one process, for a probe trains in seconds, got WORLD_SIZE={n}; "
            "call 'labelmend retrain' without accelerate launch."
        )
    with opened(workspace) as project, progress_bar() as bar:
        run_id = run or project.queue.latest_run() or newest_run(project)
        record, effect = again(project, run_id, show=bar)
        class_names = tuple(project.dataset.class_names)
    found: dict[str, Any] = {"run": record.run_id, "after": run_id, "status": record.status.value}
    if effect is None:
        text = f"{record.run_id} was stopped. Go on with: labelmend train --resume {record.run_id}"
        answer(text, found | {"suggestions": 0}, as_json)
        return
    lines = [f"Run {record.run_id}, after {run_id}.", *effect_sentences(effect, class_names), "Next: labelmend review"]
    found |= {"suggestions": effect.suggestions, "effect": effect_record(effect, class_names)}
    answer("\n".join(lines), found, as_json)
