"""`labelmend find`: suspicious labels from your own predictions, without a workspace and without training."""

from pathlib import Path
from typing import Annotated

import typer

from labelmend_app.cli._common import FormatOption, JsonOption, answer, progress_bar
from labelmend_app.cli._timed import Timed


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("find")(find)


def find(
    labels: Annotated[
        Path, typer.Option(help="Labels: any format that import takes, .parquet, or .npy or .npz (sparse), (N, K).")
    ],
    probs: Annotated[
        Path,
        typer.Option(
            help="Probabilities: .npy or .npz (sparse), (N, K), .csv or .parquet with image names, or a folder of "
            "'labelmend score'."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Where the table goes: .csv, .parquet, .json or .jsonl.")] = Path(
        "issues.csv"
    ),
    embeddings: Annotated[Path | None, typer.Option(help="Embeddings of the images: .npy (N, features).")] = None,
    dynamics: Annotated[Path | None, typer.Option(help="Folder dynamics/ of a run: mean.npy and the others.")] = None,
    classes: Annotated[Path | None, typer.Option(help="File with one class name a line.")] = None,
    format_name: FormatOption = "auto",
    min_probability: Annotated[float, typer.Option(min=0, max=1, help="Least probability of an error.")] = 0.5,
    top: Annotated[int | None, typer.Option(min=1, help="At most so many labels of each class and kind.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Rank the labels that look wrong by your own out-of-sample predictions.

    Images and classes are matched by name where both files carry names, by order otherwise.

    Example: `labelmend find --labels labels.txt --probs probs.npy --classes classes.txt`
    """
    from labelmend_app.issue_files import require_suffix, write_issues
    from labelmend_core.detection import find_label_issues
    from labelmend_datasets.arrays import read_dynamics, read_npy
    from labelmend_datasets.labels import read_labels
    from labelmend_datasets.predictions import read_predictions

    require_suffix(out)
    with progress_bar() as bar:
        show = Timed(bar)
        given = read_labels(labels, classes=classes, format_name=format_name, show=show)
        found = read_predictions(probs, given, show=show)
        issues = find_label_issues(
            given.labels,
            found.pred_probs,
            class_names=found.class_names,
            image_ids=found.image_ids,
            embeddings=None if embeddings is None else read_npy(embeddings, "embeddings"),
            dynamics=None if dynamics is None else read_dynamics(dynamics),
            min_probability=min_probability,
            top=top,
            progress=lambda done, total: show("comparing", done, total),
        )
        write_issues(out, issues)
    counts = issues["kind"].value_counts()
    missing, spurious = int(counts.get("missing", 0)), int(counts.get("spurious", 0))
    record = {"issues": len(issues), "missing": missing, "spurious": spurious, "file": str(out)}
    answer(f"{missing:,} missing and {spurious:,} spurious labels. Wrote {out}", record, as_json)
