"""One small dataset, written in every format as strangers write it: odd spacing, quotes, line endings, extra fields."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelmend_core.types import AnnotatedDataset, LabelMatrix
from labelmend_datasets.formats import FORMATS, AnnotationFormat

IMAGES = ("b.jpg", "sub/a.jpg", "ü c.jpg")
CLASSES = ("cat", "dog", "person")
LABELS = ((1, 0, 1), (0, 0, 0), (0, 1, 1))


@dataclass(frozen=True)
class Sample:
    """A source in one format and what it says.

    `own_names` are the classes in the order in which they are without the class file.
    """

    format: AnnotationFormat
    source: Path
    classes: Path
    image_ids: tuple[str, ...] = IMAGES
    class_names: tuple[str, ...] = CLASSES
    labels: tuple[tuple[int, ...], ...] = LABELS
    own_names: tuple[str, ...] = CLASSES

    def read(self) -> AnnotatedDataset:
        return self.format.read(self.source, classes=self.classes)

    def read_again(self, written: list[Path]) -> AnnotatedDataset:
        """Read what was written, in the format that it was written in."""
        return FORMATS[self.format.written_as or self.format.name].read(self.placed(written[0]), classes=self.classes)

    def placed(self, written: Path) -> Path:
        """Give a folder that was written its images, which are never written."""
        for name in self.image_ids if written.is_dir() and (self.source / self.image_ids[0]).exists() else ():
            (written / name).parent.mkdir(parents=True, exist_ok=True)
            (written / name).touch()
        return written

    def correct(self) -> LabelMatrix:
        """Take cat from b.jpg, give dog to sub/a.jpg, and say that there is no cat in ü c.jpg."""
        return self.read().given_labels.replace([0, 1, 2], [0, 1, 0], [-1, 1, -1])

    def write(self, destination: Path, corrected: LabelMatrix) -> list[Path]:
        return self.format.write(self.source, destination, self.read(), corrected)

    def destination(self) -> Path:
        return self.source.parent / "out" / f"corrected{self.format.suffix}"

    @staticmethod
    def contents(path: Path) -> dict[str, bytes]:
        """The bytes of a file, or of every file of a folder that is ours and no image, by name."""
        files = [one for one in sorted(path.rglob("*")) if one.is_file()] if path.is_dir() else [path]
        own = [one for one in files if one.suffix != ".jpg" and one.name != "notes.md"]
        return {one.relative_to(path).as_posix() if path.is_dir() else "": one.read_bytes() for one in own}


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
    (path / "notes.md").write_text("not ours")
    return path


def _parquet(folder: Path) -> Path:
    columns = {
        "note": ["x", None, "", None, None, "y"],
        "Image": pa.array(["b.jpg", "sub/a.jpg", "b.jpg", "ü c.jpg", "ü c.jpg", "ü c.jpg"]).dictionary_encode(),
        "label": ["cat", None, "person", "dog", "cat", "person"],
        "value": [1.0, None, 1.0, 1.0, 0.0, 1.0],
    }
    path = folder / "labels.parquet"
    pq.write_table(pa.table(columns, metadata={"by": "me"}), path, row_group_size=4, compression="gzip")
    return path


def _parquet_wide(folder: Path) -> Path:
    columns = {
        "person": pa.array([1, None, 1], type=pa.int8()),
        "image": pa.array(IMAGES),
        "dog": [0.0, float("nan"), 1.0],
        "cat": pa.array([1, 0, 0], type=pa.int64()),
    }
    path = folder / "wide.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=2)
    return path


def _coco_image(folder: Path) -> Path:
    document = json.loads(_coco(folder).read_text(encoding="utf-8"))
    for annotation in document["annotations"]:
        for key in ("bbox", "area", "segmentation"):
            annotation.pop(key, None)
    path = folder / "image_labels.json"
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False), encoding="utf-8")
    return path


def _yolo(folder: Path) -> Path:
    path = folder / "yolo"
    for name in IMAGES:
        (path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        (path / "images" / name).touch()
    (path / "labels").mkdir()
    (path / "data.yaml").write_text("# by hand\ntrain: images\nnames:\n  0: cat\n  1: person\n  2: dog\n")
    (path / "labels" / "b.txt").write_bytes(b"0 .5 .5 .1 .1\r\n1 .1 .1 .2 .2 .3 .3\r\n\r\n0 .2 .2 .1 .1\r\n")
    (path / "labels" / "ü c.txt").write_text("1 .5 .5 1 1\n2 .5 .5 .25 .25", encoding="utf-8")
    return path


def _open_images(folder: Path) -> Path:
    path = folder / "train-annotations-human-imagelabels.csv"
    text = "ImageID,Source,LabelName,Confidence\nb,verification,/m/cat,1\nsub/a,machine,/m/dog,0.7\n"
    text += "b,verification,/m/person,1.0\r\nü c,verification,/m/dog,1\nü c,crowdsource-verification,/m/person,1\n"
    path.write_bytes(text.encode())
    return path


def _nus_wide(folder: Path) -> Path:
    path = folder / "NUS"
    labels = path / "Groundtruth" / "TrainTestLabels"
    for parent in (labels, path / "ImageList", path / "ConceptsList"):
        parent.mkdir(parents=True)
    (path / "ImageList" / "TrainImagelist.txt").write_bytes(b"b.jpg\r\nsub\\a.jpg\r\n")
    (path / "ImageList" / "TestImagelist.txt").write_text("ü c.jpg\n", encoding="utf-8")
    (path / "ConceptsList" / "Concepts81.txt").write_text("person\ncat\ndog\n")
    for name, train, test in (("cat", "1\r\n0\r\n", "0"), ("dog", "0\n0\n\n", "1\n"), ("person", "1\n0", "1 \n")):
        (labels / f"Labels_{name}_Train.txt").write_bytes(train.encode())
        (labels / f"Labels_{name}_Test.txt").write_bytes(test.encode())
    return path


def _vg500(folder: Path) -> Path:
    path = folder / "vg_category_500_labels_index.json"
    path.write_text('{"b.jpg": [0,2],\n"sub/a.jpg": [],\n "ü c.jpg":[ 2, 1 ]}\n', encoding="utf-8")
    return path


def _image_folder(folder: Path) -> Path:
    for name in ("cat/b.jpg", "dog/sub/a.jpg", "person/ü c.jpg"):
        (folder / "photos" / name).parent.mkdir(parents=True)
        (folder / "photos" / name).touch()
    return folder / "photos"


def _label_studio(folder: Path) -> Path:
    def task(number: int, image: str, *annotations: dict[str, object]) -> dict[str, object]:
        data = {"image": f"/data/local-files/?d={image}", "note": "ü"}
        return {"id": number, "data": data, "annotations": annotations, "predictions": [], "total": 1.50}

    def chosen(*names: str, cancelled: bool = False) -> dict[str, object]:
        choices = {"id": "q1", "from_name": "what", "to_name": "img", "type": "choices", "value": {"choices": names}}
        box = {"type": "rectanglelabels", "value": {"x": 0.1, "rectanglelabels": ["person"]}}
        return {"id": 7, "was_cancelled": cancelled, "result": [box, choices] if names else []}

    tasks = [
        task(9, "b.jpg", chosen("cat"), chosen("cat", "person"), chosen("dog", cancelled=True)),
        task(4, "sub/a.jpg"),
        task(5, "ü%20c.jpg", chosen("dog", "person")),
    ]
    path = folder / "project-1.json"
    path.write_text(json.dumps(tasks, indent=2, ensure_ascii=False), encoding="utf-8")
    return path


def _cvat(folder: Path) -> Path:
    labels = "".join(f"<label><name>{name}</name><color>#fff</color></label>" for name in ("person", "cat", "dog"))
    path = folder / "annotations.xml"
    path.write_text(
        f"""<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta><task><labels>{labels}</labels></task></meta>
  <image id="0" name="b.jpg" width="6" height="4">
    <box label="cat" note="a>b" xtl="1" ytl="1" xbr="2" ybr="2"><attribute name="label">dog</attribute></box>
    <tag label="person" source="manual"></tag>
    <tag label='cat' note='/>'/>
  </image>
  <image id="1" name="sub/a.jpg" width="6" height="4"/>
  <image id="2" name="ü c.jpg" width="6" height="4">
    <tag label="dog" source="manual">
    </tag><tag label="person"></tag>
  </image>
