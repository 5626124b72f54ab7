"""Figures and tables of the loss lab: curves of every loss, and what a run measured over them."""

import numpy as np
import pandas as pd
import pytest

from labelmend_app.screens._lab_curves import TARGETS, Curve, View
from labelmend_app.screens._lab_figure import TARGET_OF, Measured, over_theory, theory
from labelmend_app.screens.loss_lab import rows_of
from labelmend_core.curve_batch import CurveBatch
from labelmend_core.curves import loss_curve
from labelmend_core.errors import InputError
from labelmend_core.gradient_groups import GROUP_WORDS
from labelmend_core.training.dynamics import GROUPS as MEASURED_GROUPS

SPLC = Curve("splc")


@pytest.fixture
def run():
    """Three epochs of two bins of every group; in each epoch the gradients are another."""
    bins = {"p_low": [0.5, 0.9], "p_high": [0.55, 0.95], "count": [10, 5]}
    frames = [
        pd.DataFrame({"epoch": epoch, "group": group, **bins, "gradient": [place + epoch / 10, -0.1]})
        for epoch in range(3)
        for place, group in enumerate(MEASURED_GROUPS)
    ]
    return Measured("the run", SPLC, pd.concat(frames, ignore_index=True), 1)


def _trace(figure, name, place="x"):
    return next(trace for trace in figure.data if trace.name == name and trace.xaxis == place)


# Curves as text


@pytest.mark.parametrize(
    "text", ["bce", "asl gamma_neg=2 clip=0 detach_weight=false", "pu_mlc floor=1e-06", "csl mode=ignore"]
)
def test_a_curve_is_read_from_what_it_is_written_as(text):
    assert Curve.parse(text).text == text


def test_settings_at_their_default_are_not_written():
    assert Curve.parse("hill margin=1 gamma=2 lam=1.5") == Curve("hill")
    assert Curve("hill").values() == {"lam": 1.5, "margin": 1.0, "gamma": 2.0, "unobserved_weight": 1.0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Expected a loss among"),
        ("hil", "got 'hil'"),
        ("hill lamb=2", "no hyperparameter 'lamb'"),
        ("hill lam", "Expected NAME=VALUE"),
        ("hill lam=99", "a number from 1 to 3"),
        ("hill lam=nan", "a number from 1 to 3"),
        ("asl detach_weight=1", "True or False"),
    ],
)
def test_a_text_that_is_no_curve_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        Curve.parse(text)


# Theory


def test_the_chart_has_loss_and_gradient_of_each_curve_and_target():
    figure = theory([Curve("bce"), Curve.parse("hill lam=2")], View(epoch=0))
    assert len(figure.data) == 2 * 2 * len(TARGETS)
    curve = loss_curve("hill", 0, lam=2.0)
    line = _trace(figure, "hill lam=2", "x2")
    np.testing.assert_allclose(line.y, curve["loss"])
    np.testing.assert_allclose(line.x, curve["pred_prob"])


def test_every_target_of_a_row_has_the_same_range():
    figure = theory([Curve("asl")], View())
    assert figure.layout.yaxis.range == figure.layout.yaxis2.range == figure.layout.yaxis3.range
    highest = max(max(t.y) for t in figure.data if t.yaxis in ("y", "y2", "y3"))
    assert figure.layout.yaxis.range[1] > highest


def test_a_loss_that_a_schedule_has_changed_is_drawn_as_it_was_before_dashed():
    figure = theory([SPLC, Curve("bce")], View(epoch=1))
    before, after = _trace(figure, "splc, epoch 0", "x5"), _trace(figure, "splc", "x5")
    np.testing.assert_allclose(before.y, loss_curve("splc", 0, epoch=0)["gradient"])
    np.testing.assert_allclose(after.y, loss_curve("splc", 0, epoch=1)["gradient"])
    assert (before.line.dash, after.line.dash) == ("dash", "solid")
    assert not any(trace.name == "bce, epoch 0" for trace in figure.data)


def test_nothing_is_dashed_before_the_schedule_acts():
    assert {trace.name for trace in theory([SPLC], View(epoch=0)).data} == {"splc"}


def test_no_two_of_many_curves_look_the_same():
    figure = theory([Curve("hill", (("lam", 1 + i / 20),)) for i in range(20)], View())
    styles = {(t.line.color, t.line.dash) for t in figure.data}
    assert len(styles) == 20


