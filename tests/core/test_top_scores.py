"""The highest probabilities of each image: blocks from anywhere, merged once each, found in like dense ones."""

import numpy as np
import pytest
import torch

from labelmend_core.detection import find_label_issues
from labelmend_core.errors import InputError
from labelmend_core.top_scores import About, TopScores, blocks, merge, write_block
from labelmend_core.training.scoring import kept_of
from labelmend_core.types import LabelMatrix

N, K = 300, 40
ABOUT = About(N, tuple(f"class {i}" for i in range(K)), 12, "network", "images")


@pytest.fixture(scope="module")
def labels() -> LabelMatrix:
    rng = np.random.default_rng(0)
    return LabelMatrix.from_dense((rng.random((N, K)) < 0.05).astype(np.int8) - (rng.random((N, K)) < 0.01))


@pytest.fixture(scope="module")
def pred_probs(labels: LabelMatrix) -> np.ndarray:
    """High where a label is, with some that are missing and some that are wrong; float16 as in the store."""
    rng = np.random.default_rng(1)
    turned = rng.random((N, K)) < 0.01
    z = np.where((labels.dense() == 1) ^ turned, 3.0, -5.0) + rng.normal(size=(N, K))
    return (1 / (1 + np.exp(-z))).astype(np.float16)


def _write(folder, pred_probs: np.ndarray, labels: LabelMatrix, start: int, stop: int, about: About = ABOUT) -> None:
    images, classes, _ = labels.cells(start, stop)
    p = torch.from_numpy(pred_probs[start:stop].astype(np.float32))
    write_block(folder, about, start, kept_of(p, about.k, images - start, classes))


def test_an_image_keeps_its_highest_and_those_of_its_labels(tmp_path, pred_probs, labels) -> None:
    for start in (200, 0, 100):  # in any order
        _write(tmp_path, pred_probs, labels, start, start + 100)
    merge(tmp_path)
    found = TopScores.open(tmp_path)
    assert found.shape == (N, K)
    for image in range(0, N, 7):
        classes, p = found.row(image)
        np.testing.assert_array_equal(p, pred_probs[image, classes])
        highest = set(np.argsort(-pred_probs[image], kind="stable")[: ABOUT.k].tolist())
        labelled = set(np.flatnonzero(labels.dense()[image]).tolist())
        assert labelled <= set(classes.tolist())
        assert np.sort(pred_probs[image, list(highest)])[0] <= np.sort(p)[-ABOUT.k]
        assert len(classes) <= len(highest | labelled)
        assert np.all(np.diff(classes) > 0)


def test_the_same_errors_are_found_as_in_all_probabilities(tmp_path, pred_probs, labels) -> None:
    _write(tmp_path, pred_probs, labels, 0, N)
    dense, sparse = (
        find_label_issues(labels, probs, min_probability=0.5)[["image", "class", "kind"]]
        for probs in (pred_probs, merge(tmp_path))
    )
    assert len(dense) > 50
    both = dense.merge(sparse)
    assert len(both) >= 0.97 * max(len(dense), len(sparse))


@pytest.mark.parametrize(
    ("ranges", "sentence"),
    [
        ([(0, 100), (200, 300)], r"images 100 to 199 are in no block"),
        ([(0, 100), (100, 250)], r"images 250 to 299 are in no block"),
        ([(0, 150), (100, 300)], r"images 100 to 149 are in two blocks"),
        ([], r"found none"),
    ],
)
def test_images_that_are_not_there_once_are_named(tmp_path, pred_probs, labels, ranges, sentence: str) -> None:
    for start, stop in ranges:
        _write(tmp_path, pred_probs, labels, start, stop)
    with pytest.raises(InputError, match=sentence):
        merge(tmp_path)


def test_blocks_of_something_else_are_refused(tmp_path, pred_probs, labels) -> None:
    _write(tmp_path, pred_probs, labels, 0, 100)
    _write(tmp_path, pred_probs, labels, 100, 300, About(N, ABOUT.class_names, 12, "another network", "images"))
    with pytest.raises(InputError, match="same network, images and k"):
        merge(tmp_path)


def test_a_block_that_was_cut_off_is_named(tmp_path, pred_probs, labels) -> None:
    _write(tmp_path, pred_probs, labels, 0, N)
    (path,) = blocks(tmp_path).values()
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(InputError, match=rf"{path.name}.*delete it and score again"):
        merge(tmp_path)


def test_arrays_that_do_not_fit_together_are_refused(tmp_path, pred_probs, labels) -> None:
    _write(tmp_path, pred_probs, labels, 0, N)
    indptr = np.array(merge(tmp_path).indptr)
    indptr[5] = 10**9
    np.save(tmp_path / "indptr.npy", indptr)
    with pytest.raises(InputError, match="fit together"):
        TopScores.open(tmp_path)


def test_nothing_is_held_against_the_labels_of_an_unreadable_image(tmp_path, labels) -> None:
    images, _, values = labels.cells()
    unreadable = int(images[values == 1][0])
    nothing = (np.zeros(0, dtype=np.int64), np.zeros(0))
    write_block(tmp_path, ABOUT, 0, [nothing] * N, [unreadable])
    found = find_label_issues(labels, merge(tmp_path), min_probability=0)
    assert unreadable not in set(found.loc[found["kind"] == "spurious", "image"])
    assert len(found.loc[found["kind"] == "spurious"]) > 0
