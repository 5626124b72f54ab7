"""Labels from Parquet and from arrays; the annotation formats have tests of their own."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import sparse

from labelmend_core.errors import AnnotationError, InputError
from labelmend_core.types import LabelMatrix
from labelmend_datasets.labels import read_labels

LABELS = np.array([[1, 0, -1], [0, 0, 0], [0, 1, 0]])
NAMES = ["cat", "dog", "owl"]
IMAGES = ["007", "NA", "c.jpg"]


@pytest.fixture
def class_file(tmp_path: Path) -> Path:
    path = tmp_path / "classes.txt"
    path.write_text("\n".join(NAMES), encoding="utf-8")
    return path


def _wide() -> pd.DataFrame:
    frame = pd.DataFrame(np.where(LABELS == 0, np.nan, LABELS), columns=NAMES)
    frame.insert(0, "image", IMAGES)
    return frame


def _long() -> pd.DataFrame:
    rows = [("007", "owl", -1), ("007", "cat", 1), ("NA", "", 0), ("c.jpg", "dog", 1)]
    return pd.DataFrame(rows, columns=["Image", "label", "value"])


@pytest.mark.parametrize("frame", [_wide(), _long()], ids=["wide", "long"])
@pytest.mark.parametrize("with_classes", [False, True])
def test_a_parquet_table_is_read_with_its_names(tmp_path, class_file, frame, with_classes: bool) -> None:
    path = tmp_path / "labels.parquet"
    frame.to_parquet(path)
    given = read_labels(path, classes=class_file if with_classes else None)
    assert given.labels == LabelMatrix.from_dense(LABELS)
    assert given.image_ids == IMAGES
    assert given.class_names == NAMES


def test_a_long_table_without_values_says_present(tmp_path) -> None:
    path = tmp_path / "labels.parquet"
    pd.DataFrame({"image": ["a", "a", "b"], "label": ["x", "y", "x"]}).to_parquet(path)
    given = read_labels(path)
    assert given.labels.dense().tolist() == [[1, 1], [1, 0]]


def test_a_long_table_may_have_columns_of_its_own(tmp_path) -> None:
    path = tmp_path / "labels.parquet"
    _long().assign(annotator="Ann", seconds=[1.5, 2.0, 0.5, 9.0]).to_parquet(path)
    given, imported = read_labels(path), read_labels(path, format_name="parquet")
    assert given.labels == imported.labels == LabelMatrix.from_dense(LABELS)
    assert list(given.image_ids or ()) == list(imported.image_ids or ()) == IMAGES
    assert list(given.class_names or ()) == list(imported.class_names or ()) == NAMES


def test_a_class_of_a_wide_table_may_be_called_label(tmp_path) -> None:
    path = tmp_path / "labels.parquet"
    pd.DataFrame({"image": ["a", "b"], "label": [1, 0], "cat": [0, -1]}).to_parquet(path)
    given = read_labels(path)
    assert (given.labels.dense().tolist(), given.class_names) == ([[1, 0], [0, -1]], ["label", "cat"])


@pytest.mark.parametrize("images", [[7, 8], ["a", "b"]])
def test_images_may_be_numbers_or_in_the_first_column_of_any_name(tmp_path, images) -> None:
    path = tmp_path / "labels.parquet"
    pd.DataFrame({"file": images, "label": ["x", "y"]}).to_parquet(path)
    given = read_labels(path)
    assert (given.image_ids, given.labels.dense().tolist()) == ([str(image) for image in images], [[1, 0], [0, 1]])


def test_a_table_of_hugging_face_is_read_as_an_import_reads_it(tmp_path) -> None:
    path = tmp_path / "labels.parquet"
    kind = {"feature": {"names": NAMES, "_type": "ClassLabel"}, "_type": "List"}
    features = {"file_name": {"dtype": "string", "_type": "Value"}, "labels": kind}
    table = pa.table({"file_name": ["a.jpg", "b.jpg"], "labels": [[0, 2], []]})
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    pq.write_table(table.replace_schema_metadata(metadata), path)
    given = read_labels(path)
    assert (given.labels.dense().tolist(), list(given.class_names or ())) == ([[1, 0, 1], [0, 0, 0]], NAMES)


@pytest.mark.parametrize("name", ["labels.npy", "labels.npz"])
def test_an_array_has_no_names_but_those_of_the_class_file(tmp_path, class_file, name: str) -> None:
    path = tmp_path / name
    if name == "labels.npy":
        np.save(path, LABELS.astype(np.int8))
    else:
        sparse.save_npz(path, sparse.csc_array(LABELS))
    for classes, expected in ((None, None), (class_file, NAMES)):
        given = read_labels(path, classes=classes)
        assert given.labels == LabelMatrix.from_dense(LABELS)
        assert (given.image_ids, given.class_names) == (None, expected)


def test_an_annotation_format_is_recognised(tmp_path) -> None:
    path = tmp_path / "labels.json"
    image = {"id": 4, "file_name": "a.jpg"}
    category = {"id": 9, "name": "cat"}
    box = {"id": 1, "image_id": 4, "category_id": 9, "bbox": [0, 0, 1, 1]}
    path.write_text(json.dumps({"images": [image], "categories": [category], "annotations": [box]}), encoding="utf-8")
    given = read_labels(path)
    assert (list(given.image_ids or ()), list(given.class_names or ())) == (["a.jpg"], ["cat"])


@pytest.mark.parametrize(
    ("frame", "sentence"),
    [
        (_wide().assign(dog=[1, 0, 2]), r"row 3, column 'dog'.*1, 0 or -1, got 2; 1 is present"),
        (_wide().assign(dog=["1", "0", "yes"]), r"row 3, column 'dog'.*a number, got 'yes'"),
        (_wide().assign(image=["a", "b", "a"]), r"row 3.*every image once, got 'a' again \(first in row 1\)"),
        (_wide().drop(columns="owl"), r"header.*'owl' in one of them only"),
        (_wide().iloc[:0], "at least one image"),
        (_long().assign(label=["owl", "cat", "", "wolf"]), r"row 4.*class file, got 'wolf'"),
        (_long().assign(label="cat", value=[1, -1, 0, 1]), "got two different ones; keep the row that is right"),
    ],
)
def test_what_is_wrong_in_a_table_is_named(tmp_path, class_file, frame, sentence: str) -> None:
    path = tmp_path / "labels.parquet"
    frame.to_parquet(path)
    with pytest.raises(AnnotationError, match=sentence) as refused:
        read_labels(path, classes=class_file)
    assert str(path) in str(refused.value)


def test_arrays_of_something_else_are_refused(tmp_path, class_file) -> None:
    path = tmp_path / "labels.npy"
    np.save(path, LABELS * 0.5)
    with pytest.raises(AnnotationError, match=r"labels\.npy: Expected labels to be 1, 0 or -1 only"):
        read_labels(path)
    np.save(path, LABELS[:, :2])
    with pytest.raises(AnnotationError, match=r"2 class names in .*got 3"):
        read_labels(path, classes=class_file)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(AnnotationError, match=r"whole \.npy file"):
        read_labels(path)
    with pytest.raises(AnnotationError, match="nothing is there"):
        read_labels(tmp_path / "none.npz")
    with pytest.raises(InputError, match="a format among list"):
        read_labels(path, format_name="xls")


def test_a_sparse_file_cannot_reach_outside_its_shape(tmp_path) -> None:
    path = tmp_path / "labels.npz"
    np.savez(path, format=b"csr", shape=[2, 2], data=[1, 1], indices=[0, 9_000_000], indptr=[0, 1, 2])
    with pytest.raises(AnnotationError, match=r"whole \.npz file"):
        read_labels(path)
