"""Hidden labels: which may be hidden, and that calibration by them counts what is missing."""

from collections.abc import Callable

import numpy as np
import pytest

from labelmend_core.detection.suggest import rank_cells
from labelmend_core.errors import InputError
from labelmend_core.models import BackboneSpec
from labelmend_core.training import RunSettings, Schedule
from labelmend_core.training.planting import plant_drops
from labelmend_core.types import LabelMatrix

Labels = Callable[[float], LabelMatrix]


@pytest.fixture
def labels() -> Labels:
    """Draw 2,000 images of six classes."""
    rng = np.random.default_rng(0)
    return lambda frequency: LabelMatrix.from_dense((rng.random((2_000, 6)) < frequency).astype(np.int8))


def test_only_present_cells_are_hidden_and_they_are_all_that_changes(labels):
    given = labels(0.4).replace([0, 1], [0, 0], [-1, -1])
    hidden, images, classes = plant_drops(given, 0.1, np.random.default_rng(1))
    assert (given.values(images, classes) == 1).all()
    assert (hidden.values(images, classes) == 0).all()
    changed = given.changed_cells(hidden)
    assert sorted(zip(*changed, strict=True)) == sorted(zip(images, classes, strict=True))
    share = len(images) / given.positives_per_class().sum()
    assert 0.07 < share < 0.11


def test_every_image_keeps_a_label(labels):
    given = labels(0.4)
    hidden, _, _ = plant_drops(given, 0.5, np.random.default_rng(1))
    before, after = (given.dense() == 1).sum(1), (hidden.dense() == 1).sum(1)
    assert (after < before).any()
    assert (after[before > 0] > 0).all()


def test_where_images_have_one_label_each_that_one_is_hidden():
    given = LabelMatrix.from_cells(np.arange(1_000), np.arange(1_000) % 4, np.ones(1_000), (1_000, 4))
    _, images, _ = plant_drops(given, 0.1, np.random.default_rng(1))
    assert len(images) > 60


def test_rare_classes_and_small_lists_keep_all(labels):
    given = labels(0.4)
    rows = given.column(5).nonzero()[0]
    rare = given.replace(rows[19:], np.full(len(rows) - 19, 5), np.zeros(len(rows) - 19))
    _, _, classes = plant_drops(rare, 0.5, np.random.default_rng(1))
    assert set(classes) == {0, 1, 2, 3, 4}
    small = given.select(np.arange(60))
    assert plant_drops(small, 0.1, np.random.default_rng(1))[1].size == 0


def test_a_share_is_checked():
    with pytest.raises(InputError, match="planted, a share"):
        RunSettings("probe", "bce", BackboneSpec("resnet18", "random"), Schedule(1, 1e-3), planted=1.0)


def test_a_network_that_repeats_its_labels_is_calibrated_by_what_was_hidden():
    """Labelled cells score far above equally present ones that were not labelled: in-sample scores."""
    rng = np.random.default_rng(2)
    truth = rng.random((8_000, 4)) < 0.2
    labelled = truth & (rng.random(truth.shape) < 0.5)
    given = LabelMatrix.from_dense(labelled.astype(np.int8))
    hidden, images, classes = plant_drops(given, 0.2, np.random.default_rng(3))
    score = rng.normal(np.where(truth, 1.5, -1.5), 1) + np.where(hidden.dense() == 1, 4, 0)
    pred_probs = (1 / (1 + np.exp(-score))).astype(np.float32)

    def expected(planted: tuple[np.ndarray, np.ndarray] | None) -> float:
        cells = rank_cells(given, pred_probs, None, planted=planted, min_probability=0)
        return float(cells.loc[cells["kind"] == "missing", "error_probability"].sum())

    missing = int((truth & ~labelled).sum())
    assert expected(None) < 0.2 * missing
    assert 0.8 * missing < expected((images, classes)) < 1.3 * missing
    spurious = rank_cells(given, pred_probs, None, planted=(images, classes), min_probability=0)
    spurious = spurious[spurious["kind"] == "spurious"]
    assert len(spurious) == labelled.sum() - len(images)
