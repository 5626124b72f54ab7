"""`labelmend import`: make a workspace from annotations and images."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labelmend_app.cli._common import DEFAULT_WORKSPACE, FORMAT_HELP, JsonOption, WorkspaceOption, answer
from labelmend_core.errors import InputError

if TYPE_CHECKING:
    from labelmend_core.workspace import Workspace


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("import")(import_)


def import_(
    source: Annotated[Path, typer.Argument(help="Annotation file or folder, or name in FiftyOne.")],
    images: Annotated[
        str,
        typer.Option(help="What the image names are relative to: a folder, .zip or .tar, s3://…, gs://… or https://…"),
    ] = "",
    format_name: Annotated[str, typer.Option("--format", help=f"{FORMAT_HELP} Or fiftyone.")] = "auto",
    classes: Annotated[Path | None, typer.Option(help="File with one class name a line.")] = None,
    validation: Annotated[Path | None, typer.Option(help="Annotations to measure on; never trained on.")] = None,
    field: Annotated[str, typer.Option(help="FiftyOne: field of the labels.")] = "ground_truth",
    predictions: Annotated[str, typer.Option(help="FiftyOne: field of your own predictions, if any.")] = "",
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Read annotations and make a workspace; your files are only read.

    Example: `labelmend import labels.txt --images photos --classes classes.txt`
    """
    from labelmend_core.metrics import how_to_read_unobserved

    if format_name == "fiftyone":
        if images or classes or validation:
            raise InputError("Expected only --field and --predictions beside the name of a dataset in FiftyOne.")
        made = _from_fiftyone(workspace, str(source), field, predictions)
    else:
        made = _from_files(workspace, source, images, format_name, classes, validation)
    dataset = made.dataset
    n, k = dataset.given_labels.shape
    positives = dataset.given_labels.positives_per_class()
    negatives = int(dataset.given_labels.negatives_per_class().sum())
    known = dataset.given_labels.n_observed / (n * k)
    bare = [name for name, count in zip(dataset.class_names, positives, strict=True) if count == 0]
    record = {
        "workspace": str(workspace),
        "format": made.settings.format,
        "images": n,
        "classes": k,
        "labels": int(positives.sum()),
        "verified_negatives": negatives,
        "known": known,
        "unobserved": how_to_read_unobserved(dataset.given_labels),
        "validation_images": 0 if made.validation is None else len(made.validation.image_ids),
        "classes_without_a_label": bare,
    }
    text = f"{workspace}: {n:,} images, {k:,} classes, {positives.sum():,} labels ({made.settings.format})."
    if record["unobserved"] == "left_out":
        text += (
            f"\nPartial labels: {known:.1%} of the cells are known, {negatives:,} of them verified absent; "
            "the others count as unknown wherever something is measured."
        )
    if bare:
        text += f"\n{len(bare)} classes have no label, so nothing can be learned of them: {', '.join(bare[:5])}"
    step = "review" if made.queue.latest_run() else "train"
    answer(f"{text}\nNext: labelmend {step}", record, as_json)
    made.close()


def _from_fiftyone(workspace: Path, name: str, field: str, predictions: str) -> "Workspace":
    from labelmend_app.fiftyone_bridge.reading import Names, import_dataset

    return import_dataset(workspace, Names(name, field, predictions))


def _from_files(
    workspace: Path, source: Path, images: str, format_name: str, classes: Path | None, validation: Path | None
) -> "Workspace":
    from labelmend_app.importing import import_annotations

    if not images:
        raise InputError("Expected where the images are; name a folder, an archive or an address with --images.")
    return import_annotations(
        workspace, source, images, format_name=format_name, classes=classes, validation=validation
    )
