"""Planted noise: how much, where, and that the mask tells exactly what changed."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from labelmend_core.errors import InputError
from labelmend_core.types import LabelMatrix
from labelmend_datasets.noise import NOISES, add_spurious, drop_labels, partial_labels, single_positive

FAR = 1e-6  # chance of a false alarm of one binomial test


def random_labels(n: int, k: int, share: float, seed: int = 1234) -> LabelMatrix:
    """Labels with rare and frequent classes, and one -1 in ten of the other cells."""
    rng = np.random.default_rng(seed)
    present = rng.random((n, k)) < share * 2 * (k - np.arange(k)) / k
    absent = ~present & (rng.random((n, k)) < 0.1)
    return LabelMatrix.from_dense(present.astype(int) - absent)


def is_plausible(successes: int, trials: int, probability: float) -> bool:
    return stats.binomtest(int(successes), int(trials), probability).pvalue > FAR


small_labels = hnp.arrays(
    np.int8, st.tuples(st.integers(1, 6), st.integers(1, 5)), elements=st.sampled_from([-1, 0, 1])
)


@pytest.mark.parametrize("kind", NOISES.values(), ids=NOISES)
@given(dense=small_labels, seed=st.integers(0, 99))
def test_the_mask_is_exactly_what_changed_and_the_input_stays(kind, dense, seed):
    labels = LabelMatrix.from_dense(dense)
    amount = 0.0 if kind.name == "spurious" and (dense == 1).all(axis=1).any() else None

    noised = kind.apply(labels, np.random.default_rng(seed), amount)

    assert (labels.dense() == dense).all()
    assert noised.noise_mask.dtype == bool
    assert noised.noise_mask.shape == dense.shape
    assert (noised.noise_mask.toarray() == (noised.labels.dense() != dense)).all()


@pytest.mark.parametrize("kind", NOISES.values(), ids=NOISES)
def test_a_seed_gives_the_same_noise_and_another_seed_another(kind):
    labels = random_labels(200, 8, 0.3)

    first, again, other = (kind.apply(labels, np.random.default_rng(seed)).labels for seed in (1, 1, 2))

    assert first == again
    assert first != other


@pytest.mark.parametrize("keep", [0.1, 0.4, 0.75])
def test_drop_keeps_each_label_with_its_probability_and_one_an_image(keep):
    labels = random_labels(5_000, 20, 0.25)
    dense = labels.dense()

    dropped = drop_labels(labels, keep, np.random.default_rng(0)).labels.dense()

    counts, left = (dense == 1).sum(axis=1), (dropped == 1).sum(axis=1)
    assert (left[counts > 0] > 0).all()
    assert ((dropped == dense) | ((dense == 1) & (dropped == 0))).all()
    # An image of c labels keeps none with probability (1 - keep)^c, and then one.
    for count in (1, 2, 5, 8):
        images = counts == count
        expected = (count * keep + (1 - keep) ** count) / count
        deviation = left[images].sum() - expected * images.sum() * count
        assert abs(deviation) <= 5 * np.sqrt(count * images.sum() * 0.25)


def test_drop_at_its_ends():
    labels = random_labels(300, 10, 0.3)

    assert drop_labels(labels, 1.0, np.random.default_rng(0)).labels == labels
    left = drop_labels(labels, 0.0, np.random.default_rng(0)).labels.dense()
    assert ((left == 1).sum(axis=1) == (labels.dense() == 1).any(axis=1)).all()


@pytest.mark.parametrize("noise", [lambda labels, rng: drop_labels(labels, 0.0, rng), single_positive])
def test_the_label_that_stays_is_each_one_equally_often(noise):
    labels = LabelMatrix.from_dense(np.tile([1, 0, 1, 1, -1], (9_000, 1)))

    left = noise(labels, np.random.default_rng(0)).labels.dense()

    assert ((left == 1).sum(axis=1) == 1).all()
    assert (left[:, 4] == -1).all()
    assert all(is_plausible((left[:, index] == 1).sum(), 9_000, 1 / 3) for index in (0, 2, 3))


KNOWN = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]


def complete_labels(n: int, k: int, share: float) -> LabelMatrix:
    """Labels with rare and frequent classes, annotated completely: 1 and 0."""
    return LabelMatrix.from_dense(np.maximum(random_labels(n, k, share).dense(), 0))


@pytest.mark.parametrize("known", KNOWN)
@pytest.mark.parametrize("unobserved", ["auto", "absent"])
def test_partial_knows_each_cell_of_complete_labels_with_its_probability(known, unobserved):
    # Told that 0 is absent, verified negatives among the labels do not make them partial.
    labels = complete_labels(3_000, 12, 0.2) if unobserved == "auto" else random_labels(3_000, 12, 0.2)
    present = labels.dense() == 1

    partial = partial_labels(labels, known, np.random.default_rng(0), unobserved=unobserved).labels.dense()

    assert set(np.unique(partial[present])) == {0, 1}
    assert set(np.unique(partial[~present])) == {-1, 0}
    assert is_plausible((partial[present] != 0).sum(), present.sum(), known)
    assert is_plausible((partial[~present] != 0).sum(), (~present).sum(), known)


@pytest.mark.parametrize("known", KNOWN)
def test_partial_labels_made_partial_again_know_a_share_of_what_was_known(known):
    labels = random_labels(3_000, 12, 0.2)
    dense = labels.dense()

    partial = partial_labels(labels, known, np.random.default_rng(0)).labels.dense()

    assert ((partial == dense) | (partial == 0)).all()
    for value in (1, -1):
        assert is_plausible((partial == value).sum(), (dense == value).sum(), known)


@given(dense=small_labels, seed=st.integers(0, 99), known=st.floats(0, 1))
def test_partial_never_verifies_what_nobody_looked_at_in_labels_with_verified_negatives(dense, seed, known):
    partial = partial_labels(LabelMatrix.from_dense(dense), known, np.random.default_rng(seed)).labels.dense()

    assert (partial[dense == 1] >= 0).all()
    assert (partial[dense == -1] <= 0).all()
    assert (partial[dense == 0] <= 0).all()
    assert not (dense == -1).any() or (partial[dense == 0] == 0).all()


def test_partial_at_its_ends():
    labels, again = complete_labels(50, 5, 0.3), random_labels(50, 5, 0.3)

    assert partial_labels(labels, 0.0, np.random.default_rng(0)).labels == LabelMatrix.empty((50, 5))
    complete = partial_labels(labels, 1.0, np.random.default_rng(0)).labels.dense()
    assert (complete == np.where(labels.dense() == 1, 1, -1)).all()
    assert partial_labels(again, 1.0, np.random.default_rng(0)).labels == again


def test_partial_does_not_depend_on_the_size_of_its_blocks(monkeypatch):
    labels = random_labels(100, 7, 0.3)
    whole = partial_labels(labels, 0.4, np.random.default_rng(0)).labels
    monkeypatch.setattr("labelmend_datasets.noise._BLOCK", 9)

    assert partial_labels(labels, 0.4, np.random.default_rng(0)).labels == whole


@pytest.mark.parametrize("fraction", [0.0, 0.08, 1.0])
def test_spurious_gives_that_share_of_the_images_one_class_that_they_lack(fraction):
    labels = complete_labels(2_000, 15, 0.2)
    dense = labels.dense()

    noised = add_spurious(labels, fraction, np.random.default_rng(0))

    added = noised.noise_mask.toarray()
    assert added.any(axis=1).sum() == round(fraction * 2_000)
    assert added.sum(axis=1).max(initial=0) <= 1
    assert (dense[added] != 1).all()
    assert (noised.labels.dense()[added] == 1).all()


def test_spurious_gives_partial_labels_only_classes_that_are_known_to_be_absent():
    labels = random_labels(2_000, 15, 0.2)
    dense = labels.dense()

    added = add_spurious(labels, 0.5, np.random.default_rng(0)).noise_mask.toarray()

    assert added.sum() == 1_000
    assert (dense[added] == -1).all()
    told = add_spurious(labels, 0.5, np.random.default_rng(0), unobserved="absent").noise_mask.toarray()
    assert (dense[told] == 0).any()
    can = ((dense == -1) & (dense == 1).any(axis=0)).any(axis=1).sum()
    with pytest.raises(InputError, match=f"2000 images that lack a class that occurs, got {can}"):
        add_spurious(labels, 1.0, np.random.default_rng(0))


def test_spurious_draws_classes_by_their_frequency():
    dense = np.zeros((40_000, 4), dtype=int)
    dense[:5_000, 1], dense[:2_500, 2], dense[:2_500, 3] = 1, 1, -1
    labels = LabelMatrix.from_dense(dense)

    with pytest.raises(InputError, match="40000 images that lack a class that occurs, got 37500"):
        add_spurious(labels, 1.0, np.random.default_rng(0), unobserved="absent")
    added = add_spurious(labels, 0.9, np.random.default_rng(0), unobserved="absent").noise_mask.toarray()

    assert added[:, [0, 3]].sum() == 0
    lacks_both = slice(5_000, None)
    assert is_plausible(added[lacks_both, 1].sum(), added[lacks_both].sum(), 2 / 3)
    has_first = slice(2_500, 5_000)
    assert added[has_first, 1].sum() == 0
    assert added[has_first, 2].sum() > 2_000


@pytest.mark.parametrize("noise", [drop_labels, partial_labels, add_spurious])
@pytest.mark.parametrize("amount", [-0.1, 1.1, 40, float("nan")])
def test_an_amount_that_is_no_share_is_refused(noise, amount):
    with pytest.raises(InputError, match=r"in \[0, 1\], got .*; is it a percentage\?"):
        noise(random_labels(5, 3, 0.5), amount, np.random.default_rng(0))


def test_a_kind_without_an_amount_takes_none():
    with pytest.raises(InputError, match=r"Expected no amount for noise 'single', got 0\.5"):
        NOISES["single"].apply(random_labels(5, 3, 0.5), np.random.default_rng(0), 0.5)


@pytest.mark.parametrize("kind", NOISES.values(), ids=NOISES)
def test_a_kind_to_which_unobserved_cells_do_not_matter_is_not_told_about_them(kind):
    labels = random_labels(60, 3, 0.3)
    if kind.reads_unobserved:
        told = kind.apply(labels, np.random.default_rng(0), 0.2, unobserved="absent").labels
        assert told == kind.function(labels, 0.2, np.random.default_rng(0), unobserved="absent").labels
    else:
        with pytest.raises(InputError, match=f"nothing about unobserved cells for noise '{kind.name}', got 'absent'"):
            kind.apply(labels, np.random.default_rng(0), unobserved="absent")


def test_the_registry_says_what_the_amount_is():
    assert {kind.name: kind.parameter for kind in NOISES.values()} == {
        "drop": "keep",
        "single": None,
        "partial": "known",
        "spurious": "image_fraction",
    }


def test_many_images_and_classes_never_become_a_dense_array():
    rng = np.random.default_rng(0)
    images = np.repeat(np.arange(200_000), 3)
    labels = LabelMatrix.from_cells(images, rng.integers(0, 5_000, images.size), np.ones(images.size), (200_000, 5_000))

    tracemalloc.start()
    dropped = drop_labels(labels, 0.4, rng).labels
    spurious = add_spurious(labels, 0.01, rng)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert dropped.nbytes < labels.nbytes
    assert spurious.noise_mask.nnz == 2_000
    assert peak < 400_000_000  # a dense int8 array would be 1,000 MB
