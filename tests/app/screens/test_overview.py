"""What the overview counts, what it advises, and that names stay text."""

import json

import pytest

from labelmend_app.class_counts import class_counts
from labelmend_core.ledger import Status
from labelmend_core.types import Verdict


def numbers(page):
    return {metric.label: metric.value for metric in page.metric}


def test_a_new_workspace_shows_its_size_and_says_to_train(open_screen):
    page = open_screen("overview")
    assert numbers(page) == {
        "Images to train on": "6",
        "Classes": "4",
        "Given labels": "8",
        "Verified absent": "1",
        "Decisions": "0",
        "Unreadable images": "0",
    }
    assert "open **Train**" in page.info[0].value


def test_the_advice_follows_the_work(open_screen, make_run, suggest, decide):
    run_id = make_run()
    assert "Find suspicious labels" in open_screen("overview").info[0].value
    suggest(run_id)
    assert "3 of 3 suggestions" in open_screen("overview").info[0].value
    for image, class_index in ((0, 1), (5, 1), (1, 0)):
        decide(image, class_index, Verdict.ABSENT)
    assert "All 3 suggestions" in open_screen("overview").success[0].value


def test_a_running_training_is_pointed_out(open_screen, make_run):
    make_run(status=Status.RUNNING)
    assert "A training is running" in open_screen("overview").info[0].value


def test_counts_of_a_class_add_up(workspace, make_run, suggest, decide):
    suggest(make_run())
    decide(0, 1, Verdict.PRESENT)  # accepts a missing label
    decide(5, 1, Verdict.ABSENT)  # rejects one: a verified negative
    decide(1, 0, Verdict.SKIP)  # answers nothing
    counts = class_counts(workspace)
    table = counts.table.drop(columns="name")
    assert table.columns.tolist() == ["given", "negatives", "missing", "spurious", "answered", "open"]
    assert table.to_numpy().tolist() == [[4, 0, 0, 1, 0, 1], [3, 1, 2, 0, 2, 0], [1, 1, 0, 0, 0, 0], [0] * 6]
    assert (counts.decisions, counts.corrections) == (2, 1)


def test_a_decision_is_seen_although_the_counts_are_cached(open_screen, make_run, suggest, decide):
    suggest(make_run())
    page = open_screen("overview")
    assert numbers(page)["Decisions"] == "0"
    decide(0, 1, Verdict.PRESENT)
    assert numbers(page.run())["Decisions"] == "1"


def test_suggestions_made_anew_for_the_same_run_are_seen(open_screen, workspace, make_run, suggest):
    run_id = make_run()
    page = open_screen("overview")
    suggest(run_id)
    page.run()
    assert page.dataframe[0].value["Suspected missing"].sum() == 2


def test_unreadable_images_are_listed_with_their_reason(open_screen, workspace):
    workspace.catalog.record_problems({2: "truncated <b>JPEG</b>"})
    page = open_screen("overview")
    assert numbers(page)["Unreadable images"] == "1"
    assert page.dataframe[0].value.to_dict("records") == [{"Image": "2.png", "Why": "truncated <b>JPEG</b>"}]


@pytest.mark.parametrize("screen", ["overview", "runs"])
def test_hostile_class_names_are_shown_as_text_only(open_screen, make_run, suggest, workspace, screen):
    hostile = workspace.dataset.class_names[1]
    make_run((0.1, 0.2, 0.3, 0.4))
    suggest(make_run())
    page = open_screen(screen)
    assert any(hostile in frame.value["Class"].tolist() for frame in page.dataframe if "Class" in frame.value)
    for kind in ("markdown", "caption", "info", "success", "warning", "error", "title", "subheader"):
        assert all(hostile not in element.value for element in page.get(kind))
    charts = [chart.proto.spec for chart in page.get("plotly_chart")]
    assert any("&lt;img src=x" in chart for chart in charts)
    assert not any("<img" in json.dumps(json.loads(chart), ensure_ascii=False) for chart in charts)


def test_classes_named_like_numbers_keep_their_own_place_in_the_chart(open_screen, make_run, suggest):
    suggest(make_run())
    chart = json.loads(open_screen("overview").get("plotly_chart")[0].proto.spec)
    axis = chart["layout"]["yaxis"]
    assert axis["tickvals"] == [0, 1, 2, 3]
    assert axis["ticktext"][2] == "3"
