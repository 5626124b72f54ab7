"""`find_label_issues` on labels with planted errors, and on wrong input."""

import subprocess
import sys

import numpy as np
import pytest

from labelmend_core import Dynamics, LabelMatrix, find_label_issues
from labelmend_core.errors import InputError

N, K = 400, 6


def _planted(seed: int = 0):
    """True labels, given labels with drops and additions, and probabilities that know the truth fairly well."""
    rng = np.random.default_rng(seed)
    truth = rng.random((N, K)) < 0.25
    given = truth.copy()
    given[truth & (rng.random((N, K)) < 0.3)] = False
    given[~truth & (rng.random((N, K)) < 0.03)] = True
    logits = np.where(truth, 1.5, -2.0) + rng.normal(0, 1, (N, K))
    return truth, given.astype(np.int8), 1 / (1 + np.exp(-logits))


def _dynamics(mean: np.ndarray) -> Dynamics:
    nothing = np.full(mean.shape, -1, dtype=np.int16)
    return Dynamics(mean, np.zeros_like(mean), mean, nothing, nothing)


def test_planted_errors_come_first_in_both_kinds() -> None:
    truth, given, probs = _planted()
    issues = find_label_issues(given, probs, min_probability=0)
    for kind, wrong in (("missing", truth & (given == 0)), ("spurious", ~truth & (given == 1))):
        of_kind = issues[issues["kind"] == kind]
        first = of_kind.head(int(wrong.sum()))
        base_rate = wrong.sum() / len(of_kind)
        assert wrong[first["image"], first["class"]].mean() > 3 * base_rate


def test_every_cell_comes_back_once_when_nothing_is_held_back() -> None:
    _, given, probs = _planted()
    issues = find_label_issues(given, probs, min_probability=0)
    assert len(issues.drop_duplicates(["image", "class"])) == len(issues) == N * K
    spurious = issues[issues["kind"] == "spurious"]
    assert (given[spurious["image"], spurious["class"]] == 1).all()
    assert len(spurious) == (given == 1).sum()


def test_the_likeliest_error_comes_first_and_among_equals_the_least_label_quality() -> None:
    _, given, probs = _planted()
    issues = find_label_issues(given, probs, min_probability=0)
    p = probs[issues["image"], issues["class"]]
    np.testing.assert_allclose(issues["label_quality"], np.where(issues["kind"] == "spurious", p, 1 - p), rtol=1e-6)
    for _, of_kind in issues.groupby("kind"):
        assert of_kind["rank"].tolist() == list(range(1, len(of_kind) + 1))
        assert (np.diff(of_kind["error_probability"]) <= 0).all()
        equals = of_kind.groupby("error_probability")["label_quality"]
        assert equals.apply(lambda quality: quality.is_monotonic_increasing).all()


def test_min_probability_keeps_the_likelier_cells_only() -> None:
    _, given, probs = _planted()
    everything = find_label_issues(given, probs, min_probability=0)
    some = find_label_issues(given, probs, min_probability=0.7)
    assert 0 < len(some) == (everything["error_probability"] >= 0.7).sum()


def test_order_of_images_and_classes_makes_no_difference() -> None:
    _, given, probs = _planted()
    rng = np.random.default_rng(1)
    rows, columns = rng.permutation(N), rng.permutation(K)
    plain = find_label_issues(given, probs, min_probability=0)
    moved = find_label_issues(
        given[rows][:, columns],
        probs[rows][:, columns],
        image_ids=[str(i) for i in rows],
        class_names=[str(k) for k in columns],
        min_probability=0,
    )
    moved["image"], moved["class"] = moved["image"].astype(int), moved["class"].astype(int)
    key = ["image", "class"]
    left = plain.set_index(key)["error_probability"].sort_index()
    right = moved.set_index(key)["error_probability"].sort_index()
    np.testing.assert_allclose(left, right, rtol=1e-6)


def test_dynamics_change_the_order() -> None:
    _, given, _ = _planted()
    flat = np.full((N, K), 0.5)
    mean = flat.copy()
    row, column = np.argwhere(given == 0)[17]
    mean[row, column] = 0.99
    issues = find_label_issues(given, flat, dynamics=_dynamics(mean), min_probability=0)
    first = issues[issues["kind"] == "missing"].iloc[0]
    assert (first["image"], first["class"]) == (row, column)


def test_alike_images_help_and_copies_of_one_image_do_no_harm() -> None:
    truth, given, _ = _planted()
    rng = np.random.default_rng(4)
    vague = 1 / (1 + np.exp(-(np.where(truth, 0.5, -0.5) + rng.normal(0, 1, (N, K)))))
    embeddings = truth + rng.normal(0, 0.3, (N, K))
    embeddings[:40] = embeddings[0]
    hits = {}
    for name, extra in (("alone", {}), ("with neighbours", {"embeddings": embeddings})):
        issues = find_label_issues(given, vague, min_probability=0, **extra)
        missing = issues[issues["kind"] == "missing"].head(100)
        hits[name] = truth[missing["image"], missing["class"]].mean()
    assert hits["with neighbours"] > hits["alone"] + 0.1


@pytest.mark.parametrize("wrong", [np.zeros((N - 1, 3)), np.zeros(N), np.full((N, 3), np.nan)])
def test_wrong_embeddings_are_one_sentence(wrong: np.ndarray) -> None:
    _, given, probs = _planted()
    with pytest.raises(InputError, match="embeddings"):
        find_label_issues(given, probs, embeddings=wrong)


def test_a_verified_negative_can_be_missing_but_never_spurious() -> None:
    _, given, probs = _planted()
    given[5, 2] = -1
    issues = find_label_issues(given, probs, min_probability=0)
    kind = issues[(issues["image"] == 5) & (issues["class"] == 2)]["kind"].tolist()
    assert kind == ["missing"]


def test_a_class_without_any_positive_is_ranked_all_the_same() -> None:
    _, given, probs = _planted()
    given[:, 3] = 0
    issues = find_label_issues(given, probs, min_probability=0)
    assert (issues["class"] == 3).sum() == N
    assert issues["error_probability"].notna().all()


def test_labels_may_be_sparse_and_are_not_changed() -> None:
    _, given, probs = _planted()
    dense = find_label_issues(given.copy(), probs)
    sparse = find_label_issues(LabelMatrix.from_dense(given), probs)
    assert dense.equals(sparse)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda given, probs: (given[:, :-1], probs), r"pred_probs of shape \(400, 5\).*got \(400, 6\)"),
        (lambda given, probs: (given, probs[:-1]), r"shape \(400, 6\).*got \(399, 6\).*dropped on export"),
        (lambda given, probs: (given * 2, probs), "1, 0 or -1"),
        (lambda given, probs: (given, probs * 10 - 5), r"in \[0, 1\].*sigmoid"),
        (lambda given, probs: (given, np.where(np.arange(K) == 2, np.nan, probs)), "got nan for image 0, class 2"),
    ],
)
def test_wrong_input_is_one_sentence(change, sentence: str) -> None:
    _, given, probs = _planted()
    with pytest.raises(InputError, match=sentence):
        find_label_issues(*change(given, probs))


def test_names_of_another_length_are_refused() -> None:
    _, given, probs = _planted()
    with pytest.raises(InputError, match=r"6 class_names.*got 5"):
        find_label_issues(given, probs, class_names=list("abcde"))


def test_own_predictions_need_no_torch() -> None:
    code = (
        "import sys, numpy as np; from labelmend_core import find_label_issues;"
        "find_label_issues([[1, 0]], np.array([[.9, .2]])); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
