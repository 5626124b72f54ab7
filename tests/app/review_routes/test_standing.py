"""Where one stands: what was accepted against what was expected, what was mended, what is left."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from labelmend_app.review import standing_api
from labelmend_app.review.standing import tallies
from labelmend_core.types import Decision, Verdict
from labelmend_core.workspace import Workspace

Client = Any  # of conftest.py, which pytest imports and nobody else can

Answer = Callable[[int, int, str], None]
AUDITED = 25


@pytest.fixture
def ask(client: Client, run_id: str) -> Callable[..., dict[str, Any]]:
    def get(route: str, **more: Any) -> dict[str, Any]:
        asked = {"run": run_id, "class_index": 0, "kind": "missing", **more}
        found: dict[str, Any] = client.get(f"/api/{route}", **asked).json
        return found

    return get


def test_accepted_stands_beside_what_was_expected_of_the_same_cells(ask: Callable[..., Any], answer: Answer) -> None:
    answer(0, 0, "present")
    answer(10, 0, "absent")
    answer(11, 0, "unsure")  # neither
    answer(AUDITED, 0, "absent")  # counts with its own probability, whatever it was shown with
    answer(2, 1, "present")  # another queue: mended all the same
    answer(30, 0, "absent")  # the other kind
    found = ask("standing")
    assert (found["said"], found["accepted"], found["mended"]) == (3, 1, 3)
    assert found["expected"] == pytest.approx(0.9 + 0.8 + 0.01)


def test_a_changed_mind_counts_once(ask: Callable[..., Any], answer: Answer) -> None:
    answer(0, 0, "present")
    answer(0, 0, "absent")
    assert (ask("standing")["said"], ask("standing")["accepted"]) == (1, 0)


def test_what_settles_a_cell_counts_before_whatever_is_said_of_it_later(
    ask: Callable[..., Any], answer: Answer, workspace: Workspace
) -> None:
    settled = Decision("conflicts-1", 1, 0, 0, Verdict.ABSENT, "Dora", datetime(2026, 3, 1, tzinfo=UTC))
    workspace.ledger.append([replace(settled, adjudicates=True)])
    answer(0, 0, "present")
    assert (ask("standing")["said"], ask("standing")["accepted"]) == (1, 0)


def test_the_next_ones_bring_less_once_many_were_wrong(ask: Callable[..., Any], answer: Answer) -> None:
    before = ask("standing")
    assert (before["next"], before["said"], before["mended"]) == (20, 0, 0)
    for image in range(10):
        answer(image, 0, "absent")
    after = ask("standing")
    assert after["next"] == 10
    assert after["next_mends"] / 10 < before["next_mends"] / 20


def test_tallies_have_a_row_for_each_queue_with_answers(workspace: Workspace, run_id: str, answer: Answer) -> None:
    assert tallies(workspace, run_id).empty
    answer(2, 1, "present")
    answer(30, 0, "absent")
    rows = tallies(workspace, run_id)[["class_index", "kind", "said", "accepted"]]
    assert rows.to_dict("split")["data"] == [[0, "spurious", 1, 1], [1, "missing", 1, 1]]


def test_without_a_sample_nothing_is_said_of_what_is_left(client: Client, workspace: Workspace) -> None:
    made = workspace.runs.start(mode="probe", loss="bce", labels="given", n_decisions=0, settings={})
    found = client.get("/api/remaining", run=made, class_index=0, kind="missing")
    assert found.json == {"of_class": None, "of_all": None}


def test_an_estimate_is_not_made_anew_for_each_page(
    client: Client, workspace: Workspace, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, left = workspace.runs.start(mode="probe", loss="bce", labels="given", n_decisions=0, settings={}), []
    monkeypatch.setattr(standing_api, "remaining_errors", lambda *asked: left.append(asked) or {})
    asked = {"run": made, "class_index": 0, "kind": "missing"}
    for image in range(3):
        answer(image, 0, "present")
        client.get("/api/remaining", **asked)
    assert len(left) == 1
    monkeypatch.setattr(standing_api, "_REST", 0.0)
    answer(4, 0, "present")
    client.get("/api/remaining", **asked)
    assert len(left) == 2


def test_a_wrong_question_is_answered_with_what_was_expected(client: Client, run_id: str) -> None:
    assert "class_index" in client.get("/api/standing", run=run_id, class_index=3, kind="missing").json["error"]
    unknown = client.get("/api/remaining", run="../..", class_index=0, kind="missing")
    assert unknown.status == 422
    assert client.get("/api/standing", run=run_id, class_index=0, kind="missing", blind="maybe").status == 400
