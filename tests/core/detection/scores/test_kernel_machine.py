import numpy as np
import pytest
from sklearn.linear_model import Ridge

from labelmend_core.detection.scores import kernel_machine
from labelmend_core.detection.scores.kernel_machine import leave_one_out


@pytest.fixture
def scenes() -> tuple[np.ndarray, np.ndarray]:
    """Return embeddings of 300 images and two classes that lie on either side of a plane of them."""
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(300, 8)).astype(np.float32)
    return embeddings, (embeddings[:, :2] > 0).astype(np.float32)


def test_what_an_image_is_expected_to_show_does_not_come_back_to_it(scenes):
    embeddings, expected = scenes
    before = kernel_machine(expected, embeddings)
    changed = expected.copy()
    changed[7] = 1 - changed[7]
    np.testing.assert_allclose(kernel_machine(changed, embeddings)[7], before[7], atol=0.02)


def test_a_missing_label_is_found_by_its_neighbours(scenes):
    embeddings, truth = scenes
    expected = truth.copy()
    missing = np.flatnonzero((truth[:, 0] == 1) & (embeddings[:, 0] > 1))[:10]
    expected[missing, 0] = 0
    found = kernel_machine(expected, embeddings)[:, 0]
    assert found[missing].min() > np.median(found[truth[:, 0] == 0])


def test_an_image_without_probabilities_stays_without_and_teaches_nobody(scenes):
    embeddings, expected = scenes
    without = expected.copy()
    without[3] = np.nan
    embeddings = embeddings.copy()
    embeddings[3] = 1e4
    found = kernel_machine(without, embeddings)
    assert np.isnan(found[3]).all()
    others = np.delete(np.arange(300), 3)
    np.testing.assert_array_equal(found[others], kernel_machine(expected[others], embeddings[others]))


def test_leaving_out_in_closed_form_is_leaving_out(scenes):
    features, targets = scenes
    found = leave_one_out(features, targets, ridge=2.0)
    for image in (0, 100, 299):
        others = np.delete(np.arange(300), image)
        ridge = Ridge(alpha=2.0, fit_intercept=False).fit(features[others], targets[others])
        np.testing.assert_allclose(found[image], ridge.predict(features[[image]])[0], atol=1e-4)
