"""The audit sample is kept as it was drawn, and its answers are those that no suggestion asked for."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import Engine, event
from sqlalchemy.exc import IntegrityError

from labelmend_core.ledger import AuditCell, Audits, Ledger, Queue, Runs
from labelmend_core.types import Decision, Kind, Verdict

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
# (image, class, kind, place); the first is a suggestion, too.
SAMPLE = [(0, 1, "missing", 4), (1, 1, "missing", 2), (2, 0, "spurious", 1)]
on_a_file = pytest.mark.parametrize("empty_database", ["sqlite"], indirect=True)  # SQLite says how it goes about it


def frame(rows: list[tuple[int, int, str, int]]) -> pd.DataFrame:
    drawn = pd.DataFrame(rows, columns=["image_index", "class_index", "kind", "place"])
    return drawn.assign(inclusion_probability=0.25, error_probability=0.1, again=drawn["place"] + 5)


@pytest.fixture
def audits(engine: Engine) -> Audits:
    return Audits(engine)


@pytest.fixture
def run_id(runs: Runs) -> str:
    return runs.start(mode="probe", loss="bce", labels="given", n_decisions=0, settings={})


@pytest.fixture
def suggestion_id(queue: Queue, run_id: str) -> int:
    cell: dict[str, Any] = {"image_index": [0], "class_index": [1], "kind": ["missing"], "rank": [1], "reason": [{}]}
    numbers = {key: [0.5] for key in ("label_quality", "error_probability", "low", "high")}
    queue.save(run_id, pd.DataFrame(cell | numbers))
    return queue.of_run(run_id)[0].suggestion_id


@pytest.fixture
def say(ledger: Ledger) -> Callable[..., None]:
    """Append decisions, numbered from 1."""
    counted = iter(range(1, 100))

    def append(image: int, class_index: int, verdict: Verdict, **more: Any) -> None:
        ledger.append([Decision("tab", next(counted), image, class_index, verdict, "ann", NOON, **more)])

    return append


def said(cell: AuditCell) -> tuple[int, int, int, bool, bool]:
    return cell.said_error, cell.said_fine, cell.unsure, cell.decided, cell.mended


def test_a_sample_comes_back_in_the_order_of_its_places(audits: Audits, run_id: str, suggestion_id: int) -> None:
    assert not audits.has(run_id)
    assert audits.save(run_id, frame(SAMPLE))
    assert audits.has(run_id)
    cells = audits.cells(run_id, kind=Kind.MISSING)
    assert [(c.image_index, c.class_index, c.kind, c.place, c.again) for c in cells] == [
        (1, 1, Kind.MISSING, 2, 7),
        (0, 1, Kind.MISSING, 4, 9),
    ]
    assert [cell.rank for cell in cells] == [None, 1]
    assert [(c.inclusion_probability, c.error_probability) for c in audits.cells(run_id, class_index=0)] == [
        (0.25, 0.1)
    ]
    assert {said(cell) for cell in audits.cells(run_id)} == {(0, 0, 0, False, False)}


def test_a_sample_that_is_there_stays(audits: Audits, run_id: str) -> None:
    audits.save(run_id, frame(SAMPLE))
    before = audits.cells(run_id)
    assert not audits.save(run_id, frame([(3, 2, "missing", 1)]))
    assert audits.cells(run_id) == before


def test_an_empty_sample_is_none(audits: Audits, run_id: str) -> None:
    assert not audits.save(run_id, frame([]))
    assert not audits.has(run_id)
    assert audits.cells(run_id) == []


def test_an_error_of_a_missing_label_is_present_and_of_a_spurious_one_absent(
    audits: Audits, run_id: str, say: Callable[..., None]
) -> None:
    audits.save(run_id, frame(SAMPLE))
    say(1, 1, Verdict.PRESENT)
    say(2, 0, Verdict.ABSENT)
    say(0, 1, Verdict.ABSENT)
    by_place = {cell.place: said(cell) for cell in audits.cells(run_id)}
    assert by_place == {2: (1, 0, 0, True, True), 1: (1, 0, 0, True, True), 4: (0, 1, 0, True, False)}


def test_every_standing_answer_counts_and_the_last_one_says_whether_it_is_mended(
    audits: Audits, run_id: str, say: Callable[..., None]
) -> None:
    audits.save(run_id, frame(SAMPLE[1:2]))
    for verdict in (Verdict.PRESENT, Verdict.SKIP, Verdict.PRESENT, Verdict.ABSENT, Verdict.UNSURE):
        say(1, 1, verdict)
    assert [said(cell) for cell in audits.cells(run_id)] == [(2, 1, 1, True, False)]
    say(1, 1, Verdict.UNDO, undoes=("tab", 4))
    assert [said(cell) for cell in audits.cells(run_id)] == [(2, 0, 1, True, True)]


def test_a_skip_is_no_answer(audits: Audits, run_id: str, say: Callable[..., None]) -> None:
    audits.save(run_id, frame(SAMPLE[1:2]))
    say(1, 1, Verdict.SKIP)
    assert [said(cell) for cell in audits.cells(run_id)] == [(0, 0, 0, False, False)]


def test_an_answer_to_a_suggestion_is_none_of_the_sample(
    audits: Audits, run_id: str, suggestion_id: int, say: Callable[..., None]
) -> None:
    """The queue asks the most suspicious first: what it asks is not random."""
    audits.save(run_id, frame(SAMPLE[:1]))
    say(0, 1, Verdict.PRESENT, suggestion_id=suggestion_id)
    assert [said(cell) for cell in audits.cells(run_id)] == [(0, 0, 0, True, True)]


def test_the_same_cell_may_be_in_the_samples_of_two_runs_but_not_twice_in_one(audits: Audits, runs: Runs) -> None:
    one, two = (runs.start(mode="probe", loss="bce", labels="given", n_decisions=0, settings={}) for _ in range(2))
    assert audits.save(one, frame(SAMPLE))
    assert audits.save(two, frame(SAMPLE))
    other = runs.start(mode="probe", loss="bce", labels="given", n_decisions=0, settings={})
    with pytest.raises(IntegrityError):
        audits.save(other, frame([SAMPLE[0], SAMPLE[0]]))
    assert not audits.has(other)


def test_the_last_word_on_each_cell(ledger: Ledger, say: Callable[..., None]) -> None:
    for verdict in (Verdict.PRESENT, Verdict.ABSENT, Verdict.UNSURE):
        say(1, 1, verdict)
    say(2, 0, Verdict.PRESENT)
    say(3, 0, Verdict.SKIP)
    assert ledger.verdicts().to_numpy().tolist() == [[1, 1, "absent"], [2, 0, "present"]]
    say(1, 1, Verdict.UNDO, undoes=("tab", 2))
    assert ledger.verdicts()["verdict"].tolist() == ["present", "present"]


@on_a_file
def test_a_page_of_the_sample_looks_at_no_other_decisions(audits: Audits, engine: Engine, run_id: str) -> None:
    queries: list[tuple[str, Any]] = []
    event.listen(
        engine, "before_cursor_execute", lambda _c, _k, statement, given, *_: queries.append((statement, given))
    )
    audits.cells(run_id, kind=Kind.MISSING, class_index=1)
    (query, given) = queries[-1]
    with engine.connect() as connection:
        steps = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", given)]
    assert not [step for step in steps if step.startswith("SCAN") or "MATERIALIZE" in step]
