"""The neighbour score against a naive search."""

import numpy as np

from labelmend_core.detection.scores import neighbours, out_of_sample
from labelmend_core.detection.scores.neighbours import NEIGHBOURS

N, K = 90, 3


def _images(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.random((N, K)), rng.normal(5, 1, (N, 8)).astype(np.float32)


def test_it_is_the_mean_p_of_the_nearest_others() -> None:
    probs, embeddings = _images()
    unit = (embeddings - embeddings.mean(axis=0)) / embeddings.std(axis=0)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    similarity = unit @ unit.T
    found = neighbours(probs, embeddings)
    for i in range(N):
        order = [j for j in np.argsort(-similarity[i], kind="stable") if j != i][:NEIGHBOURS]
        expected = out_of_sample(probs[order].mean(axis=0, keepdims=True))[0]
        np.testing.assert_allclose(found[i], expected, rtol=1e-3, atol=1e-4)


def test_an_unreadable_image_is_nobodys_neighbour() -> None:
    probs, embeddings = _images()
    bad = np.zeros(N, dtype=bool)
    bad[[4, 50]] = True
    with_bad = probs.copy()
    with_bad[bad] = np.nan
    found = neighbours(with_bad, embeddings)
    assert np.isnan(found[bad]).all()
    np.testing.assert_allclose(found[~bad], neighbours(probs[~bad], embeddings[~bad]), rtol=1e-5)


def test_one_image_has_no_neighbours_and_keeps_its_own_p() -> None:
    probs, embeddings = _images()
    np.testing.assert_allclose(neighbours(probs[:1], embeddings[:1]), out_of_sample(probs[:1]))


def test_copies_of_one_image_are_each_others_neighbours() -> None:
    probs, embeddings = _images()
    embeddings[:60] = embeddings[0]
    assert np.isfinite(neighbours(probs, embeddings)).all()
