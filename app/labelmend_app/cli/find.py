"""`labelmend find`: suspicious labels from your own predictions, without a workspace and without training."""

from pathlib import Path
from typing import Annotated

import typer

from labelmend_app.cli._common import JsonOption, answer
from labelmend_core.errors import InputError


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("find")(find)


def find(
    labels: Annotated[Path, typer.Option(help="Annotation file or folder in any format that import takes.")],
    probs: Annotated[Path, typer.Option(help="Probabilities: .npy (N, K), or CSV/Parquet with an image column.")],
    out: Annotated[Path, typer.Option(help="Where the table goes (.csv or .parquet).")] = Path("issues.csv"),
    classes: Annotated[Path | None, typer.Option(help="File with one class name a line.")] = None,
    format_name: Annotated[str, typer.Option("--format", help="list, csv, csv-wide, coco, voc, or auto.")] = "auto",
    min_probability: Annotated[float, typer.Option(min=0, max=1, help="Least probability of an error.")] = 0.5,
    as_json: JsonOption = False,
) -> None:
    """Rank the labels that look wrong by your own out-of-sample predictions.

    Example: `labelmend find --labels labels.txt --probs probs.npy --classes classes.txt`
    """
    from labelmend_app.export import spreadsheet_safe
    from labelmend_core.detection import find_label_issues
    from labelmend_core.files import replacing
    from labelmend_datasets.formats import FORMATS, recognise
    from labelmend_datasets.predictions import read_predictions

    if out.suffix not in (".csv", ".parquet"):
        raise InputError(f"Expected --out to end in .csv or .parquet, got {out}")
    name = recognise(labels) if format_name == "auto" else format_name
    if name not in FORMATS:
        raise InputError(f"Expected a format among {', '.join(FORMATS)}, got {name!r}")
    dataset = FORMATS[name].read(labels, classes=classes)
    issues = find_label_issues(
        dataset.given_labels,
        read_predictions(probs, dataset),
        class_names=dataset.class_names,
        image_ids=dataset.image_ids,
        min_probability=min_probability,
    )
    with replacing(out) as temporary:
        if out.suffix == ".csv":
            spreadsheet_safe(issues).to_csv(temporary, index=False)
        else:
            issues.to_parquet(temporary, index=False)
    counts = issues["kind"].value_counts()
    missing, spurious = int(counts.get("missing", 0)), int(counts.get("spurious", 0))
    record = {"issues": len(issues), "missing": missing, "spurious": spurious, "file": str(out)}
    answer(f"{missing:,} missing and {spurious:,} spurious labels. Wrote {out}", record, as_json)
