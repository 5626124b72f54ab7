"""Hidden labels: which may be hidden, and that calibration by them counts what is missing."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from labelmend_core.detection.combine import scores_of
from labelmend_core.detection.in_sample import judge_in_sample
from labelmend_core.detection.rank import ranked
from labelmend_core.errors import InputError
from labelmend_core.models import BackboneSpec
from labelmend_core.training import RunSettings, Schedule
from labelmend_core.training.planting import plant_additions, plant_drops
from labelmend_core.types import LabelMatrix

Labels = Callable[[float], LabelMatrix]
Cells = tuple[np.ndarray, np.ndarray]
NONE: Cells = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)


def ranks(labels: LabelMatrix, p: np.ndarray, planted: Cells = NONE, added: Cells = NONE) -> pd.DataFrame:
    return ranked(judge_in_sample(labels, scores_of(labels, p, in_sample=True), planted, added), 0)


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

    def expected(planted: Cells) -> float:
        cells = ranks(given, pred_probs, planted)
        return float(cells.loc[cells["kind"] == "missing", "error_probability"].sum())

    missing = int((truth & ~labelled).sum())
    assert expected(NONE) < 0.2 * missing
    # The classes are independent, so that what the other labels of an image say blurs the order here.
    assert 0.6 * missing < expected((images, classes)) < 1.3 * missing
    spurious = ranks(given, pred_probs, (images, classes))
    spurious = spurious[spurious["kind"] == "spurious"]
    assert len(spurious) == labelled.sum()  # with the hidden ones, as if they had been seen
    hidden_rank = spurious.set_index(["image_index", "class_index"])["rank"].loc[
        list(zip(images, classes, strict=True))
    ]
    assert 0.4 < hidden_rank.mean() / len(spurious) < 0.6


def test_labels_are_added_on_unobserved_cells_only_and_a_quarter_as_many_as_are_hidden():
    given = np.where(np.random.default_rng(0).random((4_000, 5)) < 0.3, 1, 0).astype(np.int8)
    given[:, 4] = np.where(given[:, 4] == 1, 1, -1)
    labels = LabelMatrix.from_dense(given)
    more, images, classes = plant_additions(labels, 0.2, np.random.default_rng(1))
    assert (given[images, classes] == 0).all()
    assert (more.values(images, classes) == 1).all()
    assert more.n_observed == labels.n_observed + len(images)
    wanted = 0.25 * 0.2 * (given == 1).sum()
    assert 0.4 * wanted < len(images) <= wanted  # some fall on cells that are observed, and all of class 4 do
    assert len(set(zip(images.tolist(), classes.tolist(), strict=True))) == len(images)


@pytest.mark.parametrize("share", [0.0, 0.02])
def test_no_label_is_added_where_too_few_would_be(share: float):
    labels = LabelMatrix.from_dense(np.eye(500, 4, dtype=np.int8))
    assert plant_additions(labels, share, np.random.default_rng(0))[0] is labels


def test_a_network_that_repeats_spurious_labels_is_calibrated_by_what_was_added():
    """A cell that was trained on as present scores far above an absent one that was not: in-sample scores."""
    rng = np.random.default_rng(5)
    truth = rng.random((8_000, 4)) < 0.2
    given = truth | (rng.random(truth.shape) < 0.01)
    labels = LabelMatrix.from_dense(given.astype(np.int8))
    trained_on, *added = plant_additions(labels, 0.4, rng)
    score = rng.normal(np.where(truth, 2, -2), 1) + np.where(trained_on.dense() == 1, 3, 0)
    pred_probs = (1 / (1 + np.exp(-score))).astype(np.float32)

    def expected(added: Cells) -> float:
        cells = ranks(labels, pred_probs, added=added)
        return float(cells.loc[cells["kind"] == "spurious", "error_probability"].sum())

    spurious = int((given & ~truth).sum())
    assert expected(NONE) < 0.2 * spurious
    assert 0.6 * spurious < expected((added[0], added[1])) < 1.5 * spurious


def test_an_added_label_is_ranked_among_missing_ones_as_if_it_had_not_been_trained_on():
    rng = np.random.default_rng(6)
    labels = LabelMatrix.from_dense((rng.random((6_000, 4)) < 0.3).astype(np.int8))
    trained_on, images, classes = plant_additions(labels, 0.5, rng)
    score = rng.normal(-2, 1, labels.shape) + np.where(trained_on.dense() == 1, 4, 0)
    pred_probs = (1 / (1 + np.exp(-score))).astype(np.float32)
    cells = ranks(labels, pred_probs, added=(images, classes))
    missing = cells[cells["kind"] == "missing"].set_index(["image_index", "class_index"])["rank"]
    place = missing.loc[list(zip(images, classes, strict=True))] / len(missing)
    assert 0.4 < place.mean() < 0.6


def test_a_class_that_is_hardly_learned_is_not_all_spurious(labels):
    rng = np.random.default_rng(3)
    given = labels(0.4)
    present = given.dense() == 1
    logits = np.where(present, 2.0, -2.0) + rng.normal(size=present.shape)
    logits[:, 5] = -2.0 + 0.1 * present[:, 5] + rng.normal(size=len(present))  # labelled right, and not learned
    added = tuple(one[:60] for one in np.nonzero(~present & (rng.random(present.shape) < 0.05)))
    mistaken = given.replace(*added, np.ones(60, dtype=np.int8))
    logits[added] = rng.normal(-1, 1, 60)
    found = ranks(mistaken, 1 / (1 + np.exp(-logits)), added=added)
    spurious = found[found["kind"] == "spurious"]
    expected = spurious.groupby("class_index")["error_probability"].mean()
    assert expected[5] < 0.1
    assert spurious["error_probability"].sum() < 0.05 * present.sum()
