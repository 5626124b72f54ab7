"""One small dataset, written in every format as strangers write it: odd spacing, quotes, line endings, extra fields."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from labelmend_core.types import AnnotatedDataset, LabelMatrix
from labelmend_datasets.formats import FORMATS, AnnotationFormat

IMAGES = ("b.jpg", "sub/a.jpg", "ü c.jpg")
CLASSES = ("cat", "dog", "person")
LABELS = ((1, 0, 1), (0, 0, 0), (0, 1, 1))


@dataclass(frozen=True)
class Sample:
    """A source in one format and what it says."""

    format: AnnotationFormat
    source: Path
    classes: Path
    image_ids: tuple[str, ...] = IMAGES
    class_names: tuple[str, ...] = CLASSES
    labels: tuple[tuple[int, ...], ...] = LABELS

    def read(self) -> AnnotatedDataset:
        return self.format.read(self.source, classes=self.classes)

    def correct(self) -> LabelMatrix:
        """Take cat from b.jpg, give dog to sub/a.jpg, and say that there is no cat in ü c.jpg."""
        return self.read().given_labels.replace([0, 1, 2], [0, 1, 0], [-1, 1, -1])

    def write(self, destination: Path, corrected: LabelMatrix) -> list[Path]:
        return self.format.write(self.source, destination, self.read(), corrected)

    def destination(self) -> Path:
        return self.source.parent / "out" / f"corrected{self.format.suffix}"

    @staticmethod
    def contents(path: Path) -> dict[str, bytes]:
        """The bytes of a file, or of every XML file of a folder, by name."""
        return {file.name: file.read_bytes() for file in (sorted(path.glob("*.xml")) if path.is_dir() else [path])}


def _list(folder: Path) -> Path:
    path = folder / "train.txt"
    path.write_bytes("b.jpg, 0 2\nsub/a.jpg,\r\n\nü c.jpg,2 1".encode())
    return path


def _csv(folder: Path) -> Path:
    path = folder / "labels.csv"
    text = '\ufeffimage, label ,value,by\r\nb.jpg,"cat",1,"x, y"\r\nsub/a.jpg,,,\r\n\r\nb.jpg,person,1.0,\r\n'
    path.write_bytes((text + '"ü c.jpg",dog,1,z\nü c.jpg,cat,0,\nü c.jpg, person,1,').encode())
    return path


def _csv_wide(folder: Path) -> Path:
    path = folder / "wide.csv"
    path.write_bytes('image,person,"dog",cat\nb.jpg,1.0,0.0,1.0\r\nsub/a.jpg,, ,0\n"ü c.jpg","1","1",\n'.encode())
    return path


def _coco(folder: Path) -> Path:
    images = [
        {"id": 9, "file_name": "b.jpg", "width": 640, "license": 3},
        {"id": 4, "file_name": "sub/a.jpg", "coco_url": "http://x/a"},
        {"id": 5, "file_name": "ü c.jpg"},
    ]
    categories = [
        {"id": 17, "name": "cat", "supercategory": "animal"},
        {"id": 1, "name": "person"},
        {"id": 18, "name": "dog"},
    ]
    box = {"bbox": [1.50, 2, 3, 4.0], "area": 12.0}
    annotations = [
        {"id": 1, "image_id": 9, "category_id": 17, "iscrowd": 0, **box, "score": 1e-5},
        {"id": 2, "image_id": 9, "category_id": 1, "iscrowd": 1, "segmentation": {"counts": [1, 2], "size": [3, 4]}},
        {"id": 3, "image_id": 9, "category_id": 17, **box, "mine": {"a": None}},
        {"id": 4, "image_id": 5, "category_id": 18, **box},
        {"id": 5, "image_id": 5, "category_id": 1, **box},
    ]
    document = {"info": {"year": 2014, "nested": [[]]}, "annotations": annotations, "images": images}
    path = folder / "instances.json"
    path.write_text(json.dumps({**document, "categories": categories, "licenses": []}, indent=1), encoding="utf-8")
    return path


def _voc(folder: Path) -> Path:
    path = folder / "Annotations"
    path.mkdir()
    objects = {
        "1": ("b.jpg", [("cat", 1), ("person", 0), ("cat", 0)]),
        "2": ("sub/a.jpg", []),
        "3": ("ü c.jpg", [("dog", 0), ("person", 0)]),
    }
    for stem, (filename, names) in objects.items():
        boxes = "".join(
            f"\t<object>\n\t\t<name>{name}</name>\n\t\t<difficult>{difficult}</difficult>\n"
            "\t\t<part>\n\t\t\t<name>head</name>\n\t\t</part>\n\t\t<bndbox><xmin>1</xmin></bndbox>\n\t</object>\n"
            for name, difficult in names
        )
        head = (
            f"<?xml version='1.0'?>\n<!-- by hand -->\n<annotation verified='no'>\n\t<filename>{filename}</filename>\n"
        )
        text = f"{head}\t<source><name>flickr</name></source>\n{boxes}\t<segmented>0</segmented>\n</annotation>\n"
        (path / f"{stem}.xml").write_text(text, encoding="utf-8")
    (path / "notes.txt").write_text("not ours")
    return path


SOURCES: dict[str, Callable[[Path], Path]] = {
    "list": _list,
    "csv": _csv,
    "csv-wide": _csv_wide,
    "coco": _coco,
    "voc": _voc,
}


@pytest.fixture
def make_sample(tmp_path: Path) -> Callable[[str], Sample]:
    """Write the dataset in a format that the test names."""

    def make(name: str) -> Sample:
        classes = tmp_path / "classes.txt"
        classes.write_text("cat\ndog\nperson")
        return Sample(FORMATS[name], SOURCES[name](tmp_path), classes)

    return make


@pytest.fixture(params=FORMATS)
def sample(request: pytest.FixtureRequest, make_sample: Callable[[str], Sample]) -> Sample:
    """The dataset in each format in turn."""
    return make_sample(request.param)
