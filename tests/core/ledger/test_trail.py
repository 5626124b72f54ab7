"""The audit trail: every event once, newest first, found by whatever it is looked for, and how each reviewer fares."""

from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest
from sqlalchemy import Engine

from labelmend_core.ledger import Audits, Ledger, Queue, Runs, Trail, Wanted, trail
from labelmend_core.types import Decision, Kind, Verdict

P, A, UNSURE, UNDO = Verdict.PRESENT, Verdict.ABSENT, Verdict.UNSURE, Verdict.UNDO
START = datetime(2026, 3, 1, 23, 59, 0, tzinfo=UTC)


@pytest.fixture
def run_id(runs: Runs, queue: Queue, engine: Engine) -> str:
    made = runs.start(mode="probe", loss="bce", labels="given", n_decisions=0, settings={})
    row = {"class_index": 0, "kind": "missing", "label_quality": 0.1, "low": 0.5, "high": 1.0, "reason": {}}
    rows = [{**row, "image_index": i, "rank": i + 1, "error_probability": 0.9 - i / 10} for i in range(2)]
    queue.save(made, pd.DataFrame(rows))
    sample = {"image_index": 2, "class_index": 1, "kind": "spurious", "inclusion_probability": 0.5}
    Audits(engine).save(made, pd.DataFrame([{**sample, "error_probability": 0.2, "place": 1, "again": 2}]))
    return made


@pytest.fixture
def events(ledger: Ledger, queue: Queue, run_id: str) -> Trail:
    """Ann answers three cells in the night to March 2nd and takes one back, Ben one of them, and Dora settles it."""
    ids = [suggestion.suggestion_id for suggestion in queue.open(run_id, kind=Kind.MISSING)]
    said = [
        ("ann", 0, 0, P, {"suggestion_id": ids[0]}),
        ("ann", 1, 0, A, {"suggestion_id": ids[1]}),
        ("ann", 2, 1, A, {}),
        ("ann", 1, 0, UNDO, {"undoes": ("tab", 2)}),
        ("ben", 0, 0, A, {"suggestion_id": ids[0]}),
        ("dora", 0, 0, P, {"adjudicates": True}),
    ]
    for seq, (who, image, k, verdict, more) in enumerate(said, 1):
        at = START + timedelta(seconds=30 * seq)
        ledger.append([Decision("tab", seq, image, k, verdict, who, at, **more)])
    return Trail(ledger._engine)


def test_every_event_is_there_newest_first_with_its_evidence(events: Trail, run_id: str) -> None:
    page = events.page(Wanted())
    shown = page[["reviewer", "image", "class", "verdict", "asked", "state", "adjudicates"]].to_numpy().tolist()
    assert shown == [
        ["dora", "train0.jpg", "cat", "present", "", "stands", True],
        ["ben", "train0.jpg", "cat", "absent", "missing", "stands", False],
        ["ann", "train1.jpg", "cat", "undo", "", "takes back", False],
        ["ann", "train2.jpg", "dog", "absent", "audit: spurious", "stands", False],
        ["ann", "train1.jpg", "cat", "absent", "missing", "undone", False],
        ["ann", "train0.jpg", "cat", "present", "missing", "stands", False],
    ]
    assert page["run"].tolist() == ["", run_id, "", run_id, run_id, run_id]
    assert page["error_probability"].dropna().round(2).tolist() == [0.9, 0.2, 0.8, 0.9]
    assert page["decided_at"].iloc[-1] == START + timedelta(seconds=30)


@pytest.mark.parametrize(
    ("wanted", "n"),
    [
        (Wanted(), 6),
        (Wanted(class_index=1), 1),
        (Wanted(reviewer="ann"), 4),
        (Wanted(reviewer="' OR 1 --"), 0),
        (Wanted(verdict=A), 3),
        (Wanted(name="RAIN1"), 2),
        (Wanted(name="%"), 0),
        (Wanted(since=date(2026, 3, 2)), 5),
        (Wanted(until=date(2026, 3, 1)), 1),
        (Wanted(since=date(2026, 3, 1), until=date(2026, 3, 2), class_index=0, verdict=P), 2),
        (Wanted(run_id="no run"), 0),
    ],
)
def test_events_are_found_by_whatever_they_are_looked_for(events: Trail, wanted: Wanted, n: int) -> None:
    assert events.count(wanted) == n == len(events.page(wanted))


def test_events_are_found_by_the_run_of_their_suggestion_or_audited_cell(events: Trail, run_id: str) -> None:
    assert events.count(Wanted(run_id=run_id)) == 4


@pytest.mark.parametrize("block", [1, 2, 4, 6, 7])
def test_pages_and_blocks_hold_every_event_once(events: Trail, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(trail, "_BLOCK", block)
    whole = events.page(Wanted())["decision_id"].tolist()
    pages = [events.page(Wanted(), offset=start, limit=block)["decision_id"] for start in range(0, 6, block)]
    assert pd.concat(pages).tolist() == whole
    assert pd.concat([found["decision_id"] for found in events.blocks(Wanted())]).tolist() == whole


def test_each_reviewer_has_what_stands(events: Trail, ledger: Ledger) -> None:
    table = events.reviewers(ledger.shared_answers())
    assert table[["reviewer", "answered", "accepted"]].to_numpy().tolist() == [["ann", 2, 1.0], ["ben", 1, 0.0]]
    assert table["hours"].iloc[0] == pytest.approx(60 / 3600), "two answers a minute apart"
    assert table["per_hour"].iloc[0] == pytest.approx(60)
    assert table[["agreement", "shared"]].to_numpy().tolist() == [[0.0, 1], [0.0, 1]]


def test_without_decisions_there_is_nothing(ledger: Ledger) -> None:
    none = Trail(ledger._engine)
    assert none.count(Wanted()) == 0
    assert [len(block) for block in none.blocks(Wanted())] == [0]
    assert none.reviewers(ledger.shared_answers()).empty


def test_one_answer_for_many_makes_nobody_faster(events: Trail, ledger: Ledger) -> None:
    at = START + timedelta(seconds=200)
    ledger.append([Decision("bulk-1", 1 + k, 3, k, P, "ann", at) for k in range(2)])
    ann = events.reviewers(ledger.shared_answers()).set_index("reviewer").loc["ann"]
    assert ann["answered"] == 4
    assert ann["per_hour"] == pytest.approx(60)
