"""`labelmend bench`: the figures of BENCHMARKS.md, measured here; one file a benchmark."""

import typer

from labelmend_app.cli.bench import (
    coco18,
    detection,
    fiftyone,
    formats,
    heads,
    ledger,
    losses,
    papers,
    review,
    scale,
    train,
    web,
    where,
)


def add_to(app: typer.Typer) -> None:
    """Register the group of commands."""
    group = typer.Typer(help="Measure what BENCHMARKS.md says.", no_args_is_help=True)
    group.callback()(_only_a_group)
    for module in (
        coco18,
        papers,
        heads,
        losses,
        detection,
        train,
        where,
        review,
        fiftyone,
        formats,
        ledger,
        scale,
        web,
    ):
        module.add_to(group)
    app.add_typer(group, name="bench")


def _only_a_group() -> None:
    """Measure what BENCHMARKS.md says."""
