"""Curves of every loss, and what a run measured over them."""

import numpy as np
import pandas as pd
import pytest

from labelmend_app.screens.loss_lab import GROUPS, TARGETS, gradient_chart, loss_chart
from labelmend_core.curves import loss_curve
from labelmend_core.losses import LOSSES
from labelmend_core.training.dynamics import GROUPS as MEASURED_GROUPS


def test_the_chart_has_loss_and_gradient_of_each_loss_and_target():
    figure = loss_chart({"bce": {}, "hill": {"lam": 2.0}}, epoch=0)
    assert len(figure.data) == 2 * 2 * len(TARGETS)
    curve = loss_curve("hill", 0, lam=2.0)
    line = next(t for t in figure.data if t.name == "hill" and (t.xaxis, t.yaxis) == ("x2", "y2"))
    np.testing.assert_allclose(line.y, curve["loss"])
    np.testing.assert_allclose(line.x, curve["pred_prob"])


def test_every_target_of_a_row_has_the_same_range():
    figure = loss_chart({"asl": {}}, epoch=0)
    assert figure.layout.yaxis.range == figure.layout.yaxis2.range == figure.layout.yaxis3.range
    highest = max(max(t.y) for t in figure.data if t.yaxis in ("y", "y2", "y3"))
    assert figure.layout.yaxis.range[1] > highest


def test_every_registered_loss_can_be_drawn_with_its_fields(open_screen, charts):
    page = open_screen("loss_lab", losses=sorted(LOSSES))
    drawn = {trace["name"] for trace in charts(page)[0]["data"]}
    assert drawn == set(LOSSES)
    fields = {
        w.key for w in (*page.slider, *page.number_input, *page.toggle, *page.selectbox) if w.key.startswith("lab.")
    }
    assert fields == {f"lab.{name}.{row.name}" for name, loss in LOSSES.items() for row in loss.hyperparameters}


def test_fields_start_at_the_loss_default_and_keep_its_range(open_screen):
    page = open_screen("loss_lab", losses=["asl", "pu_mlc"])
    clip = next(row for row in LOSSES["asl"].hyperparameters if row.name == "clip")
    slider = page.slider(key="lab.asl.clip")
    assert (slider.value, slider.min, slider.max) == (clip.default, clip.low, clip.high)
    assert page.toggle(key="lab.asl.detach_weight").value is True
    floor = page.number_input(key="lab.pu_mlc.floor")  # too small for a slider
    assert floor.value == next(row for row in LOSSES["pu_mlc"].hyperparameters if row.name == "floor").default


def test_the_change_of_epoch_changes_the_curve_of_splc(open_screen, charts):
    def unobserved(page):
        return next(t["y"] for t in charts(page)[0]["data"] if t["name"] == "splc" and t["xaxis"] == "x2")

    before, after = open_screen("loss_lab", epoch="0"), open_screen("loss_lab", epoch="1")
    assert unobserved(before) != unobserved(after)


def test_the_address_says_what_is_drawn(open_screen):
    page = open_screen("loss_lab", losses=["hill", "asl"], epoch="4", axis="logit", **{"lab.hill.lam": "2.5"})
    assert page.multiselect(key="losses").value == ["hill", "asl"]
    assert page.slider(key="lab.hill.lam").value == 2.5
    assert page.number_input(key="epoch").value == 4
    assert page.get("button_group")[0].value == "logit"


def test_nonsense_in_the_address_is_passed_over(open_screen):
    page = open_screen("loss_lab", losses=["hill", "<b>"], epoch="-3", run="gone", **{"lab.hill.lam": "99"})
    assert page.multiselect(key="losses").value == ["hill"]
    assert page.slider(key="lab.hill.lam").value == 1.5


def test_without_a_loss_or_a_run_the_screen_says_what_to_do(open_screen):
    page = open_screen("loss_lab", losses="")
    assert [info.value[:13] for info in page.info] == ["Choose a loss", "No run so far"]


def test_every_group_that_training_records_is_drawn():
    assert set(GROUPS) == set(MEASURED_GROUPS)


def test_measured_gradients_lie_over_the_curve_of_their_target(workspace, make_run):
    run_id = make_run()
    measured = pd.DataFrame(
        {"epoch": 2, "group": ["absent"], "p_low": [0.9], "p_high": [1.0], "count": [7], "gradient": [0.8]}
    )
    curve, spots, cells = gradient_chart(measured, workspace.runs.get(run_id), epoch=2).data
    np.testing.assert_allclose(curve.y, loss_curve("splc", -1, epoch=2, tau=0.7)["gradient"])
    assert (list(spots.x), list(spots.y), list(cells.y)) == ([pytest.approx(0.95)], [0.8], [7])


def test_the_epoch_of_the_measured_gradients_is_chosen_by_the_address(open_screen, make_run, charts):
    run_id = make_run()
    make_run(loss="bce")
    page = open_screen("loss_lab", run=run_id, measured_epoch="1")
    spots = [t for t in charts(page)[1]["data"] if t.get("mode") == "markers+lines"]
    assert spots[0]["y"] == pytest.approx([1.1, 1.2])
    assert page.selectbox(key="choose_run").value == run_id
