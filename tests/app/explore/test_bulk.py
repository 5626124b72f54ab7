"""One answer for many: exactly these cells, each an ordinary decision, all or none, and taken back at once."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from labelmend_app.explore.bulk import decide_all, is_client, new_client, undo_all
from labelmend_app.explore.cells import Known
from labelmend_app.review.picked_queue import picked_queue
from labelmend_app.review.queue import page_of
from labelmend_core.errors import InputError
from labelmend_core.ledger import Wanted
from labelmend_core.types import Kind, Verdict
from labelmend_core.workspace import Workspace

Answer = Callable[..., None]
AUDITED = 30  # of conftest.py


def cells(*images: int, class_index: int = 0) -> pd.DataFrame:
    return pd.DataFrame({"image_index": images, "class_index": class_index})


def test_each_cell_gets_a_decision_of_its_own(workspace: Workspace, run_id: str) -> None:
    client = new_client()
    chosen = cells(3, 35, AUDITED)
    assert decide_all(workspace, run_id, chosen, Verdict.PRESENT, reviewer="Ann", client=client) == 3
    made = workspace.ledger.decisions()
    assert [(d.image, d.class_index, d.verdict, d.reviewer, d.seq) for d in made] == [
        (3, 0, Verdict.PRESENT, "Ann", 1),
        (35, 0, Verdict.PRESENT, "Ann", 2),
        (AUDITED, 0, Verdict.PRESENT, "Ann", 3),
    ]
    suggested = [None if d.suggestion_id is None else workspace.queue.get(d.suggestion_id) for d in made]
    assert [s and s.image for s in suggested] == [3, None, None]
    corrected = workspace.corrected_labels()
    assert [i for i in range(40) if 0 in corrected.positives(i)] == [3, AUDITED, 35]


def test_saying_it_twice_says_it_once(workspace: Workspace, run_id: str) -> None:
    client = new_client()
    for new in (2, 0):
        done = decide_all(workspace, run_id, cells(3, 4), Verdict.ABSENT, reviewer="Ann", client=client)
        assert done == new
    assert workspace.ledger.count() == 2


def test_a_cell_that_got_an_answer_meanwhile_stops_all(workspace: Workspace, run_id: str, answer: Answer) -> None:
    answer(4, 0, Verdict.ABSENT)
    answer(3, 0, Verdict.SKIP)
    with pytest.raises(InputError, match="1 got one meanwhile"):
        decide_all(workspace, run_id, cells(3, 4), Verdict.PRESENT, reviewer="Ann", client=new_client())
    assert workspace.ledger.count() == 2
    assert (
        decide_all(workspace, run_id, cells(3, 4), Verdict.PRESENT, reviewer="A", client=new_client(), anew=True) == 2
    )


def test_an_answer_that_comes_just_before_the_writing_stops_all(
    workspace: Workspace, run_id: str, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells_of, ids = workspace.cells, workspace.cells.suggestion_ids

    def answered_meanwhile(*asked: Any) -> dict[int, int]:
        answer(4, 0, Verdict.ABSENT, "Ben")
        return ids(*asked)

    monkeypatch.setattr(cells_of, "suggestion_ids", answered_meanwhile)
    with pytest.raises(InputError, match="1 got one meanwhile"):
        decide_all(workspace, run_id, cells(3, 4), Verdict.PRESENT, reviewer="Ann", client=new_client())
    assert [made.reviewer for made in workspace.ledger.decisions()] == ["Ben"]


def test_several_classes_are_refused(workspace: Workspace, run_id: str) -> None:
    both = pd.concat([cells(3), cells(4, class_index=1)])
    with pytest.raises(InputError, match="on one class, got 2"):
        decide_all(workspace, run_id, both, Verdict.PRESENT, reviewer="Ann", client=new_client())


def test_all_of_it_is_taken_back_at_once_and_nothing_else(workspace: Workspace, run_id: str, answer: Answer) -> None:
    answer(5, 0, Verdict.PRESENT)
    client = new_client()
    decide_all(workspace, run_id, cells(*range(6, 16)), Verdict.PRESENT, reviewer="Ann", client=client)
    assert workspace.cells.newest_of_many() == 11
    assert undo_all(workspace, client) == 10
    assert undo_all(workspace, client) == 0
    assert workspace.cells.newest_of_many() == 21
    states = Known.of(workspace, run_id).suggestions.set_index("image_index")["state"]
    assert states[states != "open"].to_dict() == {5: "accepted"}


@pytest.mark.parametrize("client", ["client-1", "bulk-", "bulk-" + "é" * 32, "", "bulk-1 OR 1=1"])
def test_decisions_of_a_page_are_not_taken_back_by_an_address(
    workspace: Workspace, run_id: str, answer: Answer, client: str
) -> None:
    answer(5, 0, Verdict.PRESENT)
    assert undo_all(workspace, client) == 0
    assert workspace.ledger.count() == 1


def test_a_new_client_is_one_that_the_ledger_may_undo() -> None:
    made = {new_client() for _ in range(9)}
    assert len(made) == 9
    assert all(map(is_client, made))


def test_the_sample_is_still_asked_for_cell_by_cell(workspace: Workspace, run_id: str, answer: Answer) -> None:
    """Nobody looked at the cell of the sample, and that it was among many says what it seems to be."""
    decide_all(workspace, run_id, cells(3, AUDITED), Verdict.PRESENT, reviewer="Ann", client=new_client())
    (sampled,) = workspace.audits.cells(run_id)
    assert (sampled.answers, sampled.decided, sampled.looked_at, sampled.mended) == (0, True, False, True)
    shown = [item.image for item in page_of(workspace, run_id, Kind.MISSING, 0, after_rank=0, limit=500)]
    assert AUDITED in shown
    assert 3 not in shown
    row = picked_queue(workspace, run_id).queues.set_index("class_index").loc[0]
    assert row["open"] == len(shown)
    assert workspace.trail.page(Wanted())["asked"].tolist() == ["", "missing"], "nobody was asked by the sample"
    answer(AUDITED, 0, Verdict.ABSENT)
    (sampled,) = workspace.audits.cells(run_id)
    assert (sampled.said_error, sampled.said_fine, sampled.mended) == (0, 1, False)
    assert AUDITED not in [item.image for item in page_of(workspace, run_id, Kind.MISSING, 0, after_rank=0, limit=500)]
