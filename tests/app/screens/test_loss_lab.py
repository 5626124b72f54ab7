"""The loss lab as a page: its fields, its presets, and what its address says."""

import numpy as np
import pytest

from labelmend_app.screens._lab_curves import Curve
from labelmend_core.curve_batch import CurveBatch
from labelmend_core.curves import loss_curve
from labelmend_core.losses import LOSSES
from labelmend_core.losses.presets import FIGURES, presets_of


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
    assert next(box.value for box in page.selectbox if box.label == "Measured in") == run_id
    assert page.number_input(key="epoch").disabled
    for address in ({}, {"measured_epoch": "9"}, {"measured_epoch": "1" * 5000}):
        newest = charts(open_screen("loss_lab", run=run_id, **address))[0]
        assert "epoch 2 of 2" in newest["layout"]["title"]["text"]


def test_a_run_of_before_the_hidden_cells_were_told_apart_is_drawn(open_screen, make_run, charts):
    page = open_screen("loss_lab", run=make_run(), losses="")
    names = _names(charts(page)[0])
    assert names == {"splc tau=0.7, the run's loss", "given", "unobserved"}


def test_a_run_without_gradients_is_told(open_screen, workspace):
    run_id = workspace.runs.start(mode="probe", loss="bce", labels="given", n_decisions=0, settings={})
    page = open_screen("loss_lab", run=run_id)
    assert "first finished epoch" in page.warning[0].value
