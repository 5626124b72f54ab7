"""Filters: each lets through what it says, whatever was decided, and the address leads back to it."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from labelmend_app.elsewhere.answers import standing_answers
from labelmend_app.explore.cells import Known, State
from labelmend_app.explore.filters import Filter, filtered, read_filter
from labelmend_core.types import PRESENT, Kind, Verdict
from labelmend_core.workspace import Workspace

Answer = Callable[..., None]


@pytest.fixture
def known(workspace: Workspace, run_id: str, answer: Answer) -> Known:
    answer(0, 0, Verdict.PRESENT)
    answer(1, 0, Verdict.ABSENT, "Ben")
    answer(2, 0, Verdict.UNSURE)
    answer(3, 0, Verdict.SKIP)
    answer(4, 0, Verdict.PRESENT)
    answer(4, 0, Verdict.ABSENT, "Ben")
    answer(4, 0, Verdict.SKIP)
    answer(38, 2, Verdict.ABSENT)
    answer(35, 0, Verdict.PRESENT)  # no suggestion
    return Known.of(workspace, run_id)


def found(known: Known, asked: Filter) -> list[tuple[int, int]]:
    return sorted(filtered(known, asked)[["image_index", "class_index"]].itertuples(index=False, name=None))


@pytest.mark.parametrize(
    ("asked", "cells"),
    [
        (Filter(class_index=2), [(38, 2), (39, 2)]),
        (Filter(kind=Kind.SPURIOUS), [(38, 2), (39, 2)]),
        (Filter(states=(State.ACCEPTED,)), [(0, 0), (38, 2)]),
        (Filter(states=(State.REJECTED,)), [(1, 0), (4, 0)]),
        (Filter(states=(State.UNSURE, State.SKIPPED)), [(2, 0), (3, 0)]),
        (Filter(by="Ben"), [(1, 0), (4, 0)]),
        (Filter(by="Ben", states=(State.OPEN,)), []),
        (Filter(given=2), [(38, 2), (39, 2)]),
        (Filter(given=0), []),
        (Filter(file="NIGHT_1", class_index=0), [(11, 0), (13, 0), (15, 0), (17, 0), (19, 0)]),
        (Filter(file="<b>"), []),
        (Filter(most=0), [(1, 0), (4, 0)]),
    ],
)
def test_a_filter_lets_through_what_it_says(known: Known, asked: Filter, cells: list[tuple[int, int]]) -> None:
    assert found(known, asked) == cells


def test_the_range_is_of_the_probability_now(known: Known) -> None:
    cells = filtered(known, Filter(least=60, most=75, states=(State.OPEN,)))
    assert cells["probability"].between(0.6, 0.75).all()
    left = [filtered(known, Filter(least=a, most=b, states=(State.OPEN,))) for a, b in ((0, 59), (76, 100))]
    within = found(known, Filter(states=(State.OPEN,)))
    assert 0 < len(cells) < len(within)
    assert sum(map(len, left)) <= len(within) - len(cells)


def test_the_likeliest_come_first(known: Known) -> None:
    assert filtered(known, Filter())["probability"].is_monotonic_decreasing
    assert len(filtered(known, Filter())) == 23


@pytest.mark.parametrize(
    "asked",
    [
        Filter(),
        Filter(class_index=0, kind=Kind.MISSING, least=10, most=90, states=(State.OPEN, State.UNSURE)),
        Filter(by="Ben", file="a,b&c=d #%", given=1),
    ],
)
def test_the_address_leads_back(asked: Filter) -> None:
    assert read_filter(asked.parameters(), 3, ["Anna", "Ben"]) == asked


@pytest.mark.parametrize(
    "address",
    [
        {"class": "3"},
        {"class": "-1"},
        {"kind": "<b>"},
        {"least": "101", "most": "x"},
        {"decision": "gone,,undo"},
        {"by": "Carla"},
        {"given": "9" * 30},
        {"least": ""},
    ],
)
def test_what_an_address_names_wrongly_is_not_asked(address: dict[str, str]) -> None:
    assert read_filter(address, 3, ["Anna", "Ben"]) == Filter()


def test_a_cell_that_is_no_suggestion_has_a_kind_and_a_state_but_no_probability(known: Known) -> None:
    table = known.table(*known.workspace.dataset.given_labels.cells()[:2]).iloc[:1]
    assert table[["kind", "state"]].to_numpy().tolist() == [["spurious", "accepted"]]
    other = known.table(*(known.decided[name].to_numpy()[-1:] for name in ("image_index", "class_index")))
    assert other[["kind", "state"]].to_numpy().tolist() == [["missing", "accepted"]]
    assert other["probability"].isna().all()


def test_nothing_decided_leaves_all_open(workspace: Workspace, run_id: str) -> None:
    known = Known.of(workspace, run_id)
    assert known.reviewers == []
    assert set(known.suggestions["state"]) == {"open"}
    assert found(known, replace(Filter(), states=(State.OPEN,))) == found(known, Filter())


def test_who_said_something_is_told(known: Known) -> None:
    assert known.said_by([4, 0, 5], [0, 0, 0]) == ["Anna, Ben", "Anna", ""]


def test_what_settles_a_conflict_counts_whatever_is_said_after_it(
    workspace: Workspace, run_id: str, answer: Answer
) -> None:
    answer(0, 0, Verdict.PRESENT)
    answer(0, 0, Verdict.ABSENT, "Ben")
    answer(0, 0, Verdict.PRESENT, "Chef", adjudicates=True)
    answer(0, 0, Verdict.ABSENT, "Carl")
    assert found(Known.of(workspace, run_id), Filter(states=(State.ACCEPTED,))) == [(0, 0)]
    ((cell, (_, counts)),) = standing_answers(workspace).items()
    assert (cell, counts.reviewer) == ((0, 0), "Chef")
    assert workspace.corrected_labels().values([0], [0]).tolist() == [PRESENT]
