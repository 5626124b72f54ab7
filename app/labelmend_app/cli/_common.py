"""What every command shares: the workspace option, the JSON line, the progress bar."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from labelmend_core.workspace import Workspace

WorkspaceOption = Annotated[
    Path, typer.Option("--workspace", "-w", help="Folder of the cleaning project.", envvar="LABELMEND_WORKSPACE")
]
JsonOption = Annotated[bool, typer.Option("--json", help="End with one line of JSON for machines.")]

# Written out, because the registry would import pyarrow before --help can answer.
FORMAT_HELP = (
    "list, csv, csv-wide, parquet, parquet-wide, coco, coco-image, voc, yolo, open-images, nus-wide, vg500, "
    "image-folder, label-studio, cvat, hf-jsonl, hf-parquet, or auto: told by the content."
)
FormatOption = Annotated[str, typer.Option("--format", help=FORMAT_HELP)]

DEFAULT_WORKSPACE = Path(".labelmend")

out = Console(highlight=False, soft_wrap=True)


def answer(text: str, record: Mapping[str, Any], as_json: bool) -> None:
    """Say how a command ended: a sentence for people or, as the last line, a record for machines."""
    if as_json:
        typer.echo(json.dumps(record, ensure_ascii=False, default=str))
    else:
        out.print(text, markup=False)


@contextmanager
def opened(folder: Path) -> Iterator[Workspace]:
    """Open a workspace and close it again."""
    workspace = Workspace.open(folder)
    try:
        yield workspace
    finally:
        workspace.close()


@contextmanager
def progress_bar() -> Iterator["Bar"]:
    """Show a progress bar with an ETA on standard error."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %  {task.fields[eta]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield Bar(progress)


class Bar:
    """One bar that follows the phases of a run."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("starting", total=None, eta="")

    def __call__(self, phase: str, done: int, total: int, eta_seconds: float | None) -> None:
        """Show `done` of `total` steps of a phase and the seconds left."""
        eta = "" if eta_seconds is None else f"{_duration(eta_seconds)} left"
        self._progress.update(self._task, description=phase, completed=done, total=total, eta=eta)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
