"""The audit sample: random, reproducible, everywhere a little, and shown at places that say nothing."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from labelmend_core.detection.audit import N_STEPS, OUTSIDE, STEPS, Frame, draw_audit, frame_of, with_places
from labelmend_core.errors import InputError, WorkspaceError
from labelmend_core.types import Kind

N, K = 600, 5


@pytest.fixture
def cells() -> pd.DataFrame:
    """Candidates of both kinds, each cell once, most of them unsuspicious; ranked within kind."""
    rng = np.random.default_rng(0)
    images, classes = np.divmod(np.arange(N * K), K)
    kinds = np.where(rng.random(N * K) < 0.2, "spurious", "missing")
    frame = pd.DataFrame({"image_index": images, "class_index": classes, "kind": kinds})
    frame["error_probability"] = rng.beta(0.15, 3, N * K)
    frame = frame.sort_values("error_probability", ascending=False, ignore_index=True)
    return frame.assign(rank=frame.groupby("kind").cumcount() + 1)


def test_a_seed_draws_the_same_cells_again_and_another_seed_others(cells: pd.DataFrame) -> None:
    first = draw_audit(cells, 50, seed=1)
    assert first.equals(draw_audit(cells, 50, seed=1))
    assert not first.equals(draw_audit(cells, 50, seed=2))


def test_each_kind_has_its_number_of_cells_and_no_cell_twice(cells: pd.DataFrame) -> None:
    drawn = draw_audit(cells, 120, seed=0)
    assert drawn["kind"].value_counts().to_dict() == {"missing": 120, "spurious": 120}
    assert not drawn.duplicated(["image_index", "class_index"]).any()


def test_the_weights_stand_for_all_cells(cells: pd.DataFrame) -> None:
    drawn = draw_audit(cells, 120, seed=0)
    for kind, of_kind in drawn.groupby("kind"):
        assert (1 / of_kind["inclusion_probability"]).sum() == pytest.approx((cells["kind"] == kind).sum())


def test_the_inclusion_probability_is_how_often_a_cell_is_drawn(cells: pd.DataFrame) -> None:
    """So the weighted sum of anything is right on average (Horvitz & Thompson)."""
    few = cells[cells["kind"] == "missing"].head(300)
    value = np.sin(np.arange(N * K, dtype=float)) ** 2
    key = few["image_index"] * K + few["class_index"]
    sums = []
    for seed in range(150):
        drawn = draw_audit(few, 40, seed=seed)
        sums.append((value[drawn["image_index"] * K + drawn["class_index"]] / drawn["inclusion_probability"]).sum())
    assert np.mean(sums) == pytest.approx(value[key].sum(), abs=4 * np.std(sums) / np.sqrt(150))


def test_every_step_of_suspicion_is_looked_at(cells: pd.DataFrame) -> None:
    drawn = draw_audit(cells, 120, seed=0)
    for kind, of_kind in cells.groupby("kind"):
        there = np.bincount(np.searchsorted(STEPS, of_kind["error_probability"], side="right"), minlength=N_STEPS)
        mine = drawn.loc[drawn["kind"] == kind, "error_probability"]
        looked_at = np.bincount(np.searchsorted(STEPS, mine, side="right"), minlength=N_STEPS)
        assert (looked_at >= np.minimum(there, 3)).all()


def test_likely_errors_are_drawn_more_often_than_unlikely_ones(cells: pd.DataFrame) -> None:
    drawn = draw_audit(cells[cells["kind"] == "missing"], 120, seed=0)
    likely = drawn["error_probability"] > 0.1
    assert drawn.loc[likely, "inclusion_probability"].mean() > 3 * drawn.loc[~likely, "inclusion_probability"].mean()


def test_a_sample_that_is_larger_than_the_dataset_is_the_dataset(cells: pd.DataFrame) -> None:
    drawn = draw_audit(cells, N * K, seed=0)
    assert len(drawn) == N * K
    assert (drawn["inclusion_probability"] == 1).all()


def test_no_cells_and_no_size_give_an_empty_sample(cells: pd.DataFrame) -> None:
    assert len(draw_audit(cells, 0, seed=0)) == len(draw_audit(cells.head(0), 20, seed=0)) == 0


def test_a_negative_size_is_refused(cells: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="0 cells or more, got -1"):
        draw_audit(cells, -1, seed=0)


def test_a_frame_knows_the_step_of_every_candidate_and_survives_its_files(cells: pd.DataFrame, tmp_path: Path) -> None:
    left_out = cells.iloc[7:]
    frame_of(left_out, (N, K)).write(tmp_path)
    frame = Frame.read(tmp_path)
    assert (frame.codes == OUTSIDE).sum() == 7
    for kind in Kind:
        of_kind = left_out[left_out["kind"] == kind.value]
        images, classes = of_kind["image_index"].to_numpy(), of_kind["class_index"].to_numpy()
        steps = frame.steps(images, classes, kind)
        assert (steps == np.searchsorted(STEPS, of_kind["error_probability"], side="right")).all()
        sizes, expected = frame.of(kind)
        assert (sizes.sum(), expected.sum()) == (len(of_kind), pytest.approx(of_kind["error_probability"].sum()))
        other = next(other for other in Kind if other is not kind)
        assert (frame.steps(images, classes, other) == -1).all()


def test_a_frame_that_is_gone_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match=r"codes\.npy is gone; restore it from a backup, or train again"):
        Frame.read(tmp_path)


def test_the_sample_is_shown_early_and_spread_among_the_suggestions(cells: pd.DataFrame) -> None:
    suggestions = cells[cells["error_probability"] >= 0.02]
    shown = with_places(draw_audit(cells, 100, seed=0), suggestions, seed=0)
    assert shown.equals(with_places(draw_audit(cells, 100, seed=0), suggestions, seed=0))
    for queue, of_queue in shown.groupby(["class_index", "kind"]):
        of_class = suggestions[(suggestions["class_index"] == queue[0]) & (suggestions["kind"] == queue[1])]
        ranks = np.sort(of_class["rank"].to_numpy())
        assert of_queue["place"].isin(ranks).all()
        assert (of_queue["again"] >= of_queue["place"]).all()
        before = np.searchsorted(ranks, np.sort(of_queue["place"].to_numpy()))
        assert before.max() <= 8 * len(of_queue) + 8


def test_where_nothing_is_suggested_the_sample_has_places_of_its_own(cells: pd.DataFrame) -> None:
    shown = with_places(draw_audit(cells, 30, seed=0), cells.head(0), seed=0)
    for _, of_queue in shown.groupby(["class_index", "kind"]):
        assert sorted(of_queue["place"]) == list(range(1, len(of_queue) + 1))
        assert of_queue["again"].min() > of_queue["place"].max()


def test_the_order_in_which_the_sample_is_shown_says_nothing_of_suspicion(cells: pd.DataFrame) -> None:
    one = cells[(cells["class_index"] == 0) & (cells["kind"] == "missing")]
    together = []
    for seed in range(60):
        shown = with_places(draw_audit(one, 40, seed=seed), one.head(100), seed=seed)
        together.append(shown["place"].corr(shown["error_probability"], method="spearman"))
    assert abs(np.mean(together)) < 4 / np.sqrt(60 * 39)
