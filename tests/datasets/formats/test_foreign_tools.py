"""FiftyOne's own exporters are read by us, and what we write is read by FiftyOne; without its database."""

import warnings
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest
from PIL import Image

from labelmend_datasets.formats import FORMATS, recognise

PRESENT = {"a.jpg": ["cat"], "b.jpg": ["cat", "dog"]}


class FiftyOne(NamedTuple):
    """The modules of FiftyOne that write and read files."""

    labels: ModuleType
    metadata: ModuleType
    coco: ModuleType
    cvat: ModuleType
    yolo: ModuleType


@pytest.fixture(scope="module")
def fiftyone():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import fiftyone
        import fiftyone.core.metadata
        import fiftyone.utils.coco
        import fiftyone.utils.cvat
        import fiftyone.utils.yolo
    utils = fiftyone.utils
    return FiftyOne(fiftyone, fiftyone.core.metadata, utils.coco, utils.cvat, utils.yolo)


@pytest.fixture(scope="module")
def exported(fiftyone, tmp_path_factory):
    """What FiftyOne exports of two images with boxes: a folder in each format."""
    folder = tmp_path_factory.mktemp("fiftyone")
    classes = ["cat", "dog"]
    exporters = [
        fiftyone.yolo.YOLOv5DatasetExporter(export_dir=str(folder / "yolo"), classes=classes, split="train"),
        fiftyone.coco.COCODetectionDatasetExporter(export_dir=str(folder / "coco"), classes=classes),
        fiftyone.cvat.CVATImageDatasetExporter(export_dir=str(folder / "cvat")),
    ]
    for exporter in exporters:
        with warnings.catch_warnings(), exporter:
            warnings.simplefilter("ignore")
            for name, labels in PRESENT.items():
                export_sample(fiftyone, exporter, folder / name, labels)
    return folder


def export_sample(fiftyone: FiftyOne, exporter: object, image: Path, labels: list[str]) -> None:
    Image.new("RGB", (8, 6)).save(image)
    boxes = [fiftyone.labels.Detection(label=label, bounding_box=[0.25, 0.25, 0.5, 0.5]) for label in labels]
    detections = fiftyone.labels.Detections(detections=boxes)
    metadata = fiftyone.metadata.ImageMetadata(width=8, height=6, num_channels=3)
    is_cvat = isinstance(exporter, fiftyone.cvat.CVATImageDatasetExporter)
    exporter.export_sample(str(image), {"boxes": detections} if is_cvat else detections, metadata=metadata)


@pytest.mark.parametrize(
    ("name", "place"), [("yolo", "yolo"), ("coco", "coco/labels.json"), ("cvat", "cvat/labels.xml")]
)
def test_what_fiftyone_exports_is_recognised_read_and_read_by_it_again(fiftyone, exported, tmp_path, name, place):
    source = exported / place

    assert recognise(source) == name
    dataset = FORMATS[name].read(source)
    order = sorted(range(2), key=lambda image: dataset.paths[image])
    said = [[dataset.class_names[k] for k in dataset.given_labels.positives(image)] for image in order]
    assert said == list(PRESENT.values())

    cell = dataset.paths.index(next(path for path in dataset.paths if path.endswith("b.jpg")))
    corrected = dataset.given_labels.replace([cell], [dataset.class_names.index("cat")], [-1])
    written = FORMATS[name].write(source, tmp_path / "corrected", dataset, corrected)[0]

    assert read_by_fiftyone(fiftyone, name, written) == {"a": ["cat"], "b": ["dog"]}


def read_by_fiftyone(fiftyone: FiftyOne, name: str, written: Path) -> dict[str, list[str]]:
    """The labels of each image, by its name without suffix."""
    if name == "yolo":
        load = fiftyone.yolo.load_yolo_annotations
        return {p.stem: [one.label for one in load(str(p), ["cat", "dog"]).detections] for p in written.rglob("*.txt")}
    if name == "coco":
        _, classes, _, images, annotations = fiftyone.coco.load_coco_detection_annotations(str(written))
        return {
            Path(image["file_name"]).stem: [classes[one.category_id] for one in annotations[id_]]
            for id_, image in images.items()
        }
    _, _, images = fiftyone.cvat.load_cvat_image_annotations(str(written))
    return {Path(image.name).stem: [box.label for box in image.boxes] for image in images}
