"""The screen: what the address says is shown, names stay text, and a bulk decision asks first."""

from collections.abc import Callable

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from labelmend_app.explore.bulk import decide_all, new_client
from labelmend_core.types import Verdict
from labelmend_core.workspace import Workspace

HOSTILE = "<img src=x onerror=alert(1)>"
Explore = Callable[..., AppTest]
Answer = Callable[..., None]


def test_without_suggestions_it_says_what_to_do(bare: Workspace, explore: Explore) -> None:
    assert "train a model on the **Train** screen" in explore(bare).info[0].value


def test_the_address_filters_and_the_controls_write_it(run_id: str, explore: Explore) -> None:
    page = explore(kind="missing", least="80", decision="open", file="night")
    assert page.subheader[0].value == "5 suggestions in 5 images"
    page.selectbox(key="explore_class").set_value(1).run()
    assert page.query_params["class"] == "1"
    assert "None of the 23 suggestions" in page.info[0].value
    page.button(key="explore_clear").click().run()
    assert page.subheader[0].value == "23 suggestions in 22 images"
    assert not page.query_params


def test_a_class_name_is_shown_as_text_only(run_id: str, explore: Explore) -> None:
    page = explore(**{"class": "1"})
    assert page.dataframe[0].value["Class"].tolist() == [HOSTILE]
    page.button(key="explore_accept_all_missing").click().run()
    assert page.text[0].value == f"Mark 1 image as showing {HOSTILE}?"
    for kind in ("markdown", "caption", "info", "success", "warning", "error", "title", "subheader"):
        assert all(HOSTILE not in element.value for element in page.get(kind))


def test_a_bulk_decision_states_its_count_and_asks_first(
    workspace: Workspace, run_id: str, explore: Explore, answer: Answer
) -> None:
    answer(0, 0, Verdict.PRESENT)
    page = explore(**{"class": "0"})
    page.button(key="explore_reject_all_missing").click().run()
    assert page.text[0].value == "Mark 19 images as not showing cat?"
    assert page.button(key="explore_bulk_do").label == "Mark 19 images"
    assert workspace.ledger.count() == 1


def test_a_bulk_decision_is_taken_back_at_once(workspace: Workspace, run_id: str, explore: Explore) -> None:
    client = new_client()
    cells = pd.DataFrame({"image_index": [3, 4], "class_index": 0})
    decide_all(workspace, run_id, cells, Verdict.ABSENT, reviewer="Ann", client=client)
    page = explore(bulk=client)
    assert page.text[0].value == "Marked 2 images as not showing cat, by Ann."
    page.button(key="explore_undo").click().run()
    assert not len(workspace.cells.decided())
    assert "bulk" not in page.query_params


def test_several_classes_have_no_bulk_button_and_it_says_why(run_id: str, explore: Explore) -> None:
    page = explore()
    assert any("these are of 3 classes" in caption.value for caption in page.caption)
    assert not [button for button in page.button if "all" in button.label]


@pytest.mark.parametrize("address", [{"view": "<b>"}, {"page": "99"}, {"run": "../.."}, {"bulk": "client-1"}])
def test_an_address_that_names_nothing_shows_the_beginning(
    run_id: str, explore: Explore, address: dict[str, str]
) -> None:
    assert explore(**address).subheader[0].value == "23 suggestions in 22 images"