</annotations>
""",
        encoding="utf-8",
    )
    return path


def _hf_jsonl(folder: Path) -> Path:
    path = folder / "metadata.jsonl"
    lines = [
        '{"file_name": "b.jpg", "labels": ["person", "cat"], "width": 1.50}\r\n',
        '{"labels": [], "file_name": "sub/a.jpg"}\n\n',
        ' {"file_name":"\\u00fc c.jpg", "labels":["dog","person"], "big": 123456789012345678901234567890}',
    ]
    path.write_text("".join(lines), encoding="utf-8", newline="")
    return path


def _hf_parquet(folder: Path) -> Path:
    label = {"names": ["dog", "cat", "person"], "_type": "ClassLabel"}
    features = {"image": {"_type": "Image"}, "tags": {"feature": label, "_type": "List"}}
    columns = {
        "image": [{"bytes": b"\x00", "path": name} for name in IMAGES],
        "tags": pa.array([[1, 2], [], [0, 2]], type=pa.list_(pa.int64())),
        "score": [0.5, None, float("nan")],
    }
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    path = folder / "train-00000-of-00001.parquet"
    pq.write_table(pa.table(columns, metadata=metadata), path, row_group_size=2)
    return path


SOURCES: dict[str, Callable[[Path], Path]] = {
    "list": _list,
    "csv": _csv,
    "csv-wide": _csv_wide,
    "parquet": _parquet,
    "parquet-wide": _parquet_wide,
    "coco": _coco,
    "coco-image": _coco_image,
    "voc": _voc,
    "yolo": _yolo,
    "open-images": _open_images,
    "nus-wide": _nus_wide,
    "vg500": _vg500,
    "image-folder": _image_folder,
    "label-studio": _label_studio,
    "cvat": _cvat,
    "hf-jsonl": _hf_jsonl,
    "hf-parquet": _hf_parquet,
}

NUMBERED = ("class_0", "class_1", "class_2")
OTHERWISE: dict[str, dict[str, object]] = {
    "list": {"own_names": NUMBERED},
    "vg500": {"own_names": NUMBERED},
    "csv-wide": {"own_names": ("person", "dog", "cat")},
    "parquet-wide": {"own_names": ("person", "dog", "cat")},
    "coco": {"own_names": ("cat", "person", "dog")},
    "coco-image": {"own_names": ("cat", "person", "dog")},
    "yolo": {"own_names": ("cat", "person", "dog"), "image_ids": tuple(f"images/{name}" for name in IMAGES)},
    "nus-wide": {"own_names": ("person", "cat", "dog")},
    "cvat": {"own_names": ("person", "cat", "dog")},
    "hf-parquet": {"own_names": ("dog", "cat", "person")},
    "open-images": {
        "class_names": ("Cat (/m/cat)", "Dog, big (/m/dog)", "/m/person"),
        "own_names": ("/m/cat", "/m/dog", "/m/person"),
    },
    "image-folder": {
        "image_ids": ("cat/b.jpg", "dog/sub/a.jpg", "person/ü c.jpg"),
        "labels": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    },
}


@pytest.fixture
def make_sample(tmp_path: Path) -> Callable[[str], Sample]:
    """Write the dataset in a format that the test names."""

    def make(name: str, folder: Path = tmp_path) -> Sample:
        classes = folder / "classes.txt"
        described = '/m/cat,Cat\n/m/dog,"Dog, big"\n/m/person\n'
        classes.write_text(described if name == "open-images" else "cat\ndog\nperson")
        return Sample(FORMATS[name], SOURCES[name](folder), classes, **OTHERWISE.get(name, {}))

    return make


@pytest.fixture(params=FORMATS)
def sample(request: pytest.FixtureRequest, make_sample: Callable[[str], Sample]) -> Sample:
    """The dataset in each format in turn."""
    return make_sample(request.param)
