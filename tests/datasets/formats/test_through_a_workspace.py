"""Every format through a workspace: imported as auto, reviewed, exported, with the source out of reach."""

import shutil
from datetime import UTC, datetime

import numpy as np
import pytest

from labelmend_app.export import changes as list_changes
from labelmend_app.export import export, n_negatives_lost
from labelmend_app.importing import import_annotations
from labelmend_core.types import Decision, Verdict


@pytest.fixture
def imported(sample, tmp_path):
    """A workspace of the sample, whose source is gone."""
    images = sample.source if (sample.source / sample.image_ids[0]).exists() else tmp_path / "photos_of"
    for path in sample.read().paths:
        (images / path).parent.mkdir(parents=True, exist_ok=True)
        (images / path).touch()
    made = import_annotations(tmp_path / "workspace", sample.source, images, classes=sample.classes)
    shutil.rmtree(sample.source) if sample.source.is_dir() else sample.source.unlink()
    yield made
    made.close()


def test_what_is_decided_in_a_workspace_comes_out_in_the_format_that_came_in(sample, imported, tmp_path):
    said = [(0, 0, Verdict.ABSENT), (1, 1, Verdict.PRESENT), (2, 0, Verdict.ABSENT)]
    time = datetime(2026, 3, 1, tzinfo=UTC)
    imported.ledger.append([Decision("c", seq, *cell, "Anna", time) for seq, cell in enumerate(said, start=1)])

    written = export(imported, tmp_path / "out")

    expected = imported.corrected_labels().dense()
    if lost := n_negatives_lost(imported, list_changes(imported)):
        assert lost == (expected == -1).sum()
        expected = np.maximum(expected, 0)
    if sample.format.boxes:
        expected[1, 1] = 0
    assert imported.settings.format == sample.format.name
    for name in sample.image_ids if sample.format.name == "yolo" else ():
        (written[0] / name).parent.mkdir(parents=True, exist_ok=True)
        (written[0] / name).touch()
    again = sample.read_again(written)
    assert (again.given_labels.dense() == expected).all()
