"""Error probabilities on mixtures whose truth is known."""

import numpy as np
import pytest

from labelmend_core.detection.calibrate import calibrate


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
