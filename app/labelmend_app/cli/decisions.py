"""`labelmend decisions`: who decided what, when and on which evidence."""

from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

from labelmend_app.cli._common import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption, answer, opened
from labelmend_core.errors import InputError
from labelmend_core.types import Verdict

_SHOWN = 20
_NONE = "No decisions: answer suggestions with `labelmend review`, or ask for fewer filters."


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("decisions")(decisions)


def decisions(
    csv: Annotated[Path | None, typer.Option("--csv", help="Write all of them into this file.")] = None,
    class_name: Annotated[str | None, typer.Option("--class", help="Of this class only.")] = None,
    reviewer: Annotated[str, typer.Option(help="By this reviewer only.")] = "",
    verdict: Annotated[str, typer.Option(help="present, absent, unsure, skip or undo.")] = "",
    run: Annotated[str, typer.Option(help="On suggestions of this run only.")] = "",
    name: Annotated[str, typer.Option(help="Part of the image's name.")] = "",
    since: Annotated[str, typer.Option(help="First day, as 2026-03-01, in UTC.")] = "",
    until: Annotated[str, typer.Option(help="Last day, in UTC.")] = "",
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """List every decision and undo, newest first: who, what, when, on which evidence, and whether it stands.

    Example: `labelmend decisions --reviewer ann --csv decisions.csv`
    """
    from labelmend_app.decision_list import csv_blocks
    from labelmend_core.files import explained, replacing
    from labelmend_core.ledger.trail import Wanted

    if verdict and verdict not in list(Verdict):
        raise InputError(f"Expected --verdict to be one of {', '.join(Verdict)}, got {verdict!r}.")
    with opened(workspace) as project:
        names = list(project.dataset.class_names)
        if class_name is not None and class_name not in names:
            raise InputError(f"Expected --class to name a class of this workspace, got {class_name[:80]!r}.")
        wanted = Wanted(
            class_index=None if class_name is None else names.index(class_name),
            reviewer=reviewer,
            verdict=Verdict(verdict) if verdict else None,
            run_id=run,
            name=name,
            since=_day("--since", since),
            until=_day("--until", until),
        )
        n = project.trail.count(wanted)
        record: dict[str, object] = {"events": n}
        if csv is None:
            newest = project.trail.page(wanted, limit=_SHOWN).drop(columns=["decision_id", "image_index"])
            record["newest"] = newest.astype(object).where(newest.notna(), None).to_dict("records")
            lines = [
                f"{row.decided_at:%Y-%m-%d %H:%M} {row.reviewer}: {row.image}, {row.of_class}: {row.verdict}"
                f"{' (undone)' if row.state == 'undone' else ''}"
                for row in newest.rename(columns={"class": "of_class"}).itertuples(index=False)
            ]
            text = "\n".join([f"{n:,} decisions and undos, the newest first:", *lines] if n else [_NONE])
        else:
            with explained(csv), replacing(csv) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
                file.writelines(csv_blocks(project, wanted))
            record["file"] = str(csv)
            text = f"Wrote {n:,} decisions and undos to {csv}"
    answer(text, record, as_json)


def _day(option: str, text: str) -> date | None:
    try:
        return datetime.strptime(text, "%Y-%m-%d").date() if text else None
    except ValueError:
        raise InputError(f"Expected {option} to be a day such as 2026-03-01, got {text[:40]!r}.") from None
