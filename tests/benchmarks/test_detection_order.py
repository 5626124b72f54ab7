"""Average precision under a bootstrap: one order, weighed, is as good as images that are really drawn again."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from labelmend_app.benchmarks.detection.order import Order, Ranking, resampled
from labelmend_core.cell_precision import cell_average_precision

N, K = 60, 5


@pytest.fixture(params=[False, True], ids=["all different", "with ties"])
def cells(request: pytest.FixtureRequest):
    """Return suspicion, errors and candidates, (N, K)."""
    rng = np.random.default_rng(1)
    errors = rng.random((N, K)) < 0.2
    suspicion = rng.normal(size=(N, K)) + errors
    if request.param:
        suspicion = np.round(suspicion)
    return suspicion, errors, rng.random((N, K)) < 0.7


def test_unweighted_it_is_the_average_precision_per_cell(cells) -> None:
    suspicion, errors, among = cells
    found = Ranking(suspicion, errors, among).measure(np.ones(N, dtype=np.int32))
    np.testing.assert_allclose(found[:2], cell_average_precision(errors & among, suspicion, among))


def test_weights_are_images_drawn_that_often(cells) -> None:
    suspicion, errors, among = cells
    ranking = Ranking(suspicion, errors, among)
    for weights in resampled(N, 5, np.random.default_rng(2)):
        drawn = np.repeat(np.arange(N), weights)
        expected = cell_average_precision(errors[drawn] & among[drawn], suspicion[drawn], among[drawn])
        np.testing.assert_allclose(ranking.measure(weights)[:2], expected)


def test_weights_are_those_of_scikit_learn(cells) -> None:
    suspicion, errors, _ = cells
    weights = np.random.default_rng(3).integers(0, 4, N).astype(np.int32)
    order = Order(suspicion[:, 0], errors[:, 0], np.arange(N))
    expected = average_precision_score(errors[:, 0], suspicion[:, 0], sample_weight=weights)
    assert order.average_precision(weights) == pytest.approx(expected)


def test_the_first_k_are_counted_with_their_weights() -> None:
    rng = np.random.default_rng(4)
    suspicion, errors, image = rng.permutation(300).astype(float), rng.random(300) < 0.4, rng.integers(0, 40, 300)
    order = Order(suspicion, errors, image)
    for weights in [np.ones(40, dtype=np.int32), *resampled(40, 4, rng)]:
        best = np.argsort(-suspicion)
        ranked = np.repeat(errors[best], weights[image[best]])
        for k in (1, 7, 100):
            assert order.precision_at(k, weights) == pytest.approx(ranked[:k].mean())
    assert np.isnan(order.precision_at(10_000, np.ones(40, dtype=np.int32)))


def test_without_an_error_there_is_no_average_precision() -> None:
    order = Order(np.arange(3.0), np.zeros(3, dtype=bool), np.arange(3))
    assert np.isnan(order.average_precision(np.ones(3, dtype=np.int32)))


def test_a_resample_draws_as_many_images() -> None:
    drawn = resampled(50, 30, np.random.default_rng(0))
    assert drawn.shape == (30, 50)
    assert (drawn.sum(axis=1) == 50).all()
    assert 0.3 < (drawn == 0).mean() < 0.43  # 1/e
