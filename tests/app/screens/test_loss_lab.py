"""Curves of every loss, and what a run measured over them."""

import numpy as np
import pandas as pd
import pytest

from labelmend_app.screens._lab_curves import TARGETS, Curve, View
from labelmend_app.screens._lab_figure import GROUPS, Measured, over_theory, theory
from labelmend_app.screens.loss_lab import rows_of
from labelmend_core.curve_batch import CurveBatch
from labelmend_core.curves import loss_curve
from labelmend_core.errors import InputError
from labelmend_core.losses import LOSSES
from labelmend_core.losses.presets import FIGURES, presets_of
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
    assert set(GROUPS) == set(MEASURED_GROUPS)
    figure = over_theory([], View(), run)
    assert {words for words, *_ in GROUPS.values()} <= {trace.name for trace in figure.data}


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


# The page


def _names(chart):
    return {trace["name"] for trace in chart["data"]}


def test_every_registered_loss_can_be_drawn_with_its_fields(open_screen, charts):
    page = open_screen("loss_lab", losses=sorted(LOSSES))
    assert set(LOSSES) <= _names(charts(page)[0])
    fields = {w.key for w in (*page.slider, *page.number_input, *page.toggle, *page.selectbox) if "." in w.key}
    for name, loss in LOSSES.items():
        assert {f"{name}.{row.name}" for row in loss.hyperparameters} <= fields


def test_fields_start_at_the_loss_default_and_keep_its_range(open_screen):
    page = open_screen("loss_lab", losses=["asl", "pu_mlc"])
    clip = next(row for row in LOSSES["asl"].hyperparameters if row.name == "clip")
    slider = page.slider(key="asl.clip")
    assert (slider.value, slider.min, slider.max) == (clip.default, clip.low, clip.high)
    assert page.toggle(key="asl.detach_weight").value is True
    floor = page.number_input(key="pu_mlc.floor")  # too small for a slider
    assert floor.value == next(row for row in LOSSES["pu_mlc"].hyperparameters if row.name == "floor").default


def test_the_address_says_what_is_drawn(open_screen, charts):
    page = open_screen(
        "loss_lab",
        losses=["hill", "asl"],
        kept=["asl gamma_neg=2"],
        epoch="4",
        axis="logit",
        same_height="true",
        **{"hill.lam": "2.5"},
    )
    assert page.multiselect(key="losses").value == ["hill", "asl"]
    assert page.slider(key="hill.lam").value == 2.5
    assert page.number_input(key="epoch").value == 4
    assert page.get("button_group")[0].value == "logit"
    assert page.toggle(key="same_height").value is True
    assert _names(charts(page)[0]) == {"hill lam=2.5", "asl", "asl gamma_neg=2"}


def test_nonsense_in_the_address_is_passed_over(open_screen):
    page = open_screen(
        "loss_lab", losses=["hill", "<b>"], epoch="-3", run="gone", measured_epoch="x", **{"hill.lam": "99"}
    )
    assert page.multiselect(key="losses").value == ["hill"]
    assert page.slider(key="hill.lam").value == 1.5


def test_a_kept_curve_that_is_none_is_named(open_screen, charts):
    page = open_screen("loss_lab", losses=["bce"], kept=["asl gama=2", "hill lam=2"])
    assert "no hyperparameter 'gama'" in page.warning[0].value
    assert _names(charts(page)[0]) == {"bce", "hill lam=2"}


def test_without_a_loss_or_a_run_the_screen_says_what_to_do(open_screen):
    page = open_screen("loss_lab", losses="")
    assert [info.value[:13] for info in page.info] == ["Choose a loss"]


