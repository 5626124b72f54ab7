"""Names that look like formulas, in CSV files that we make: safe in a spreadsheet, the same when read again."""

import csv
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelmend_core.types import AnnotatedDataset, LabelMatrix
from labelmend_datasets.formats import FORMATS

FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n")
NAMES = st.lists(
    st.text(alphabet="'=+-@ab,\"", min_size=1, max_size=5).map(lambda text: f"{text}x"),
    min_size=2,
    max_size=5,
    unique=True,
)


@pytest.mark.parametrize("name", ["csv", "csv-wide"])
@given(images=NAMES, classes=NAMES)
@settings(max_examples=30)
def test_names_that_look_like_formulas_come_back_unchanged(name: str, images: list[str], classes: list[str]) -> None:
    classes = sorted(classes)
    labels = LabelMatrix.from_dense(np.ones((len(images), len(classes)), dtype=np.int8))
    dataset = AnnotatedDataset(images, images, classes, labels)
    with tempfile.TemporaryDirectory() as made:
        source, copy = Path(made, "labels.csv"), Path(made, "corrected.csv")
        create = FORMATS[name].create
        assert create is not None
        create(source, dataset)
        with source.open(newline="", encoding="utf-8") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert [cell for cell in cells if cell.startswith(FORMULAS)] == []
        again = FORMATS[name].read(source)
        assert (list(again.image_ids), list(again.class_names)) == (images, classes)
        fewer = labels.dense().copy()
        fewer[0] = -1
        FORMATS[name].write(source, copy, again, LabelMatrix.from_dense(fewer))
        assert np.array_equal(FORMATS[name].read(copy).given_labels.dense(), fewer)


@pytest.mark.parametrize(("written", "expected"), [("=dog", "=dog"), ("'=dog", "'=dog")])
def test_a_new_row_is_spelled_as_the_others_are(tmp_path: Path, written: str, expected: str) -> None:
    source, copy = tmp_path / "labels.csv", tmp_path / "corrected.csv"
    source.write_text(f"image,label\na.jpg,{written}\nb.jpg,\n", encoding="utf-8")
    dataset = FORMATS["csv"].read(source)
    assert dataset.class_names == ["=dog"]
    both = LabelMatrix.from_dense(np.ones((2, 1), dtype=np.int8))
    FORMATS["csv"].write(source, copy, dataset, both)
    assert copy.read_text(encoding="utf-8") == f"image,label\na.jpg,{written}\nb.jpg,{expected}\n"
