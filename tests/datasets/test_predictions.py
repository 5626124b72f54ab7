"""Somebody else's probabilities meet the labels: by name where both carry names, by order otherwise."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from labelmend_core.errors import AnnotationError
from labelmend_core.types import LabelMatrix
from labelmend_datasets import tables
from labelmend_datasets.labels import GivenLabels
from labelmend_datasets.predictions import read_predictions

NAMES, IMAGES = ["cat", "dog", "owl"], ["007", "NA", "c.jpg", "d,e.jpg"]
P = np.array([[0.5, 0.25, 0], [1, 0, 0.125], [0, 0, 0.75], [0.5, 0, 0]], dtype=np.float32)
NAMED = GivenLabels(LabelMatrix.empty(P.shape), IMAGES, NAMES)
BARE = GivenLabels(LabelMatrix.empty(P.shape), None, None)


def _wide() -> pd.DataFrame:
    frame = pd.DataFrame(P, columns=NAMES)
    frame.insert(0, "image", IMAGES)
    return frame


def _shuffled() -> pd.DataFrame:
    """Other rows and columns in another order, and some that the labels do not know."""
    more = pd.concat([_wide(), _wide().tail(1).assign(image="more.jpg")]).assign(yak=0.5)
    return more.sample(frac=1, random_state=3)[["owl", "yak", "cat", "image", "dog"]]


def _long() -> pd.DataFrame:
    rows, columns = np.nonzero(P)
    frame = pd.DataFrame(
        {"Image": np.array(IMAGES)[rows], "Class": np.array(NAMES)[columns], "Score": P[rows, columns]}
    )
    return frame.sample(frac=1, random_state=3)


def _save(frame: pd.DataFrame, path: Path) -> Path:
    frame.to_csv(path, index=False) if path.suffix == ".csv" else frame.to_parquet(path)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("frame", [_wide(), _shuffled()], ids=["in order", "shuffled"])
def test_a_table_is_matched_by_name(tmp_path, monkeypatch, suffix: str, frame) -> None:
    monkeypatch.setattr(tables, "_CELLS", 8)  # two rows at a time
    found = read_predictions(_save(frame, tmp_path / f"p{suffix}"), NAMED)
    np.testing.assert_array_equal(found.pred_probs, P)
    assert (found.image_ids, found.class_names) == (IMAGES, NAMES)
    assert found.pred_probs.dtype == np.float32


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_row_a_probability_is_sparse(tmp_path, suffix: str) -> None:
    found = read_predictions(_save(_long(), tmp_path / f"p{suffix}"), NAMED)
    assert sparse.issparse(found.pred_probs)
    np.testing.assert_array_equal(found.pred_probs.toarray(), P)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_labels_without_names_take_those_of_the_table(tmp_path, suffix: str) -> None:
    found = read_predictions(_save(_wide(), tmp_path / f"p{suffix}"), BARE)
    np.testing.assert_array_equal(found.pred_probs, P)
    assert (found.image_ids, found.class_names) == (IMAGES, NAMES)


@pytest.mark.parametrize("name", ["image", None])
def test_an_image_index_of_pandas_is_found(tmp_path, name: str | None) -> None:
    _wide().set_index("image").rename_axis(name).to_parquet(tmp_path / "p.parquet")
    found = read_predictions(tmp_path / "p.parquet", NAMED)
    np.testing.assert_array_equal(found.pred_probs, P)


def test_arrays_stay_as_they_are(tmp_path) -> None:
    np.save(tmp_path / "p.npy", P.astype(np.float16))
    sparse.save_npz(tmp_path / "p.npz", sparse.coo_array(P))
    mapped = read_predictions(tmp_path / "p.npy", NAMED).pred_probs
    assert isinstance(mapped, np.memmap)
    assert mapped.dtype == np.float16
    stored = read_predictions(tmp_path / "p.npz", BARE)
    np.testing.assert_array_equal(stored.pred_probs.toarray(), P)
    assert (stored.image_ids, stored.class_names) == (None, None)


def test_progress_is_told_to_the_end(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(tables, "_CELLS", 8)
    for suffix in (".csv", ".parquet"):
        seen: list[tuple[str, int, int]] = []
        path = _save(_wide(), tmp_path / f"p{suffix}")
        read_predictions(path, NAMED, show=lambda *step, seen=seen: seen.append(step))
        assert seen[-1][0] == f"reading p{suffix}"
        assert seen[-1][1] == seen[-1][2]


def _changed(**columns: object) -> pd.DataFrame:
    return _wide().assign(**columns)


@pytest.mark.parametrize(
    ("frame", "given", "sentence"),
    [
        (_wide().iloc[1:], NAMED, r"all 4 images of the labels, but 1 are not there, the first '007'; it has 'NA', "),
        (_wide().drop(columns="dog"), NAMED, r"all 3 classes of the labels, but 1 .*first 'dog'; it has 'cat', 'owl'"),
        (_changed(image=["007", "NA", "NA", "x"]), NAMED, r"row 3.*one row an image, got 'NA' again"),
        (
            _changed(dog=[0, 0, 2.5, 0]),
            NAMED,
            r"row 3 \('c\.jpg'\), column 'dog'.*in \[0, 1\], got 2\.5; are these log",
        ),
        (_changed(dog=[0, None, 0, 0]), NAMED, r"row 2 \('NA'\), column 'dog'.*got nothing; fill the cell"),
        (_changed(dog=["0", "0", "x", "0"]), NAMED, r"row 3, column 'dog'.*a number, got 'x'"),
        (_wide().drop(columns="dog"), BARE, r"header.*3 classes as the labels have, got 2"),
        (_wide().iloc[1:], BARE, r"its end.*4 images as the labels have, got 3"),
        (pd.concat([_wide(), _wide()]), BARE, r"row 5.*4 images as the labels have, got more"),
        (_changed(image=["a", "b", "a", "c"]), BARE, r"row 3.*every image once, got 'a' again"),
        (_long(), BARE, r"a column a class, as the labels name nothing"),
        (pd.concat([_long(), _long().head(1)]), NAMED, r"row 7.*one probability a label, got a second one of '"),
        (_long().assign(Score=7), NAMED, r"row 1 .*column 'Score'.*got 7"),
        (_long().assign(Image="other"), NAMED, r"but 4 are not there, the first '007'; it has 'other'"),
    ],
)
def test_what_does_not_match_is_named(tmp_path, frame, given, sentence: str) -> None:
    for suffix in (".csv", ".parquet"):
        path = _save(frame.reset_index(drop=True), tmp_path / f"p{suffix}")
        with pytest.raises(AnnotationError, match=sentence) as refused:
            read_predictions(path, given)
        assert str(path) in str(refused.value)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("p.csv", b"", "whole .csv table with a header"),
        ("p.csv", b"image,cat,cat\na,0,0\n", "header: expected each column once, got 'cat' twice"),
        ("p.csv", b"image,cat,dog,owl\n007,0,0,0,0.5\n", "whole .csv table"),
        ("p.csv", b"image,cat,dog,owl\n007,\xff,0,0\n", "whole .csv table"),
        ("p.csv", b"image,cat,dog,owl\n007,0,0,1\nNA,0,0," + b"9" * 400 + b"\n", "column 'owl', from row 1 on"),
        ("p.csv", b"image,cat,dog,owl\n007,0,0,x\nNA,0,0," + b"9" * 400 + b"\n", "a number, got 'x'"),
        ("p.csv", b"image,cat,dog,owl\n007,0,0,\nNA,0,0," + b"9" * 5000 + b"\n", "column 'owl'"),
        ("p.parquet", b"PAR1 half", "whole .parquet table"),
        ("p.npy", b"\x93NUMPY half", "whole .npy file"),
        ("p.npz", b"PK half", "whole .npz file"),
        ("p.txt", b"", "as .npy, .npz, .csv, .parquet"),
    ],
)
def test_damaged_files_are_one_sentence(tmp_path, name: str, content: bytes, sentence: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AnnotationError, match=re.escape(sentence)) as refused:
        read_predictions(tmp_path / name, NAMED)
    assert str(tmp_path / name) in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["p.npy", "p.npz", "p.csv", "p.parquet"])
def test_a_file_that_is_not_there_is_named(tmp_path, name: str) -> None:
    with pytest.raises(AnnotationError, match="nothing is there"):
        read_predictions(tmp_path / name, NAMED)


@pytest.mark.parametrize("name", ["p.npy", "p.npz"])
def test_nothing_is_unpickled(tmp_path, name: str) -> None:
    objects = np.array([[{"a": 1}]], dtype=object)
    if name == "p.npy":
        np.save(tmp_path / name, objects, allow_pickle=True)
    else:
        np.savez(tmp_path / name, format=b"csr", shape=[1, 1], data=objects, indices=[0], indptr=[0, 1])
    with pytest.raises(AnnotationError, match=r"p\.np"):
        read_predictions(tmp_path / name, NAMED)


def test_an_array_of_another_shape_is_refused(tmp_path) -> None:
    np.save(tmp_path / "p.npy", P[:, :2])
    with pytest.raises(AnnotationError, match=r"shape \(4, 3\) in .*p\.npy.*got \(4, 2\).*dropped on export"):
        read_predictions(tmp_path / "p.npy", NAMED)