def test_a_preset_fills_in_the_fields_and_is_seen_from_them(open_screen, charts):
    page = open_screen("loss_lab", losses=["asl"])
    preset = page.selectbox(key="preset.asl")
    assert preset.value == "training script: γ− 4, γ+ 0, clip .05"
    focal = "focal loss: γ− 2, γ+ 2, clip 0"
    preset.select(focal).run()
    assert page.slider(key="asl.gamma_neg").value == 2.0
    assert page.toggle(key="asl.detach_weight").value is False
    assert page.selectbox(key="preset.asl").value == focal
    assert _names(charts(page)[0]) == {Curve.of("asl", presets_of("asl")[focal].hyperparameters).text}
    page.slider(key="asl.gamma_pos").set_value(3.0).run()
    assert page.selectbox(key="preset.asl").value == "own values"


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)
def test_a_figure_sets_losses_settings_kept_curves_axis_and_epoch(figure, open_screen, charts):
    page = open_screen("loss_lab", kept=["bce unobserved_weight=0.5"])
    assert page.selectbox(key="figure").value == "your own"
    page.selectbox(key="figure").select(figure.name).run()
    assert not page.exception
    drawn = {name for name in _names(charts(page)[0]) if not name.endswith(", epoch 0")}
    assert drawn == {Curve.of(loss, hyperparameters).text for loss, hyperparameters in figure.curves}
    assert page.number_input(key="epoch").value == figure.epoch
    assert page.toggle(key="same_height").value is figure.same_height
    assert page.selectbox(key="figure").value == figure.name


def test_a_kept_curve_stays_as_it_is_while_the_fields_change(open_screen, charts):
    page = open_screen("loss_lab", losses=["hill"])
    page.button(key="keep.hill").click().run()
    page.slider(key="hill.lam").set_value(2.0).run()
    assert _names(charts(page)[0]) == {"hill", "hill lam=2"}
    assert page.multiselect(key="kept").value == ["hill"]


def test_the_batch_of_a_coupled_loss_is_shown_and_can_be_changed(open_screen, charts):
    def gradient(page):
        return next(t["y"] for t in charts(page)[0]["data"] if t["name"] == "pu_mlc" and t["xaxis"] == "x4")

    page = open_screen("loss_lab", losses=["pu_mlc"], axis="logit")
    first = loss_curve("pu_mlc", 1, logits=np.linspace(-6, 6, 241))
    np.testing.assert_allclose(gradient(page), first["gradient"])
    assert "mean -2, spread 2.35, present 6, temperature 1," in next(
        caption.value for caption in page.caption if "spread" in caption.value
    )
    page.slider(key="pu_mlc.batch_logits").set_value((-1.0, 0.0)).run()
    page.slider(key="pu_mlc.batch_present").set_value(0.5).run()
    page.number_input(key="pu_mlc.batch_others").set_value(31).run()
    batch = CurveBatch(31, -1.0, 0.0, 16)
    changed = loss_curve("pu_mlc", 1, logits=np.linspace(-6, 6, 241), batch=batch)
    np.testing.assert_allclose(gradient(page), changed["gradient"])
    assert "temperature 0.298" in next(caption.value for caption in page.caption if "spread" in caption.value)


def test_the_run_and_the_epoch_of_the_measured_gradients_are_chosen_by_the_address(open_screen, make_run, charts):
    run_id = make_run()
    make_run(loss="bce")
    page = open_screen("loss_lab", run=run_id, measured_epoch="1")
    spots = [t for t in charts(page)[0]["data"] if t["name"] == "given" and t["yaxis"] == "y"]
    assert spots[0]["y"] == pytest.approx([1.1, 1.2])
    assert page.selectbox(key="choose_run").value == run_id
    assert page.number_input(key="epoch").disabled
    newest = charts(open_screen("loss_lab", run=run_id))[0]
    assert "epoch 2 of 2" in newest["layout"]["title"]["text"]


def test_a_run_of_before_the_hidden_cells_were_told_apart_is_drawn(open_screen, make_run, charts):
    page = open_screen("loss_lab", run=make_run(), losses="")
    names = _names(charts(page)[0])
    assert names == {"splc tau=0.7, the run's loss", "given", "unobserved"}


def test_a_run_without_gradients_is_told(open_screen, workspace):
    run_id = workspace.runs.start(mode="probe", loss="bce", labels="given", n_decisions=0, settings={})
    page = open_screen("loss_lab", run=run_id)
    assert "first finished epoch" in page.warning[0].value
