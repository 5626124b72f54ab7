"""Error probabilities on mixtures whose truth is known."""

import numpy as np
import pytest

from labelmend_core.detection.calibrate import calibrate, calibrate_counts, calibrate_expected


def _mixture(share: float, gap: float, n: int = 20_000, seed: int = 0):
    rng = np.random.default_rng(seed)
    is_error = rng.random(n) < share
    suspicion = np.where(is_error, rng.normal(gap / 2, 1, n), rng.normal(-gap / 2, 1, n))
    return suspicion, is_error, rng.normal(gap / 2, 1, 4_000)


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3])
def test_probability_matches_how_many_are_errors(share: float) -> None:
    suspicion, is_error, error_like = _mixture(share, gap=4)
    found = calibrate(suspicion, error_like)
    probability, low, high = found(suspicion)
    assert found.share == pytest.approx(share, rel=0.35)
    for lower, upper in ((0.2, 0.5), (0.5, 0.8), (0.8, 1.01)):
        inside = (probability >= lower) & (probability < upper)
        if inside.sum() > 100:
            assert is_error[inside].mean() == pytest.approx(probability[inside].mean(), abs=0.2)
    assert ((low <= probability) & (probability <= high)).all()
    assert (low >= 0).all()
    assert (high <= 1).all()


def test_probability_never_falls_as_suspicion_rises() -> None:
    suspicion, _, error_like = _mixture(0.1, gap=3)
    for values in calibrate(suspicion, error_like)(np.sort(suspicion)):
        assert (np.diff(values) >= 0).all()


def test_clean_labels_are_not_accused() -> None:
    suspicion, _, error_like = _mixture(0.0, gap=6)
    found = calibrate(suspicion, error_like)
    assert found.share < 0.01
    assert (found(suspicion)[0] > 0.5).mean() < 0.01


def test_without_anything_to_compare_with_the_interval_is_everything() -> None:
    suspicion = np.linspace(-2, 2, 7)
    probability, low, high = calibrate(suspicion, np.zeros(0))(suspicion)
    assert probability.tolist() == [0.0] * 7
    assert low.tolist() == [0.0] * 7
    assert high.tolist() == [1.0] * 7


def test_probabilities_rise_with_suspicion_within_their_interval() -> None:
    rng = np.random.default_rng(3)
    found = calibrate_counts(rng.integers(0, 500, 12), rng.integers(0, 50, 12))
    assert (np.diff(found.probability) >= 0).all()
    assert (found.low <= found.probability).all()
    assert (found.probability <= found.high).all()


def test_expected_errors_are_given_to_the_order_and_keep_their_sum() -> None:
    rng = np.random.default_rng(4)
    suspicion = rng.normal(size=5_000)
    expected = 1 / (1 + np.exp(3 - suspicion - rng.normal(size=5_000)))
    probability, low, high = calibrate_expected(suspicion, expected)(suspicion)
    assert probability.sum() == pytest.approx(expected.sum(), rel=1e-6)
    assert (np.diff(probability[np.argsort(suspicion)]) >= 0).all()
    assert (low < probability).all()
    assert (probability < high).all()
    clearest = suspicion > np.quantile(suspicion, 0.99)
    assert probability[clearest].mean() == pytest.approx(expected[clearest].mean(), rel=0.1)


def test_what_is_corrected_is_the_mean_of_each_step_with_its_interval_and_share() -> None:
    rng = np.random.default_rng(5)
    suspicion, expected = np.sort(rng.normal(size=2_000)), np.sort(rng.random(2_000))
    plain, half = calibrate_expected(suspicion, expected), calibrate_expected(suspicion, expected, lambda p: p / 2)
    np.testing.assert_allclose(half.probability, plain.probability / 2)
    assert half.share == pytest.approx(plain.share / 2)
    assert (half.high < plain.high).all()
    assert (half.low <= half.probability).all()
    assert (half.probability <= half.high).all()
