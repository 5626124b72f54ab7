"""The blockwise path against an obviously correct dense one, and what it does with partial labels and large files."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from labelmend_core import LabelMatrix, find_label_issues
from labelmend_core.detection.bins import N_BINS, N_OTHERS, bins_of, centres, least_p, quantile_steps
from labelmend_core.detection.blockwise import OTHERS, STEPS, WIDER, rank_probabilities
from labelmend_core.detection.calibrate import calibrate_counts
from labelmend_core.detection.chunks import probabilities
from labelmend_core.detection.labelling import LEAST_LABELLED, eased, eased_tail, fit_counts, share_wrong
from labelmend_core.detection.recalibration import recalibrate
from labelmend_core.errors import InputError

BESIDE = [*[2.0**k * m for k in range(-4, 6) for m in (1, 1.5)][1:], 64.0]  # where steps of others begin
EDGES = least_p(np.arange(1, N_BINS), np.dtype(np.float32))
COLUMNS = ["image_index", "class_index", "kind", "label_quality", "error_probability", "low", "high", "rank"]


def _counted(p, cells):
    """How many of the cells are in each bin."""
    bins = np.searchsorted(EDGES, p.astype(np.float32), side="right")
    return np.array([sum(bool(one) for one in cells[bins == b]) for b in range(N_BINS)], dtype=np.int64)


def _compared(p, candidate, error_like, kind):
    """The probability of an error and its interval by bin, by comparison."""
    way = 1 if kind == "missing" else -1
    n, e = _counted(p, candidate)[::way], _counted(p, error_like)[::way]
    starts = quantile_steps(n, e, STEPS)
    edges = [*starts, N_BINS]
    found = calibrate_counts(*(np.array([one[a:b].sum() for a, b in pairwise(edges)]) for one in (n, e)))
    of_bin = [int(np.searchsorted(starts, b, side="right")) - 1 for b in range(N_BINS)][::way]
    return np.array([[curve[step] for step in of_bin] for curve in (found.probability, found.low, found.high)])


def _wider_steps(steps_of_labelled):
    """Which wider step of others each step belongs to: about as many labelled cells in each."""
    n = len(steps_of_labelled)
    so_far = np.array([(steps_of_labelled <= step).sum() for step in range(N_OTHERS)])
    ends = {int((so_far < share * n).sum()) for share in np.linspace(0, 1, OTHERS + 1)[1:-1]}
    ends = sorted(end for end in ends if end < steps_of_labelled.max())
    return np.array([sum(step > end for end in ends) for step in range(N_OTHERS)]), len(ends) + 1


def _by_labels(p, labels, kind):
    """The same by how labels came about, by wider step of others and bin, and that step of each cell."""
    beside = p.sum(axis=1).astype(np.float32)[:, None] - p.astype(np.float32)
    steps = np.searchsorted(BESIDE, beside, side="right")
    wider, n_wider = _wider_steps(steps[labels == 1])
    steps = wider[steps]
    counts = [
        np.stack([_counted(p, (labels == label) & (steps == step)) for step in range(n_wider)], axis=1)[None]
        for label in (1, 0)
    ]
    firsts = range(0, N_BINS, WIDER)
    coarse = [np.stack([one[:, b : b + WIDER].sum(axis=1) for b in firsts], axis=1) for one in counts]
    middles = np.array([centres()[b + 1] for b in firsts])
    labelling = fit_counts(*coarse, middles, np.arange(n_wider - 1) + 0.5)
    x, step = np.meshgrid(centres(), np.arange(n_wider))
    of_class_0 = np.zeros(x.shape, dtype=np.int64)
    wrong = labelling.wrong(of_class_0, x, step, labelled=kind == "spurious")
    if kind == "spurious":
        wrong *= share_wrong(counts[0].sum(), (counts[0][0].T * wrong).sum())
    wrong = (eased if kind == "missing" else eased_tail)(wrong).round(12)
    _, low, high = recalibrate(1)(of_class_0.ravel(), wrong.ravel())
    return np.array([wrong, low.reshape(wrong.shape), high.reshape(wrong.shape)]), steps


def _dense_rows(labels, p, given, kind):
    """Every cell that is given so, with its probability of being an error."""
    enough = (labels == 1).sum() >= LEAST_LABELLED and (labels == 0).any()
    if enough and given != -1:
        curves, steps = _by_labels(p, labels, kind)
    else:
        found = _compared(p, labels == given, labels == 1 if kind == "missing" else labels != 1, kind)
        curves, steps = found[:, None], np.zeros(p.shape, dtype=np.int64)
    rows = []
    for i, c in zip(*np.nonzero(labels == given), strict=True):
        quality = 1 - p[i, c] if kind == "missing" else p[i, c]
        suspicion = p[i, c] if kind == "missing" else -p[i, c]
        found = curves[:, steps[i, c], int(np.searchsorted(EDGES, np.float32(p[i, c]), side="right"))].tolist()
        rows.append((i, c, kind, quality, *found, suspicion))
    return rows


def _dense(labels, p, min_probability, top):
    p = p.astype(np.float64)
    rows = []
    for kind, given_as in (("missing", (0, -1)), ("spurious", (1,))):
        own = [row for value in given_as for row in _dense_rows(labels, p, value, kind)]
        own = [row for row in own if row[4] >= min_probability]
        own.sort(key=lambda row: (-row[4], -row[7], row[0], row[1]))
        kept, of_class = [], dict.fromkeys(range(p.shape[1]), 0)
        for row in own:
            of_class[row[1]] += 1
            if top is None or of_class[row[1]] <= top:
                kept.append(row)
        rows += [(*row[:7], rank) for rank, row in enumerate(kept, start=1)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _variants(p: np.ndarray, folder: Path):
    """The same probabilities in every form that they may come in."""
    np.save(folder / "rows.npy", p)
    np.save(folder / "columns.npy", np.asfortranarray(p))
    wide = np.zeros((2 * p.shape[0], 3 * p.shape[1]), dtype=p.dtype)
    wide[::2, 1::3] = p
    stored = sparse.csr_array(p.astype(np.float32) if p.dtype == np.float16 else p)
    return (
        p,
        np.asfortranarray(p),
        wide[::2, 1::3],
        p.astype(p.dtype.newbyteorder()),
        np.load(folder / "rows.npy", mmap_mode="r"),
        np.load(folder / "columns.npy", mmap_mode="r"),
        stored,
        stored.tocsc(),
        stored.tocoo(),
    )


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@settings(max_examples=20)
@given(data=st.data())
def test_blocks_find_what_a_dense_comparison_finds(dtype, data, tmp_path_factory) -> None:
    n, k = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 6))
    rng = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    labels = rng.choice(
        [0, 1, -1], p=data.draw(st.sampled_from([(0.7, 0.3, 0), (0.5, 0.2, 0.3), (0, 0.4, 0.6)])), size=(n, k)
    )
    # Few different values, so that there are ties; or just where bins begin.
    few = (
        np.nextafter(rng.choice(EDGES, 30), rng.choice([0, 1, 2], 30) / 2)
        if data.draw(st.booleans())
        else rng.random(data.draw(st.integers(1, 60)))
    )
    few = [*few, 0.0, 1.0, -0.0, 1e-7, 0.99999]
    values = rng.choice(few, size=(n, k))
    p = np.where((labels == 1) & (values > 0), np.minimum(values + rng.random(), 1), values).astype(dtype)
    min_probability = data.draw(st.sampled_from([0.0, 0.02, 0.2, 0.5, 0.9]))
    top = data.draw(st.sampled_from([None, None, 1, 3]))
    expected = _dense(labels, p, min_probability, top)
    for form in _variants(p, tmp_path_factory.mktemp("probs")):
        found = rank_probabilities(
            LabelMatrix.from_dense(labels),
            probabilities(form),
            min_probability=min_probability,
            top=top,
            threads=data.draw(st.integers(1, 3)),
            chunk_cells=data.draw(st.integers(1, 400)),
        )
        # Where the sums of a fit are added up in another order, its search ends a little elsewhere.
        pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=1e-5, atol=1e-9)


def test_missing_labels_are_counted_where_each_image_kept_one() -> None:
    rng = np.random.default_rng(4)
    n, k = 6_000, 12
    truth = rng.random((n, k)) < rng.choice([0.08, 0.4], n)[:, None]  # pictures of one thing, and full scenes
    labels = truth & (rng.random((n, k)).argsort(axis=1).argsort(axis=1) == 0)
    first = np.where(truth, rng.random((n, k)), -1).argmax(axis=1)
    labels[np.arange(n), first] = truth[np.arange(n), first]
    p = 1 / (1 + np.exp(-(np.where(truth, 2.5, -2.5) + rng.normal(0, 1.5, (n, k)))))
    found = find_label_issues(labels, p, min_probability=0)
    missing = found[found["kind"] == "missing"]
    assert missing["error_probability"].sum() == pytest.approx((truth & ~labels).sum(), rel=0.15)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_bin_begins_at_its_edge_in_every_dtype(dtype) -> None:
    p = np.unique(np.concatenate([EDGES, np.nextafter(EDGES, 0.0), np.linspace(0, 1, 999)]).astype(dtype))
    expected = np.searchsorted(EDGES, p.astype(np.float32), side="right")
    np.testing.assert_array_equal(bins_of(p), expected)
    assert bins_of(np.array([-0.0, 1.0], dtype=dtype)).tolist() == [0, N_BINS - 1]


def _partial(rng: np.random.Generator, wrong_negatives: float):
    """Partial labels: half of all cells observed; unobserved present ones are missing, and some -1 are wrong."""
    n, k = 4_000, 8
    truth = rng.random((n, k)) < 0.2
    labels = np.where(rng.random((n, k)) < 0.5, np.where(truth, 1, -1), 0)
    labels[truth & (rng.random((n, k)) < wrong_negatives)] = -1
    p = 1 / (1 + np.exp(-(np.where(truth, 1.2, -2.5) + rng.normal(0, 1, (n, k)))))
    return truth, labels, p


def test_verified_negatives_without_errors_are_not_accused() -> None:
    _, labels, p = _partial(np.random.default_rng(0), wrong_negatives=0)
    issues = find_label_issues(labels, p, min_probability=0)
    missing = issues[issues["kind"] == "missing"]
    absent = labels[missing["image"], missing["class"]] == -1
    assert missing.loc[absent, "error_probability"].max() < 0.5
    assert missing.loc[absent, "error_probability"].mean() < 0.01
    assert (missing.loc[~absent, "error_probability"] > 0.9).sum() > 1_000


def test_wrong_verified_negatives_are_found_at_their_own_rate() -> None:
    truth, labels, p = _partial(np.random.default_rng(1), wrong_negatives=0.3)
    issues = find_label_issues(labels, p, min_probability=0)
    missing = issues[issues["kind"] == "missing"]
    is_error = truth[missing["image"], missing["class"]]
    label = labels[missing["image"], missing["class"]]
    for value in (0, -1):
        own = label == value
        expected = missing.loc[own, "error_probability"].sum()
        assert expected == pytest.approx(is_error[own].sum(), rel=0.15)


def test_a_class_and_kind_gives_its_top_cells_and_no_more() -> None:
    _, labels, p = _partial(np.random.default_rng(2), wrong_negatives=0.2)
    everything = find_label_issues(labels, p, min_probability=0)
    top = find_label_issues(labels, p, min_probability=0, top=7)
    first = everything[everything.groupby(["kind", "class"]).cumcount() < 7].reset_index(drop=True)
    first["rank"] = first.groupby("kind").cumcount() + 1
    pd.testing.assert_frame_equal(top, first)
    assert len(top) == 2 * 8 * 7


def test_top_holds_with_embeddings_too() -> None:
    rng = np.random.default_rng(3)
    labels, p = rng.integers(0, 2, (60, 4)), rng.random((60, 4))
    top = find_label_issues(labels, p, embeddings=rng.normal(size=(60, 5)), min_probability=0, top=2)
    assert top.groupby(["kind", "class"]).size().tolist() == [2] * 8
    assert top.loc[top["kind"] == "spurious", "rank"].tolist() == list(range(1, 9))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -0.25, 1.5])
def test_what_is_no_probability_is_named_with_its_cell(dtype, order: str, wrong: float) -> None:
    p = np.zeros((300, 5), dtype=dtype, order=order)
    p[:2] = -0.0
    p[217, 3] = wrong
    with pytest.raises(InputError, match=rf"got {wrong} for image 217, class 3"):
        rank_probabilities(LabelMatrix.empty(p.shape), probabilities(p), min_probability=0.5, chunk_cells=64)
    stored = sparse.csr_array(p.astype(np.float64))
    with pytest.raises(InputError, match=rf"got {wrong} for image 217, class 3"):
        find_label_issues(LabelMatrix.empty(p.shape), stored)


def test_more_than_one_is_refused_by_however_little() -> None:
    with pytest.raises(InputError, match=r"got 1\.00000"):
        find_label_issues([[1, 0]], np.array([[0.5, np.nextafter(1, 2)]]))


@pytest.mark.parametrize("wrong", [np.array([["a", "b"]]), np.array([[1j, 0]]), np.array([[None, 0.5]], dtype=object)])
def test_what_holds_no_numbers_is_refused(wrong: np.ndarray) -> None:
    with pytest.raises(InputError, match="pred_probs as numbers"):
        find_label_issues([[1, 0]], wrong)


def test_zeros_and_ones_of_any_dtype_are_probabilities() -> None:
    rng = np.random.default_rng(5)
    labels, p = rng.integers(0, 2, (50, 3)), rng.integers(0, 2, (50, 3))
    expected = find_label_issues(labels, p.astype(np.float64), min_probability=0)
    for dtype in (bool, np.int8, np.uint64, np.longdouble):
        assert find_label_issues(labels, p.astype(dtype), min_probability=0).equals(expected)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_nothing_in_nothing_out(shape: tuple[int, int]) -> None:
    assert len(find_label_issues(np.zeros(shape), np.zeros(shape), min_probability=0)) == 0


def test_progress_rises_to_its_end() -> None:
    seen: list[tuple[int, int]] = []
    labels = LabelMatrix.empty((100, 4))
    rank_probabilities(
        labels,
        probabilities(np.full((100, 4), 0.5)),
        min_probability=0.5,
        progress=lambda done, total: seen.append((done, total)),
        chunk_cells=40,
    )
    assert seen == [(i, 20) for i in range(1, 21)]


def test_changes_to_a_copy_on_write_file_are_not_lost(tmp_path: Path) -> None:
    np.save(tmp_path / "p.npy", np.full((500, 4), 0.25, dtype=np.float32))
    p = np.load(tmp_path / "p.npy", mmap_mode="c")
    p[3, 1] = 0.75
    find_label_issues(np.eye(500, 4, dtype=np.int8), p)
    assert p[3, 1] == 0.75


def test_a_sparse_matrix_is_never_made_dense() -> None:
    rng = np.random.default_rng(6)
    shape = (1_000_000, 20_000)  # 40 GB as float16
    rows = np.arange(3_000)
    columns = rng.integers(0, 40, 3_000)
    p = sparse.csr_array((np.full(3_000, 0.9, dtype=np.float32), (rows, columns)), shape=shape)
    labels = LabelMatrix.from_cells(rows[:2_000], columns[:2_000], np.ones(2_000), shape)
    issues = find_label_issues(labels, p)
    assert set(issues["image"]) == set(range(2_000, 3_000))
    assert (issues["kind"] == "missing").all()
