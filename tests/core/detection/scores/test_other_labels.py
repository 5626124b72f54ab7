import numpy as np

from labelmend_core.detection.scores import expected_others, other_labels
from labelmend_core.types import LabelMatrix


def test_a_fork_speaks_for_a_knife_and_against_a_bear():
    rng = np.random.default_rng(0)
    kitchen = rng.random(1_000) < 0.5
    truth = np.stack([kitchen, kitchen, ~kitchen], axis=1).astype(np.float32)
    given = truth * (rng.random(truth.shape) < 0.6)
    found = other_labels(truth, LabelMatrix.from_dense(given.astype(np.int8)))
    only_fork = (given == [1, 0, 0]).all(axis=1)
    assert (found[only_fork, 1] > 0.5).all()
    assert (found[only_fork, 2] < -1).all()


def test_a_label_says_nothing_about_its_own_class():
    given = LabelMatrix.from_dense(np.eye(3, dtype=np.int8))
    p = np.full((3, 3), 0.2)
    changed = p.copy()
    found = other_labels(changed, given)
    np.testing.assert_array_equal(np.diag(found), 0)


def test_a_verified_negative_is_no_label_that_is_given():
    labels = np.array([[-1, 0], [1, 0]], dtype=np.int8)
    p = np.array([[0.1, 0.1], [0.9, 0.9]])
    found = other_labels(p, LabelMatrix.from_dense(labels))
    assert found[0, 1] == 0
    assert found[1, 1] != 0


def test_more_is_expected_beside_many_and_a_class_does_not_count_itself():
    p = np.array([[0.9, 0.1, 0.1], [0.9, 0.8, 0.7]])
    found = expected_others(p)
    assert found[1, 0] > found[0, 0]
    p[0, 0] = 0.1
    np.testing.assert_allclose(expected_others(p)[0, 0], found[0, 0], rtol=1e-6)


def test_an_image_without_probabilities_gets_no_expectation():
    p = np.array([[np.nan, np.nan], [0.5, 0.5]])
    assert np.isnan(expected_others(p)[0]).all()
    assert np.isfinite(other_labels(p, LabelMatrix.from_dense(np.zeros((2, 2), dtype=np.int8)))).all()
