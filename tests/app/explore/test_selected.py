"""A selection in the review: exactly its cells, in its order, whatever a run suggests of them."""

import math
from collections.abc import Callable

import pytest

from labelmend_app.review.picked_queue import Pick, picked_queue, read_pick
from labelmend_app.review.selected import selected_page
from labelmend_core.types import Kind, Suggestion, Verdict
from labelmend_core.workspace import Workspace

AUDITED = 30  # of conftest.py

Select = Callable[..., str]
Answer = Callable[..., None]


def whole(workspace: Workspace, run_id: str, key: str, kind: Kind, class_index: int, limit: int) -> list[Suggestion]:
    """Ask for page after page, as the review does."""
    shown: list[Suggestion] = []
    while True:
        after = shown[-1].rank if shown else 0
        page = selected_page(workspace, run_id, key, kind, class_index, after_rank=after, limit=limit)
        shown += page
        if len(page) < limit:
            return shown


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 24])
def test_exactly_the_selected_cells_of_a_queue_are_asked_in_their_order(
    workspace: Workspace, run_id: str, select: Select, answer: Answer, limit: int
) -> None:
    missing = [(i, 0, "missing") for i in (7, 3, 35, AUDITED, 11)]
    key = select(*missing, (38, 2, "spurious"))
    assert [s.image for s in whole(workspace, run_id, key, Kind.MISSING, 0, limit)] == [7, 3, 35, AUDITED, 11]
    assert [s.image for s in whole(workspace, run_id, key, Kind.SPURIOUS, 2, limit)] == [38]
    answer(3, 0, Verdict.PRESENT)
    answer(35, 0, Verdict.UNSURE)
    answer(11, 0, Verdict.SKIP)
    assert [s.image for s in whole(workspace, run_id, key, Kind.MISSING, 0, limit)] == [7, AUDITED, 11]


def test_a_cell_comes_as_its_suggestion_where_it_is_one(workspace: Workspace, run_id: str, select: Select) -> None:
    key = select((4, 0, "missing"), (35, 0, "missing"), (AUDITED, 0, "missing"))
    suggested, unknown, audited = whole(workspace, run_id, key, Kind.MISSING, 0, 24)
    stored = workspace.queue.get(suggested.suggestion_id)
    assert stored is not None
    assert (stored.image, stored.class_index) == (4, 0)
    assert suggested.error_probability == pytest.approx(0.86)
    assert [workspace.queue.get(shown.suggestion_id) for shown in (unknown, audited)] == [None, None]
    assert math.isnan(unknown.error_probability)


def test_the_numbers_of_a_selection_follow_the_answers(
    workspace: Workspace, run_id: str, select: Select, answer: Answer
) -> None:
    pick = Pick(selection=select((4, 0, "missing"), (5, 0, "missing"), (35, 0, "missing"), (38, 2, "spurious")))
    picked = picked_queue(workspace, run_id, pick)
    assert picked.queues[["class_index", "kind", "suggested", "open"]].to_numpy().tolist() == [
        [0, "missing", 3, 3],
        [2, "spurious", 1, 1],
    ]
    assert picked.errors == pytest.approx(0.86 + 0.85 + 0.8)
    assert picked.sentence() == "4 selected cells in 2 classes, about 3 errors expected"
    answer(4, 0, Verdict.ABSENT)
    answer(35, 0, Verdict.PRESENT)
    picked = picked_queue(workspace, run_id, pick)
    assert (picked.suggested, picked.answered) == (4, 2)


def test_cells_that_nothing_is_suggested_of_promise_no_errors(
    workspace: Workspace, run_id: str, select: Select
) -> None:
    picked = picked_queue(workspace, run_id, Pick(selection=select((35, 0, "missing"), (36, 1, "missing"))))
    assert picked.sentence() == "2 selected cells in 2 classes"
    assert picked.queues["expected"].isna().all()


def test_an_address_leads_back_to_a_selection_and_to_no_file_beside_it(
    workspace: Workspace, run_id: str, select: Select
) -> None:
    key = select((4, 0, "missing"))
    pick = Pick(selection=key)
    assert read_pick(pick.parameters(run_id), "another run", workspace.selections) == pick
    for wrong in (f"../selections/{key}", key + ".parquet", "0" * 20, "", "../../labelmend.toml", key.upper() + "\n"):
        assert read_pick({"selection": wrong}, run_id, workspace.selections) == Pick()


@pytest.mark.parametrize("percent", [0, 100])
def test_a_second_reviewer_is_asked_what_one_other_answered(
    workspace: Workspace, run_id: str, select: Select, answer: Answer, percent: int
) -> None:
    workspace.double_review.set(percent)
    key = select((4, 0, "missing"), (35, 0, "missing"), (AUDITED, 0, "missing"), (6, 0, "missing"))
    answer(4, 0, Verdict.ABSENT)
    answer(35, 0, Verdict.PRESENT)
    for reviewer, images in (("Anna", [AUDITED, 6]), ("Ben", [4, 35, AUDITED, 6] if percent else [AUDITED, 6])):
        second = workspace.double_review.of(reviewer)
        page = selected_page(workspace, run_id, key, Kind.MISSING, 0, after_rank=0, limit=9, second=second)
        assert [item.image for item in page] == images
        picked = picked_queue(workspace, run_id, Pick(selection=key), second=second)
        assert (picked.suggested, picked.answered) == (4, 4 - len(images))
    if percent:
        answer(4, 0, Verdict.ABSENT, "Ben")
        for reviewer in ("Ben", "Cem"):
            second = workspace.double_review.of(reviewer)
            page = selected_page(workspace, run_id, key, Kind.MISSING, 0, after_rank=0, limit=9, second=second)
            assert 4 not in [item.image for item in page]
