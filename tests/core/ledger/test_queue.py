"""Suggestions wait, best first and kinds apart, until their cell is answered; ids and evidence stay."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event

from labelmend_core.ledger import Catalog, Ledger, Queue, Runs, Status, open_engine, standing
from labelmend_core.types import AnnotatedDataset, Decision, Kind, LabelMatrix, Suggestion, Verdict

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
Row = tuple[int, int, str, float]


def frame(rows: list[Row]) -> pd.DataFrame:
    """Suggestions (image, class, kind, error_probability), ranked within kind in the order given."""
    ranked = pd.DataFrame(rows, columns=["image_index", "class_index", "kind", "error_probability"])
    p = ranked["error_probability"]
    reasons = [{"mean_p": probability, "flip_epoch": None, "given_label": 0} for probability in p]
    rank = ranked.groupby("kind").cumcount() + 1
    return ranked.assign(rank=rank, label_quality=1 - p, low=p / 2, high=p, reason=reasons)


ROWS: list[Row] = [
    (0, 1, "missing", 0.9),
    (1, 1, "missing", 0.8),
    (0, 0, "spurious", 0.7),
    (2, 0, "missing", 0.6),
    (3, 1, "missing", 0.5),
    (3, 0, "spurious", 0.4),
]
CELLS_OF = {kind: [row[:2] for row in ROWS if row[2] == kind] for kind in Kind}


@pytest.fixture
def run_id(runs: Runs, queue: Queue) -> str:
    run_id = started(runs)
    queue.save(run_id, frame(ROWS))
    return run_id


def started(runs: Runs) -> str:
    return runs.start(mode="probe", loss="bce", labels="given", n_decisions=0, settings={})


def cells(suggestions: list[Suggestion]) -> list[tuple[int, int]]:
    return [(suggestion.image, suggestion.class_index) for suggestion in suggestions]


def answer(ledger: Ledger, image: int, class_index: int, verdict: Verdict, **more: Any) -> Decision:
    decision = Decision("tab", ledger.acknowledged("tab") + 1, image, class_index, verdict, "ann", NOON, **more)
    ledger.append([decision])
    return decision


def test_a_suggestion_comes_back_as_it_was_saved(queue: Queue, run_id: str) -> None:
    first = queue.open(run_id, kind=Kind.MISSING, limit=1)[0]
    reason = {"mean_p": 0.9, "flip_epoch": None, "given_label": 0}
    expected = Suggestion(first.suggestion_id, run_id, 0, 1, Kind.MISSING, 1, 1 - 0.9, 0.9, 0.45, 0.9, reason)
    assert first == expected == queue.get(first.suggestion_id)
    assert queue.get(first.suggestion_id + 1000) is None


def test_columns_of_numpy_and_categories_are_saved_as_they_are(queue: Queue, runs: Runs) -> None:
    typed = frame(ROWS).astype({"image_index": np.int32, "error_probability": np.float32, "kind": "category"})
    run_id = started(runs)
    queue.save(run_id, typed[typed.columns[::-1]].assign(left_over="ignored"))
    assert cells(queue.of_run(run_id)) == CELLS_OF[Kind.MISSING] + CELLS_OF[Kind.SPURIOUS]
    assert queue.of_run(run_id)[0].error_probability == pytest.approx(0.9)


def test_a_reason_that_no_browser_could_read_is_refused_before_anything_is_stored(queue: Queue, run_id: str) -> None:
    wrong = frame(ROWS[:2]).assign(reason=[{"mean_p": 0.5}, {"mean_p": float("nan")}])
    with pytest.raises(ValueError, match="not JSON compliant"):
        queue.save(run_id, wrong)
    assert len(queue.of_run(run_id)) == len(ROWS)


@pytest.mark.parametrize("kind", Kind)
def test_kinds_are_ranked_apart_best_first(queue: Queue, run_id: str, kind: Kind) -> None:
    assert cells(queue.open(run_id, kind=kind)) == CELLS_OF[kind]
    assert [suggestion.rank for suggestion in queue.open(run_id, kind=kind)] == list(range(1, len(CELLS_OF[kind]) + 1))


@pytest.mark.parametrize("last_rank", [0, 2, 3])
def test_a_page_ends_at_the_last_rank_that_is_asked_for(queue: Queue, run_id: str, last_rank: int) -> None:
    page = queue.open(run_id, kind=Kind.MISSING, last_rank=last_rank)
    assert [suggestion.rank for suggestion in page] == list(range(1, last_rank + 1))


def test_of_run_gives_missing_before_spurious(queue: Queue, run_id: str) -> None:
    assert cells(queue.of_run(run_id)) == CELLS_OF[Kind.MISSING] + CELLS_OF[Kind.SPURIOUS]


@pytest.mark.parametrize("class_index", [None, 1])
def test_pages_follow_one_another_without_gap_or_repetition(queue: Queue, run_id: str, class_index: int | None) -> None:
    seen: list[Suggestion] = []
    for _ in ROWS:
        after = seen[-1].rank if seen else 0
        seen += queue.open(run_id, kind=Kind.MISSING, class_index=class_index, after_rank=after, limit=2)
    assert cells(seen) == [cell for cell in CELLS_OF[Kind.MISSING] if class_index in (None, cell[1])]


@pytest.mark.parametrize("verdict", [Verdict.PRESENT, Verdict.ABSENT, Verdict.UNSURE])
def test_an_answered_cell_is_no_longer_open_in_any_run(
    queue: Queue, ledger: Ledger, runs: Runs, run_id: str, verdict: Verdict
) -> None:
    later = started(runs)
    queue.save(later, frame(ROWS))
    answer(ledger, 0, 1, verdict)
    for each in (run_id, later):
        assert cells(queue.open(each, kind=Kind.MISSING)) == CELLS_OF[Kind.MISSING][1:]
        assert cells(queue.open(each, kind=Kind.SPURIOUS)) == CELLS_OF[Kind.SPURIOUS]


def test_a_skipped_cell_stays_open(queue: Queue, ledger: Ledger, run_id: str) -> None:
    answer(ledger, 0, 1, Verdict.SKIP)
    assert cells(queue.open(run_id, kind=Kind.MISSING)) == CELLS_OF[Kind.MISSING]


def test_an_undo_opens_the_cell_again(queue: Queue, ledger: Ledger, run_id: str) -> None:
    decision = answer(ledger, 0, 1, Verdict.PRESENT)
    answer(ledger, 0, 1, Verdict.UNDO, undoes=(decision.client, decision.seq))
    assert cells(queue.open(run_id, kind=Kind.MISSING)) == CELLS_OF[Kind.MISSING]


def test_counts_say_what_is_left(queue: Queue, ledger: Ledger, run_id: str) -> None:
    answer(ledger, 0, 1, Verdict.ABSENT)
    answer(ledger, 0, 1, Verdict.UNSURE)  # the same cell: it must not count twice
    answer(ledger, 2, 0, Verdict.PRESENT)
    answer(ledger, 3, 1, Verdict.SKIP)
    answer(ledger, 2, 2, Verdict.PRESENT)  # nobody suggested it
    counts = queue.counts(run_id)
    assert list(counts.columns) == ["class_index", "kind", "suggested", "open"]
    assert counts.values.tolist() == [[0, "missing", 1, 0], [0, "spurious", 2, 2], [1, "missing", 3, 2]]


def test_counts_of_a_run_without_suggestions_have_no_row(queue: Queue, runs: Runs, run_id: str) -> None:
    assert queue.counts(started(runs)).empty


def test_saving_again_keeps_the_id_of_a_cell_that_is_still_suggested(queue: Queue, run_id: str) -> None:
    before = {(s.image, s.class_index): s.suggestion_id for s in queue.of_run(run_id)}
    again: list[Row] = [(3, 1, "missing", 0.95), (0, 0, "missing", 0.5), (2, 2, "spurious", 0.3)]
    queue.save(run_id, frame(again))
    after = queue.of_run(run_id)
    assert [(*cell, s.kind, s.error_probability) for s, cell in zip(after, cells(after), strict=True)] == again
    assert [before.get(cell) for cell in cells(after)][:2] == [s.suggestion_id for s in after[:2]]
    assert after[2].suggestion_id not in before.values()


def test_saving_again_keeps_a_suggestion_that_a_decision_was_made_on(queue: Queue, ledger: Ledger, run_id: str) -> None:
    evidence = queue.open(run_id, kind=Kind.SPURIOUS)[0]
    answer(ledger, evidence.image, evidence.class_index, Verdict.ABSENT, suggestion_id=evidence.suggestion_id)
    queue.save(run_id, frame(ROWS[:1]))
    assert cells(queue.of_run(run_id)) == [(0, 1), (0, 0)]
    assert queue.get(evidence.suggestion_id) == evidence


def test_saving_nothing_empties_this_run_only(queue: Queue, runs: Runs, run_id: str) -> None:
    other = started(runs)
    queue.save(other, frame(ROWS))
    queue.save(other, frame([]))
    assert (len(queue.of_run(run_id)), len(queue.of_run(other))) == (len(ROWS), 0)


def test_latest_run_is_the_newest_that_has_suggestions(queue: Queue, runs: Runs) -> None:
    assert queue.latest_run() is None
    first, second = started(runs), started(runs)
    started(runs)
    queue.save(first, frame(ROWS))
    assert queue.latest_run() == first
    queue.save(second, frame(ROWS))
    runs.finish(second, Status.FAILED)
    assert queue.latest_run() == second


on_a_file = pytest.mark.parametrize("empty_database", ["sqlite"], indirect=True)  # SQLite says how it goes about it


def plan(engine: Engine, read: Callable[[], object]) -> list[str]:
    """Return how SQLite goes about the queries that `read` makes."""
    queries: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.lstrip().startswith("SELECT"):
            queries.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    read()
    event.remove(engine, "before_cursor_execute", note)
    assert queries
    with engine.connect() as connection:
        steps = [connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", given_) for query, given_ in queries]
        return [row[3] for rows in steps for row in rows]


# Six suggestions cannot show that sorting a million for a page of a hundred takes seconds; the plan can.


@on_a_file
@pytest.mark.parametrize("class_index", [None, 1], ids=["all classes", "one class"])
@pytest.mark.parametrize("audited", [True, False])
def test_a_page_is_read_in_the_order_of_an_index(
    queue: Queue, engine: Engine, run_id: str, class_index: int | None, audited: bool
) -> None:
    steps = plan(engine, lambda: queue.open(run_id, kind=Kind.MISSING, class_index=class_index, audited=audited))
    assert not [step for step in steps if step.startswith("SCAN") or "TEMP B-TREE" in step]


@on_a_file
def test_counting_goes_from_the_answered_cells_to_their_suggestions(queue: Queue, engine: Engine, run_id: str) -> None:
    steps = plan(engine, lambda: queue.counts(run_id))
    assert [step for step in steps if step.startswith("SEARCH suggestions USING COVERING INDEX")]
    assert [step for step in steps if "(run_id=? AND image_index=? AND class_index=?)" in step]


@on_a_file
def test_deleting_a_suggestion_does_not_look_through_all_decisions(engine: Engine) -> None:
    query = "SELECT 1 FROM decisions WHERE suggestion_id = 1"  # what the foreign key asks for each
    steps = plan(engine, lambda: engine.connect().exec_driver_sql(query).close())
    assert [step for step in steps if "decision_suggestion" in step]


@st.composite
def histories(draw: st.DrawFn) -> list[Decision]:
    """Decisions on the suggested cells and one other, some of them taken back."""
    events: list[Decision] = []
    for seq in range(1, draw(st.integers(0, 10)) + 1):
        taken = [event for event in events if event.verdict is not Verdict.UNDO]
        if taken and draw(st.booleans()):
            one = draw(st.sampled_from(taken))
            undoes = (one.client, one.seq)
            events.append(Decision("tab", seq, one.image, one.class_index, Verdict.UNDO, "ann", NOON, None, undoes))
        else:
            cell = draw(st.sampled_from([*(row[:2] for row in ROWS), (2, 1)]))
            verdict = draw(st.sampled_from([Verdict.PRESENT, Verdict.ABSENT, Verdict.UNSURE, Verdict.SKIP]))
            events.append(Decision("tab", seq, *cell, verdict, "ann", NOON))
    return events


@settings(max_examples=40, deadline=None)  # each makes a database
@given(events=histories())
def test_the_database_and_standing_agree_on_what_is_open(events: list[Decision]) -> None:
    engine = open_engine(Path(":memory:"))
    names = ["0", "1", "2", "3"]
    Catalog(engine).write(AnnotatedDataset(names, names, ["cat", "dog"], LabelMatrix.empty((4, 2))))
    queue, run_id = Queue(engine), started(Runs(engine))
    queue.save(run_id, frame(ROWS))
    Ledger(engine).append(events)
    answered = {(e.image, e.class_index) for e in standing(events) if e.verdict is not Verdict.SKIP}
    for kind in Kind:
        assert cells(queue.open(run_id, kind=kind)) == [cell for cell in CELLS_OF[kind] if cell not in answered]
    left = [row for row in ROWS if row[:2] not in answered]
    for class_index, kind, suggested, open_ in queue.counts(run_id).itertuples(index=False):
        assert open_ == len([row for row in left if row[1:3] == (class_index, kind)])
        assert suggested == len([row for row in ROWS if row[1:3] == (class_index, kind)])
    assert set(zip(*map(queue.answered(run_id).get, ["image_index", "class_index"]), strict=True)) == {
        row[:2] for row in ROWS if row[:2] in answered
    }
    engine.dispose()
