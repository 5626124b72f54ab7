"""COCO as pycocotools has it: what its masks and results are in is read by us, and what we write is read by it."""

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask
from pycocotools.coco import COCO

from labelmend_core.types import LabelMatrix
from labelmend_datasets.formats import FORMATS, recognise

# What pycocotools decodes masks by is older than NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

WIDTH, HEIGHT = 20, 10
CATEGORIES = [{"id": 7, "name": "cat"}, {"id": 3, "name": "dog"}, {"id": 90, "name": "owl"}]


@pytest.fixture
def instances(tmp_path: Path) -> Path:
    """Two images: one with a polygon and a crowd, one with a crowd whose counts are compressed."""
    area = np.zeros((HEIGHT, WIDTH), dtype=np.uint8, order="F")
    area[2:6, 3:9] = 1
    compressed = mask.encode(area)
    compressed["counts"] = compressed["counts"].decode()
    runs = {"size": [HEIGHT, WIDTH], "counts": [32, 4, 6, 4, 6, 4, 144]}
    polygon = [[1.0, 1.0, 9.0, 1.0, 9.0, 8.0]]
    annotations = [
        {"id": 1, "image_id": 5, "category_id": 7, "segmentation": polygon, "bbox": [1, 1, 8, 7], "area": 28.0},
        {"id": 2, "image_id": 5, "category_id": 3, "segmentation": runs, "bbox": [3, 2, 3, 4], "area": 12.0},
        {"id": 3, "image_id": 9, "category_id": 3, "segmentation": compressed, "bbox": [3, 2, 6, 4], "area": 24.0},
    ]
    crowds = [{**one, "iscrowd": int(isinstance(one["segmentation"], dict))} for one in annotations]
    images = [{"id": i, "file_name": f"{i}.jpg", "width": WIDTH, "height": HEIGHT} for i in (5, 9)]
    path = tmp_path / "instances.json"
    path.write_text(json.dumps({"images": images, "annotations": crowds, "categories": CATEGORIES}))
    return path


def opened(path: Path) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(path)


def present(coco: COCO) -> dict[str, set[str]]:
    """Return the names of the classes of each image, as pycocotools sees them."""
    return {
        image["file_name"]: {
            category["name"] for category in coco.cats.values() if image["id"] in coco.getImgIds(catIds=category["id"])
        }
        for image in coco.imgs.values()
    }


def test_masks_of_pycocotools_are_read_and_stay_what_they_are(instances: Path, tmp_path: Path) -> None:
    coco = FORMATS[recognise(instances)]
    found = coco.read(instances)
    before = opened(instances)
    for image, name in enumerate(found.image_ids):
        labels = {found.class_names[k] for k in found.given_labels.positives(image)}
        assert labels == present(before)[name]
    corrected = found.given_labels.dense()
    corrected[found.image_ids.index("5.jpg"), found.class_names.index("cat")] = -1
    written, *_ = coco.write(instances, tmp_path / "mended.json", found, LabelMatrix.from_dense(corrected))
    after = opened(written)
    assert present(after) == {"5.jpg": {"dog"}, "9.jpg": {"dog"}}
    assert sorted(after.anns) == [2, 3]
    for number in after.anns:
        np.testing.assert_array_equal(after.annToMask(after.anns[number]), before.annToMask(before.anns[number]))


def test_a_result_of_pycocotools_is_read(instances: Path, tmp_path: Path) -> None:
    results = [{"image_id": 9, "category_id": 90, "bbox": [1.0, 2.0, 5.0, 6.0], "score": 0.9}]
    with contextlib.redirect_stdout(io.StringIO()):
        made = opened(instances).loadRes(results)
    path = tmp_path / "results.json"
    path.write_text(json.dumps(made.dataset))
    found = FORMATS[recognise(path)].read(path)
    labels = [[found.class_names[k] for k in found.given_labels.positives(i)] for i in range(len(found.image_ids))]
    assert dict(zip(found.image_ids, labels, strict=True)) == {"5.jpg": [], "9.jpg": ["owl"]}
