"""Whatever is corrected, in whatever format, is read back as far as the format can say it; so is taking it back."""

import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labelmend_core.types import LabelMatrix
from labelmend_datasets.formats import FORMATS

cells = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.sampled_from([1, 0, -1])), max_size=6)


def corrected_by(labels: LabelMatrix, changes: list[tuple[int, int, int]]) -> LabelMatrix:
    return labels.replace(*np.array(changes, dtype=np.int64).reshape(-1, 3).T)


def said(labels: LabelMatrix, *, holds_absent: bool) -> np.ndarray:
    return labels.dense() if holds_absent else np.maximum(labels.dense(), 0)


@pytest.mark.parametrize("name", [name for name, one in FORMATS.items() if not one.written_as])
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=cells)
def test_a_correction_and_taking_it_back_are_read_as_they_were_meant(make_sample, tmp_path, name, changes):
    folder = tmp_path / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    sample = make_sample(name, folder)
    dataset = sample.read()
    corrected = corrected_by(dataset.given_labels, changes)

    first = sample.write(sample.destination(), corrected)

    there = sample.read_again(first)
    holds_absent = sample.format.holds_absent(sample.source)
    expected = said(corrected, holds_absent=holds_absent)
    if sample.format.boxes:
        expected = np.minimum(expected, dataset.given_labels.dense())
    again = there.given_labels.select([list(there.image_ids).index(image) for image in dataset.image_ids])
    assert (again.dense() == expected).all()

    back = dataset.given_labels.select([list(dataset.image_ids).index(image) for image in there.image_ids])
    second = sample.format.write(first[0], folder / "second" / first[0].name, there, back)

    final = sample.read_again(second)
    labels = final.given_labels.select([list(final.image_ids).index(image) for image in dataset.image_ids])
    lost = (expected < dataset.given_labels.dense()) if sample.format.boxes else np.zeros(expected.shape, dtype=bool)
    assert (labels.dense()[~lost] == dataset.given_labels.dense()[~lost]).all()
