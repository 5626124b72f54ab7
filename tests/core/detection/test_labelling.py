import numpy as np
import pytest
from scipy.optimize import check_grad
from scipy.special import expit

from labelmend_core.detection.labelling import _Posterior, eased, eased_tail, fit_labelling
from labelmend_core.detection.scores import labelling
from labelmend_core.types import LabelMatrix

N, K = 6000, 4


def scene(seed: int = 0, *, slope: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Log-odds of a model that is half as sure as it might be, and whether each class is present."""
    rng = np.random.default_rng(seed)
    x = rng.normal(-2.0, 1.6, (N, K))
    return x, rng.random((N, K)) < expit(0.5 + slope * x)


def label(truth: np.ndarray, frequency: float | np.ndarray, noise: float = 0.0, seed: int = 1) -> np.ndarray:
    chance = np.random.default_rng(seed).random(truth.shape)
    return np.where(truth, chance < frequency, chance < noise)


def test_the_gradient_is_that_of_the_posterior() -> None:
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 9, (2, 3, 6, 5))
    posterior = _Posterior(counts[0], counts[1], np.linspace(-3, 3, 6))
    z = 0.3 * rng.normal(size=4 + 5 + 9)
    assert check_grad(lambda z: posterior(z)[0], lambda z: posterior(z)[1], z) < 1e-4


def test_how_often_classes_are_labelled_is_found_without_the_truth() -> None:
    x, truth = scene()
    x = np.concatenate([x, scene(5)[0]])
    truth = np.random.default_rng(6).random(x.shape) < expit(0.5 + 2 * x)
    frequency = np.array([0.3, 0.5, 0.7, 0.9])
    given = label(truth, frequency, noise=0.02)
    found = fit_labelling(x, np.zeros(x.shape), given, ~given)
    assert found is not None
    np.testing.assert_allclose(found.frequency[:, 0], frequency, atol=0.15)
    np.testing.assert_allclose(found.noise, 0.02, atol=0.01)
    assert found.slope == pytest.approx(2.0, rel=0.15)


@pytest.mark.parametrize(("frequency", "noise"), [(0.4, 0.0), (0.75, 0.0), (0.4, 0.01), (0.9, 0.03)])
def test_the_errors_that_are_expected_are_about_as_many_as_there_are(frequency: float, noise: float) -> None:
    x, truth = scene()
    given = label(truth, frequency, noise)
    present = labelling(x, LabelMatrix.from_dense(given.astype(np.int8)))
    assert present is not None
    missing, spurious = expit(present[~given].astype(float)).sum(), expit(-present[given].astype(float)).sum()
    assert missing == pytest.approx((truth & ~given).sum(), rel=0.25)
    assert spurious == pytest.approx((given & ~truth).sum(), rel=0.25, abs=0.02 * given.sum())


def test_where_every_image_has_one_of_its_labels_the_others_are_expected_to_be_missing() -> None:
    """Probabilities that know nothing of this would find a third of them."""
    x, truth = scene()
    rng = np.random.default_rng(2)
    chosen = np.where(truth, rng.random(truth.shape), 0).argmax(axis=1)
    given = (np.arange(K) == chosen[:, None]) & truth
    others = expit(0.5 + 2 * x)
    others = others.sum(axis=1, keepdims=True) - others
    found = fit_labelling(x, others, given, ~given)
    assert found is not None
    rows, classes = np.nonzero(~given)
    expected = found.wrong(classes, x[rows, classes], others[rows, classes], labelled=False)
    assert expected.sum() == pytest.approx((truth & ~given).sum(), rel=0.15)
    step = np.searchsorted(found.others, others[truth], side="right")
    labelled = np.array([given[truth][step == one].mean() for one in range(len(found.others) + 1)])
    assert labelled[0] - labelled[-1] > 0.4
    np.testing.assert_allclose(found.frequency[0], labelled, atol=0.15)


def test_where_no_label_is_spurious_none_is_likely_to_be() -> None:
    x, truth = scene()
    given = label(truth, 0.6)
    present = labelling(x, LabelMatrix.from_dense(given.astype(np.int8)))
    assert present is not None
    assert (present[given] > 0).all()


def test_a_rare_class_goes_where_the_others_go() -> None:
    x, truth = scene()
    x[:, 3] -= 2.5
    truth[:, 3] = np.random.default_rng(3).random(N) < expit(0.5 + 2 * x[:, 3])
    assert truth[:, 3].sum() < 100
    given = label(truth, 0.5)
    found = fit_labelling(x, np.zeros((N, K)), given, ~given)
    assert found is not None
    assert found.frequency[3, 0] == pytest.approx(0.5, abs=0.2)


def test_a_handful_of_labels_tells_nothing() -> None:
    x, truth = scene()
    given = np.zeros_like(truth)
    given[np.nonzero(truth)[0][:20], np.nonzero(truth)[1][:20]] = True
    assert labelling(x, LabelMatrix.from_dense(given.astype(np.int8))) is None


def test_unreadable_images_and_verified_negatives_are_left_out() -> None:
    x, truth = scene()
    given = label(truth, 0.6).astype(np.int8)
    alone = labelling(x[:-500], LabelMatrix.from_dense(given[:-500]))
    x[-300:] = np.nan
    given[-500:-300] = -1
    score = labelling(x, LabelMatrix.from_dense(given))
    assert alone is not None
    assert score is not None
    np.testing.assert_allclose(score[:-500], alone, atol=1e-3)
    np.testing.assert_allclose(score[-500:-300], x[-500:-300], rtol=1e-6)
    assert np.isnan(score[-300:]).all()


def test_a_review_does_not_look_like_annotators_who_miss_nothing() -> None:
    x, truth = scene()
    given = label(truth, 0.5).astype(np.int8)
    clearest = (given == 0) & (x > np.quantile(x[given == 0], 0.95))
    mended = LabelMatrix.from_dense(np.where(clearest, np.where(truth, 1, -1), given))
    left = truth & (mended.dense() == 0)
    by_given = labelling(x, mended, LabelMatrix.from_dense(given))
    by_mended = labelling(x, mended)
    assert by_given is not None
    assert by_mended is not None
    unlabelled = mended.dense() == 0
    assert expit(by_given[unlabelled].astype(float)).sum() == pytest.approx(left.sum(), rel=0.2)
    assert expit(by_mended[unlabelled].astype(float)).sum() < 0.6 * left.sum()


def test_easing_takes_from_what_stands_out_gives_to_the_rest_and_keeps_the_order() -> None:
    p = np.array([0.0, 1e-6, 0.001, 0.02, 0.1, 0.5, 0.9, 1.0])
    found = eased(p)
    assert (np.diff(found) > 0).all()
    assert (found[4:-1] < p[4:-1]).all()
    assert (found[1:3] > p[1:3]).all()
    assert (found >= 0).all()
    assert (found <= 1).all()


def test_of_spurious_labels_only_those_that_do_not_stand_out_become_likelier() -> None:
    p = np.array([0.0, 1e-6, 0.001, 0.02, 0.1, 0.5, 0.9])
    found = eased_tail(p)
    assert (np.diff(found) > 0).all()
    assert (found[1:4] > p[1:4]).all()
    np.testing.assert_allclose(found[4:], p[4:], atol=1e-12)
