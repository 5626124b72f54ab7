"""`labelmend noise`: plant known errors in an annotation file, for experiments."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from labelmend_app.cli._common import FormatOption, JsonOption, answer
from labelmend_core.errors import InputError

if TYPE_CHECKING:
    from labelmend_core.types import AnnotatedDataset, LabelMatrix


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
    format_name: FormatOption = "auto",
    to: Annotated[
        str | None, typer.Option(help="csv or csv-wide: write a new table instead of the source's format.")
    ] = None,
    classes: Annotated[Path | None, typer.Option(help="File with one class name a line.")] = None,
    unobserved: Annotated[
        str, typer.Option(help="What a 0 is: absent, left_out (unknown), or auto: unknown if there is a -1.")
    ] = "auto",
    seed: Annotated[int, typer.Option(help="The same seed plants the same errors.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Write a copy of annotations with errors planted, in the same format or as a table that holds -1.

    Example: `labelmend noise labels.txt partial.csv --to csv-wide --classes classes.txt --kind partial --amount 0.3`
    """
    from labelmend_datasets.formats import FORMATS, recognise
    from labelmend_datasets.noise import NOISES

    if kind not in NOISES:
        raise InputError(f"Expected --kind {', '.join(NOISES)}, got {kind!r}")
    tables = [one.name for one in FORMATS.values() if one.create is not None]
    if to is not None and to not in tables:
        raise InputError(f"Expected --to {' or '.join(tables)}, got {to!r}")
    if destination.exists():
        raise InputError(f"Expected nothing at {destination}, but it is there; choose another name")
    name = recognise(source) if format_name == "auto" else format_name
    if name not in FORMATS:
        raise InputError(f"Expected a format among {', '.join(FORMATS)}, got {name!r}")
    dataset = FORMATS[name].read(source, classes=classes)
    noised = NOISES[kind].apply(dataset.given_labels, np.random.default_rng(seed), amount, unobserved=unobserved).labels
    written = _write(source, destination, dataset, noised, name, to)
    changed = len(dataset.given_labels.changed_cells(noised)[0])
    negatives = int(noised.negatives_per_class().sum())
    known = noised.n_observed / (noised.shape[0] * noised.shape[1])
    record = {
        "files": [str(path) for path in written],
        "format": to or name,
        "changed_cells": changed,
        "labels": int(noised.positives_per_class().sum()),
        "verified_negatives": negatives,
        "known": known,
        "kind": kind,
        "seed": seed,
    }
    text = f"{changed:,} cells changed. Wrote {', '.join(map(str, written))}"
    if negatives:
        text += f"\n{known:.1%} of all cells are known: {record['labels']:,} present, {negatives:,} verified absent."
    answer(text, record, as_json)


def _write(
    source: Path, destination: Path, dataset: "AnnotatedDataset", noised: "LabelMatrix", name: str, to: str | None
) -> list[Path]:
    """Write noised labels in the source's format or as a new table, never where verified negatives would be lost."""
    from labelmend_datasets.formats import FORMATS

    create = None if to is None else FORMATS[to].create
    if create is not None:
        create(destination, replace(dataset, given_labels=noised))
        return [destination]
    negatives = int(noised.negatives_per_class().sum())
    if negatives and not FORMATS[name].holds_absent(source):
        what = "csv without a value column" if name == "csv" else name
        raise InputError(
            f"Expected a format that can hold the {negatives:,} verified negatives (-1), got {what}, in which they "
            "could not be told from unknown cells; add --to csv-wide."
        )
    return FORMATS[name].write(source, destination, dataset, noised)