def test_with_the_same_height_every_curve_is_as_steep_as_the_next():
    figure = theory([Curve("bce"), Curve("aam"), Curve("pu_mlc")], View("logit", 1, same_height=True))
    for name in ("bce", "aam", "pu_mlc"):
        traces = [trace for trace in figure.data if trace.name == name]
        assert max(np.abs(t.y).max() for t in traces if t.yaxis in ("y4", "y5", "y6")) == pytest.approx(1.0)
        assert min(np.min(t.y) for t in traces if t.yaxis in ("y", "y2", "y3")) == pytest.approx(0.0, abs=1e-12)


def test_the_table_holds_exactly_what_is_drawn():
    view = View("logit", 2, {"pu_mlc": CurveBatch(9, -3.0, 1.0, 2)})
    curves = [Curve.parse("splc tau=0.7"), Curve("pu_mlc"), Curve("bce")]
    rows, figure = rows_of(curves, view, None), theory(curves, view)
    points = [(x, y) for t in figure.data if t.yaxis in ("y4", "y5", "y6") for x, y in zip(t.x, t.y, strict=True)]
    assert sorted(points) == sorted(zip(rows["logit"], rows["gradient"], strict=True))
    splc = rows[rows["loss"] == "splc"]
    assert set(splc["epoch"]) == {0, 2}
    assert set(splc["tau"]) == {0.7}
    assert set(splc["margin"]) == {1.0}
    batch = rows.loc[rows["loss"] == "pu_mlc", ["batch_others", "batch_low", "batch_high", "batch_present"]]
    assert batch.drop_duplicates().to_numpy().tolist() == [[9.0, -3.0, 1.0, 2.0]]
    assert rows.loc[rows["loss"] == "bce", ["tau", "batch_others"]].isna().all(axis=None)


# Measured


def test_every_group_that_training_records_is_drawn(run):
    assert set(TARGET_OF) == set(MEASURED_GROUPS)
    figure = over_theory([], View(), run)
    assert set(GROUP_WORDS.values()) <= {trace.name for trace in figure.data}


def test_measured_gradients_lie_in_the_column_of_their_target_over_the_curve_of_the_runs_loss(run):
    figure = over_theory([Curve("bce")], View(), run)
    spots = _trace(figure, "verified absent", "x3")
    assert (list(spots.x), list(spots.y)) == ([pytest.approx(0.525), pytest.approx(0.925)], [2.1, -0.1])
    own = _trace(figure, "splc, the run's loss", "x3")
    np.testing.assert_allclose(own.y, loss_curve("splc", -1, epoch=1)["gradient"])
    assert _trace(figure, "bce", "x3").y[0] == pytest.approx(0.005)
    cells = [trace for trace in figure.data if trace.name == "verified absent"][1]
    assert (list(cells.y), cells.yaxis) == ([10, 5], "y6")


def test_on_the_axis_of_logits_bins_lie_at_the_logit_of_their_middle(run):
    spots = _trace(over_theory([], View("logit"), run), "given", "x")
    np.testing.assert_allclose(1 / (1 + np.exp(-np.array(spots.x))), [0.525, 0.925])


def test_there_is_a_frame_for_each_epoch_with_what_was_measured_and_what_the_schedule_said(run):
    figure = over_theory([Curve("bce")], View(), run)
    assert [frame.name for frame in figure.frames] == ["0", "1", "2"]
    for epoch, frame in enumerate(figure.frames):
        moved = dict(zip(frame.traces, frame.data, strict=True))
        names = [figure.data[place].name for place in moved]
        assert "bce" not in names  # has no schedule
        for place, trace in moved.items():
            if figure.data[place].name == "given" and figure.data[place].yaxis == "y":
                assert list(trace.y) == [pytest.approx(epoch / 10), -0.1]
            if figure.data[place].name == "splc, the run's loss" and figure.data[place].xaxis == "x2":
                np.testing.assert_allclose(trace.y, loss_curve("splc", 0, epoch=epoch)["gradient"])
        assert f"epoch {epoch} of 2" in frame.layout.title.text


def test_the_table_of_a_run_holds_the_epoch_that_is_shown(run):
    rows = rows_of([Curve("bce")], View(), run)
    assert set(rows["epoch"]) == {1}
    assert list(rows.loc[rows["run"].isna(), "loss"].unique()) == ["splc", "bce"]
    measured = rows[rows["run"] == "the run"]
    assert len(measured) == 2 * len(MEASURED_GROUPS)
    planted = measured[measured["group"] == "planted"]
    assert planted[["target", "count", "gradient"]].to_numpy().tolist() == [[0, 10, 4.1], [0, 5, -0.1]]
