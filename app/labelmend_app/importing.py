"""From an annotation file and a folder of images to a workspace."""

from pathlib import Path

from labelmend_core.errors import AnnotationError, InputError
from labelmend_core.types import AnnotatedDataset
from labelmend_core.workspace import Workspace
from labelmend_datasets.formats import FORMATS, recognise
from labelmend_datasets.images import find_missing_images, require_place

AUTO = "auto"
_NAMED = 3  # missing images that the sentence names


def import_annotations(
    folder: Path,
    source: Path,
    images: Path | str,
    *,
    format_name: str = AUTO,
    classes: Path | None = None,
    validation: Path | None = None,
) -> Workspace:
    """Read annotations, check that their images are there, and make a workspace.

    Args:
        folder: of the new workspace.
        source: annotation file or folder.
        images: what the image names are relative to: a folder, an archive or an address.
        format_name: one of `FORMATS`, or "auto".
        classes: file with one class name a line, for formats that hold indices.
        validation: annotations whose images are measured on and never trained on; of the same format where one is
            named, of any where it is "auto".

    Raises:
        InputError: anything wrong with the files; no workspace is made.
    """
    name, dataset = read_annotations(source, images, format_name=format_name, classes=classes)
    measured = None
    if validation is not None:
        # Partial labels come as a table, the complete ones that they are measured on often as a list.
        _, measured = read_annotations(validation, images, format_name=format_name, classes=classes)
    return Workspace.create(
        folder,
        dataset,
        format_name=name,
        image_folder=images,
        source=source,
        classes=classes,
        validation=measured,
    )


def read_annotations(
    source: Path, images: Path | str, *, format_name: str = AUTO, classes: Path | None = None
) -> tuple[str, AnnotatedDataset]:
    """Return the format and the content of annotations whose images are all there.

    Args:
        source: annotation file or folder.
        images: what the image names are relative to: a folder, an archive or an address.
        format_name: one of `FORMATS`, or "auto".
        classes: file with one class name a line, for formats that hold indices.

    Raises:
        InputError: anything wrong with the files.
    """
    if format_name not in (AUTO, *FORMATS):
        raise InputError(f"Expected a format among {', '.join((AUTO, *FORMATS))}, got {format_name!r}")
    require_place(images)
    if not source.exists():
        raise InputError(f"Expected annotations at {source}, found nothing; is the path right?")
    name = recognise(source) if format_name == AUTO else format_name
    return name, _read(name, source, classes, images)


def _read(name: str, source: Path, classes: Path | None, images: Path | str) -> AnnotatedDataset:
    dataset = FORMATS[name].read(source, classes=classes)
    missing = find_missing_images(dataset, images)
    if missing:
        named = ", ".join(missing[:_NAMED]) + (", …" if len(missing) > _NAMED else "")
        raise AnnotationError(
            f"Expected the {len(dataset.image_ids)} images of {source} in {images}, but {len(missing)} are missing: "
            f"{named}. Is --images what the names are relative to?"
        )
    return dataset
