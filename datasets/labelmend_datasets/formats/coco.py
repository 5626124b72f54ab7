"""COCO instances JSON: images, categories, and annotations that are boxes of one category in one image.

A category is present in an image that has at least one annotation of it, crowds included. Class indices follow the
order of the categories list; the native ids may have gaps. Only boxes can be written: a class that is taken from an
image loses all its annotations there, a class that is added goes to `labelmend_additions.json` beside the output,
and a verified negative is written as no annotation.
"""

from pathlib import Path

from labelmend_core.files import replacing
from labelmend_core.types import AnnotatedDataset, LabelMatrix
from labelmend_datasets.formats._additions import additions_beside
from labelmend_datasets.formats._changes import changes_by_image, require_other_place, require_same_source, vanished
from labelmend_datasets.formats._coco_document import labels_of, parse
from labelmend_datasets.formats._format import AnnotationFormat
from labelmend_datasets.formats._json_elements import cut
from labelmend_datasets.formats._source import read_class_names


def read(source: Path, *, classes: Path | None = None) -> AnnotatedDataset:
    """Return the images of a COCO file and, 1 or 0, which categories have an annotation in each.

    Args:
        source: the JSON file.
        classes: the order of the classes, one name a line, at least those of the categories; without it theirs.

    Raises:
        AnnotationError: the JSON is malformed, a record lacks a field, an id is unknown, an image is listed twice.
    """
    instances = parse(source)
    class_names = instances.category_names if classes is None else read_class_names(classes)
    _, _, labels = labels_of(instances, class_names, source)
    return AnnotatedDataset(instances.images.image_ids, instances.images.paths, class_names, labels)


def write(source: Path, destination: Path, dataset: AnnotatedDataset, corrected: LabelMatrix) -> list[Path]:
    """Write the JSON without the annotations of classes that are gone; all else is kept byte for byte.

    Raises:
        AnnotationError: the source has changed since `dataset` was read.
        InputError: `destination` is the source, or its folder holds the additions of another output.
    """
    require_other_place(source, destination)
    instances = parse(source)
    rows, columns, given = labels_of(instances, dataset.class_names, source)
    require_same_source(source, dataset, instances.images.image_ids, given)
    changes = changes_by_image(given, corrected)
    removed = vanished(given, corrected, rows, columns).tolist()
    with (
        additions_beside(destination, dataset, changes) as additions,
        replacing(destination) as temporary,
        temporary.open("wb") as output,
        source.open("rb") as file,
    ):
        output.writelines(cut(file, instances.spans, removed))
    return [destination, *additions]


COCO = AnnotationFormat(
    name="coco",
    title="COCO instances (JSON)",
    description="Images, categories and boxed annotations; a category is present where it has an annotation.",
    read=read,
    write=write,
    suffix=".json",
    boxes=True,
)
