"""`labelmend noise`: plant known errors in an annotation file, for experiments."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from labelmend_app.cli._common import JsonOption, answer
from labelmend_core.errors import InputError


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("noise")(noise)


def noise(
    source: Annotated[Path, typer.Argument(help="Annotation file or folder.")],
    destination: Annotated[Path, typer.Argument(help="Where the noised annotations go.")],
    kind: Annotated[str, typer.Option(help="drop, single, partial or spurious.")] = "drop",
    amount: Annotated[
        float | None, typer.Option(help="Share kept (drop), known (partial), of images (spurious).")
    ] = None,
    format_name: Annotated[str, typer.Option("--format", help="list, csv, csv-wide, coco, voc, or auto.")] = "auto",
    classes: Annotated[Path | None, typer.Option(help="File with one class name a line.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed plants the same errors.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Write a copy of annotations with errors planted, in the same format.

    Example: `labelmend noise labels.txt noisy.txt --kind drop --amount 0.4`
    """
    from labelmend_datasets.formats import FORMATS, recognise
    from labelmend_datasets.noise import NOISES

    if kind not in NOISES:
        raise InputError(f"Expected --kind {', '.join(NOISES)}, got {kind!r}")
    if destination.exists():
        raise InputError(f"Expected nothing at {destination}, but it is there; choose another name")
    name = recognise(source) if format_name == "auto" else format_name
    if name not in FORMATS:
        raise InputError(f"Expected a format among {', '.join(FORMATS)}, got {name!r}")
    dataset = FORMATS[name].read(source, classes=classes)
    noised = NOISES[kind].apply(dataset.given_labels, np.random.default_rng(seed), amount)
    written = FORMATS[name].write(source, destination, dataset, noised.labels)
    changed = len(dataset.given_labels.changed_cells(noised.labels)[0])
    record = {"files": [str(path) for path in written], "changed_cells": changed, "kind": kind, "seed": seed}
    answer(f"{changed:,} cells changed. Wrote {', '.join(map(str, written))}", record, as_json)
