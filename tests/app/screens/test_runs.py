"""Two runs side by side: metrics, classes, settings."""

import numpy as np
import pandas as pd
import pytest

from labelmend_app.screens.runs import class_chart, class_table, flat
from labelmend_core.ledger import Status


def per_class(*average_precision):
    return pd.DataFrame(
        {"class_index": range(len(average_precision)), "average_precision": average_precision, "positives": 2}
    )


def choice(page, label):
    return next(box for box in page.selectbox if box.label == label)


def test_without_a_run_the_screen_says_what_to_do(open_screen):
    assert "start one under **Train**" in open_screen("runs").info[0].value


def test_the_table_has_a_row_for_each_run(open_screen, make_run):
    make_run(status=Status.STOPPED)
    make_run(labels="corrected", loss="bce")
    table = open_screen("runs").dataframe[0].value
    assert table["Status"].tolist() == ["done", "stopped"]
    assert table["mAP"].round(3).tolist() == pytest.approx([0.5, np.nan], nan_ok=True)


def test_the_newest_two_measured_runs_are_compared_by_default(open_screen, make_run):
    before = make_run((0.1, 0.2, 0.3, np.nan))
    after = make_run((0.2, 0.2, 0.5, np.nan))
    make_run(status=Status.STOPPED)
    page = open_screen("runs")
    assert (choice(page, "Before").value, choice(page, "After").value) == (before, after)
    quality = page.metric[0]
    assert (quality.label, quality.value, quality.delta) == ("mAP", "0.300", "+0.100")


def test_the_choice_lies_in_the_address_even_of_runs_made_in_the_same_minute(open_screen, make_run):
    first, second, third = make_run(), make_run(), make_run()
    page = open_screen("runs", before=third, after=first)
    assert (choice(page, "Before").value, choice(page, "After").value) == (third, first)
    choice(page, "After").set_value(second).run()
    assert page.query_params["after"] == second
    again = open_screen("runs", **page.query_params)
    assert (choice(again, "Before").value, choice(again, "After").value) == (third, second)


def test_an_address_without_a_choice_follows_the_newest_run(open_screen, make_run):
    make_run()
    assert not open_screen("runs").query_params
    newest = make_run()
    assert choice(open_screen("runs"), "After").value == newest


def test_a_run_that_is_gone_from_the_address_does_not_break_the_screen(open_screen, make_run):
    only = make_run()
    assert choice(open_screen("runs", before="20200101-000000-gone", after="nonsense"), "After").value == only


def test_runs_measured_on_different_data_are_not_to_be_compared(open_screen, make_run):
    make_run(on="out-of-sample probabilities against the labels trained on")
    make_run(on="validation")
    assert "do not compare" in open_screen("runs").warning[0].value


def test_settings_that_differ_come_first(open_screen, make_run):
    make_run(loss="bce")
    make_run(loss="splc")
    settings = open_screen("runs").dataframe[-1].value
    assert settings["Setting"].head(2).tolist() == ["loss", "hyperparameters.tau"]
    assert settings["Differs"].tolist() == [True, True] + [False] * (len(settings) - 2)


def test_the_largest_change_comes_first_and_left_out_classes_last():
    table = class_table(per_class(0.5, 0.2, 0.9, np.nan), per_class(0.4, 0.8, 0.9, np.nan), ("a", "b", "c", "d"))
    assert table["name"].tolist() == ["b", "a", "c", "d"]
    assert table["difference"].tolist() == pytest.approx([0.6, -0.1, 0.0, np.nan], nan_ok=True)


def test_a_single_run_shows_its_weakest_class_first():
    table = class_table(None, per_class(0.4, np.nan, 0.1), ("a", "b", "c"))
    assert table["name"].tolist() == ["c", "a", "b"]
    assert table["difference"].isna().all()


def test_the_chart_draws_each_class_from_before_to_after():
    table = class_table(per_class(0.5, 0.2), per_class(0.4, 0.8), ("a", "<b>"))
    figure = class_chart(table)
    lines, before, after = figure.data
    assert list(lines.x[:2]) == [0.2, 0.8]
    assert list(before.x) == [0.2, 0.5]
    assert list(after.x) == [0.8, 0.4]
    assert figure.layout.yaxis.ticktext == ("&lt;b&gt;", "a")


def test_nested_settings_become_dotted_names():
    assert flat({"a": {"b": {"c": None}}, "d": [1, 2]}) == {"a.b.c": "null", "d": "[1, 2]"}
