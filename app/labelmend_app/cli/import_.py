"""`labelmend import`: make a workspace from annotations and images."""

from pathlib import Path
from typing import Annotated

import typer

from labelmend_app.cli._common import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption, answer


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("import")(import_)


def import_(
    source: Annotated[Path, typer.Argument(help="Annotation file, or folder for Pascal VOC.")],
    images: Annotated[Path, typer.Option(help="Folder that the image names are relative to.")],
    format_name: Annotated[str, typer.Option("--format", help="list, csv, csv-wide, coco, voc, or auto.")] = "auto",
    classes: Annotated[Path | None, typer.Option(help="File with one class name a line.")] = None,
    validation: Annotated[Path | None, typer.Option(help="Annotations to measure on; never trained on.")] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Read annotations and make a workspace; your files are only read.

    Example: `labelmend import labels.txt --images photos --classes classes.txt`
    """
    from labelmend_app.importing import import_annotations
    from labelmend_core.metrics import how_to_read_unobserved

    made = import_annotations(
        workspace, source, images, format_name=format_name, classes=classes, validation=validation
    )
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
    answer(f"{text}\nNext: labelmend train", record, as_json)
    made.close()
