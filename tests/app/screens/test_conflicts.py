"""The screen of conflicts: who disagrees on what, an answer that settles it, and what an empty one tells to do."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from streamlit.testing.v1 import AppTest

from labelmend_core.ledger import Policy, decided_by
from labelmend_core.types import Decision, Verdict
from labelmend_core.workspace import Workspace

P, A = Verdict.PRESENT, Verdict.ABSENT
OpenScreen = Callable[..., AppTest]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def say(workspace: Workspace) -> Callable[..., None]:
    def append(reviewer: str, *said: tuple[int, int, Verdict]) -> None:
        start = workspace.ledger.count()
        for n, (image, k, verdict) in enumerate(said, start + 1):
            event = Decision(f"tab-{reviewer}", n, image, k, verdict, reviewer, NOON + timedelta(seconds=n))
            workspace.ledger.append([event])

    return append


@pytest.fixture
def disputed(say: Callable[..., None]) -> None:
    """Ann and Ben disagree on two pictures of class 1 and one of class 0, and agree on another."""
    say("ann", (0, 1, P), (2, 1, P), (3, 1, P), (1, 0, P))
    say("<b>ben</b>", (0, 1, A), (2, 1, A), (3, 1, P), (1, 0, A))


def place(test: AppTest) -> tuple[str | None, str | None]:
    return test.query_params.get("image"), test.query_params.get("class")


def test_nobody_has_answered(open_screen: OpenScreen) -> None:
    assert "Nobody has answered yet" in open_screen("conflicts").info[0].value


def test_one_reviewer_is_told_how_to_get_a_second_one(open_screen: OpenScreen, say: Callable[..., None]) -> None:
    say("<b>ann</b>", (0, 1, P))
    test = open_screen("conflicts")
    assert test.text[0].value == "So far only <b>ann</b> has answered."
    assert "a second one choose another name" in test.info[0].value


@pytest.mark.usefixtures("disputed")
def test_the_table_counts_each_class(open_screen: OpenScreen) -> None:
    test = open_screen("conflicts")
    assert [metric.value for metric in test.metric] == ["3", "4 cells", "25 %", "–"]
    table = test.dataframe[-1].value
    assert table["Open conflicts"].tolist() == [1, 2]
    assert table["Answered by two"].tolist() == [1, 3]
    assert table["90 % interval"].tolist() == ["fewer than 10 cells have two answers"] * 2
    assert table["Reviewers"].tolist() == ["<b>ben</b>, ann"] * 2


@pytest.mark.usefixtures("disputed")
def test_a_conflict_shows_who_said_what_and_the_address_names_it(open_screen: OpenScreen) -> None:
    test = open_screen("conflicts", image="2", **{"class": "1"})
    said = test.dataframe[0].value
    assert said[["Reviewer", "Said"]].to_numpy().tolist() == [["ann", "it is there"], ["<b>ben</b>", "it is not"]]
    assert any("Is there a" in text.value for text in test.text)
    test.button(key="conflict_leave").click().run()
    assert place(test) == ("0", "1")


@pytest.mark.usefixtures("disputed")
def test_settling_leads_through_all_and_undo_back(open_screen: OpenScreen, workspace: Workspace) -> None:
    test = open_screen("conflicts", image="0", reviewer="Dora", **{"class": "1"})
    test.button(key="conflict_present").click().run()
    assert place(test) == ("2", "1")
    test.button(key="conflict_absent").click().run()
    assert place(test) == ("1", "0")
    test.button(key="conflict_present").click().run()
    assert "All 3 conflicts are settled" in test.success[0].value
    for policy in Policy:
        decided = decided_by(workspace.ledger.decisions(), policy)
        assert [(decided[cell].verdict, decided[cell].reviewer) for cell in [(0, 1), (2, 1), (1, 0)]] == [
            (P, "Dora"),
            (A, "Dora"),
            (P, "Dora"),
        ]
    test.button(key="conflict_undo").click().run()
    test.button(key="conflict_undo").click().run()
    assert place(test) == ("2", "1")
    assert (2, 1) not in decided_by(workspace.ledger.decisions(), Policy.UNANIMOUS)
    assert test.button(key="conflict_undo").disabled is False


@pytest.mark.usefixtures("disputed")
def test_a_settled_conflict_is_shown_when_asked_for_and_can_be_opened_again(
    open_screen: OpenScreen, workspace: Workspace
) -> None:
    event = Decision("tab-dora", 1, 1, 0, A, "Dora", NOON, adjudicates=True)
    workspace.ledger.append([event])
    assert open_screen("conflicts").metric[0].value == "2"
    test = open_screen("conflicts", settled="true", image="1", **{"class": "0"})
    assert any("Settled by Dora, 2026-03-01 12:00 UTC: it is not" in text.value for text in test.text)
    test.button(key="conflict_reopen").click().run()
    assert test.metric[0].value == "3"


@pytest.mark.usefixtures("disputed")
@pytest.mark.parametrize("address", [{"image": "99"}, {"class": "<b>"}, {"image": "-1", "class": "1"}])
def test_an_address_that_names_nothing_shows_the_first(open_screen: OpenScreen, address: dict[str, str]) -> None:
    test = open_screen("conflicts", **address)
    assert test.dataframe[0].value["Reviewer"].tolist() == ["ann", "<b>ben</b>"]
