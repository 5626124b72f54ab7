"""What the ledger acknowledged is there exactly once, whoever sends it, however often, and whatever dies meanwhile."""

import os
import random
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from labelmend_core.errors import InputError, WorkspaceError
from labelmend_core.ledger import Database, Ledger, Queue, Runs, open_engine
from labelmend_core.ledger import engine as engine_module
from labelmend_core.types import Decision, Verdict

NOON = datetime(2024, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)
FIRST = Decision("tab", 1, 0, 0, Verdict.PRESENT, "ann", NOON)
SECOND = Decision("tab", 2, 1, 2, Verdict.UNSURE, "ann", NOON)
UNDO = Decision("tab", 3, 0, 0, Verdict.UNDO, "ann", NOON, undoes=("tab", 1))
on_a_file = pytest.mark.parametrize("empty_database", ["sqlite"], indirect=True)


def stream(client: str, n: int) -> list[Decision]:
    verdicts = [Verdict.PRESENT, Verdict.ABSENT, Verdict.UNSURE, Verdict.SKIP]
    return [Decision(client, seq, seq % 4, seq % 3, verdicts[seq % 4], client, NOON) for seq in range(1, n + 1)]


@pytest.fixture
def suggestion_id(runs: Runs, queue: Queue) -> int:
    """One suggestion, on image 0 and class 1."""
    run_id = runs.start(mode="probe", loss="bce", labels="given", n_decisions=0, settings={})
    cell: dict[str, Any] = {"image_index": [0], "class_index": [1], "kind": ["missing"], "rank": [1], "reason": [{}]}
    numbers = {key: [0.5] for key in ("label_quality", "error_probability", "low", "high")}
    queue.save(run_id, pd.DataFrame(cell | numbers))
    return queue.of_run(run_id)[0].suggestion_id


def test_decisions_come_back_as_they_were_sent(
    ledger: Ledger, suggestion_id: int, reopen: Callable[[], Engine]
) -> None:
    in_tokyo = NOON.astimezone(timezone(timedelta(hours=9)))
    events = [FIRST, SECOND, UNDO, Decision("phone", 1, 0, 1, Verdict.SKIP, "Ælfrić; '", in_tokyo, suggestion_id)]
    assert ledger.append(events) == 4
    assert Ledger(reopen()).decisions() == events
    assert ledger.decisions(after=3) == events[3:]
    assert ledger.count() == 4


def test_what_must_be_on_unanswered_cells_is_stored_on_no_other(ledger: Ledger) -> None:
    skip = Decision("tab", 4, 2, 2, Verdict.SKIP, "ann", NOON)
    ledger.append([FIRST, SECOND, UNDO, skip])
    free = [Decision("many", 1, 0, 0, Verdict.ABSENT, "ben", NOON), replace(skip, client="many", seq=2, reviewer="ben")]
    taken = Decision("others", 1, 1, 2, Verdict.ABSENT, "cy", NOON)
    with pytest.raises(InputError, match="1 got one meanwhile"):
        ledger.append([replace(taken, seq=2, image=3), taken], unanswered=True)
    assert ledger.append(free, unanswered=True) == 2  # one answer was undone, the other is a skip
    assert ledger.append(free, unanswered=True) == 0, "sent again"
    assert ledger.count() == 6
    assert ledger.append([taken]) == 1


def test_nothing_is_a_harmless_batch(ledger: Ledger) -> None:
    assert ledger.append([]) == 0
    assert ledger.decisions() == []


def test_a_client_may_resend_its_whole_log(ledger: Ledger) -> None:
    assert ledger.append([FIRST]) == 1
    assert ledger.append([FIRST, SECOND, UNDO]) == 2
    assert ledger.append([FIRST, SECOND, UNDO]) == 0
    assert ledger.decisions() == [FIRST, SECOND, UNDO]


def test_a_decision_that_comes_twice_in_a_batch_is_one(ledger: Ledger) -> None:
    assert ledger.append([FIRST, FIRST]) == 1


def test_each_client_counts_on_its_own(ledger: Ledger) -> None:
    ledger.append([FIRST, SECOND, replace(FIRST, client="phone")])
    assert [ledger.acknowledged(client) for client in ("tab", "phone", "other")] == [2, 1, 0]


def test_events_stay_in_the_order_of_their_commits_when_the_clock_jumps_back(ledger: Ledger) -> None:
    events = [replace(FIRST, seq=seq, decided_at=NOON - timedelta(days=seq)) for seq in (3, 1, 2)]
    for event in events:
        ledger.append([event])
    assert ledger.decisions() == events


@pytest.mark.parametrize(
    "other",
    [
        {"image": 1},
        {"class_index": 1},
        {"verdict": Verdict.ABSENT},
        {"reviewer": "ben"},
        {"verdict": Verdict.UNDO, "undoes": ("tab", 2)},
    ],
)
@pytest.mark.parametrize("stored", [True, False], ids=["stored before", "in one batch"])
def test_a_known_number_with_other_content_is_refused_with_its_whole_batch(
    ledger: Ledger, other: dict[str, Any], stored: bool
) -> None:
    before = [FIRST, replace(SECOND, image=0, class_index=0)]
    if stored:
        ledger.append(before)
    batch = [*before, replace(FIRST, seq=9, reviewer="new"), replace(FIRST, **other), FIRST]
    with pytest.raises(InputError, match="Expected decision 1 of client tab to stay as it was sent first"):
        ledger.append(batch)
    assert ledger.decisions() == (before if stored else [])


@pytest.mark.parametrize(
    ("undo", "sentence"),
    [
        pytest.param(replace(UNDO, undoes=("tab", 7)), "was that decision never saved", id="of nothing"),
        pytest.param(replace(UNDO, undoes=("phone", 1)), "was that decision never saved", id="of another client's"),
        pytest.param(replace(UNDO, class_index=1), "on the same cell", id="on another cell"),
        pytest.param(replace(UNDO, seq=4, undoes=("tab", 3)), "got the undo of client tab seq 3", id="of an undo"),
        pytest.param(replace(UNDO, seq=4, undoes=("tab", 4)), "got the undo of client tab seq 4", id="of itself"),
        pytest.param(replace(UNDO, undoes=None), "Expected an undo, and nothing else, to name", id="without a target"),
        pytest.param(replace(FIRST, seq=4, undoes=("tab", 1)), "Expected an undo, and nothing else", id="no undo"),
    ],
)
def test_an_undo_that_takes_no_decision_back_is_refused(ledger: Ledger, undo: Decision, sentence: str) -> None:
    before = [FIRST, SECOND] if undo.seq == 3 else [FIRST, SECOND, UNDO]
    ledger.append(before)
    with pytest.raises(InputError, match=sentence):
        ledger.append([replace(FIRST, seq=10), undo])
    assert ledger.decisions() == before


def test_an_undo_may_come_with_its_decision_and_again(ledger: Ledger) -> None:
    assert ledger.append([FIRST, UNDO, replace(UNDO, seq=4)]) == 3


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"image": 6}, id="image"),
        pytest.param({"image": -1}, id="negative image"),
        pytest.param({"class_index": 3}, id="class"),
        pytest.param({"suggestion_id": 12345}, id="suggestion"),
    ],
)
def test_an_unknown_cell_or_suggestion_is_refused_with_its_whole_batch(ledger: Ledger, wrong: dict[str, int]) -> None:
    with pytest.raises(InputError, match="images, classes and suggestions of this workspace"):
        ledger.append([FIRST, replace(SECOND, **wrong)])
    assert ledger.decisions() == []


def test_a_validation_image_is_refused_for_it_has_no_row_in_the_labels_that_are_replayed(ledger: Ledger) -> None:
    with pytest.raises(InputError, match="decision 2 of client tab on validation image 4"):
        ledger.append([FIRST, replace(SECOND, image=4)])
    assert ledger.decisions() == []


def test_a_decision_must_be_on_the_cell_of_its_suggestion(ledger: Ledger, suggestion_id: int) -> None:
    with pytest.raises(InputError, match="on the cell of its suggestion, got decision 2 of client tab"):
        ledger.append([FIRST, replace(SECOND, suggestion_id=suggestion_id)])
    assert ledger.append([replace(FIRST, class_index=1, suggestion_id=suggestion_id)]) == 1


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        pytest.param({"seq": 0}, "count from 1, got 0", id="zero, which acknowledged() means nothing by"),
        pytest.param({"decided_at": NOON.replace(tzinfo=None)}, "to have a time zone", id="a time of nowhere"),
    ],
)
def test_a_decision_without_a_number_or_a_time_zone_is_refused(
    ledger: Ledger, wrong: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        ledger.append([replace(FIRST, **wrong)])
    assert ledger.decisions() == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE decisions SET verdict = 'absent'",
        "UPDATE decisions SET decided_at = '1999-01-01' WHERE seq = 2",
        "DELETE FROM decisions",
        "DELETE FROM decisions WHERE client = 'tab' AND seq = 2",
    ],
)
def test_raw_sql_cannot_change_or_delete_a_decision(ledger: Ledger, engine: Engine, statement: str) -> None:
    ledger.append([FIRST, SECOND])
    with pytest.raises(IntegrityError, match="append-only"), engine.begin() as connection:
        connection.execute(text(statement))
    assert ledger.decisions() == [FIRST, SECOND]


@pytest.mark.parametrize("statement", ["UPDATE decisions SET verdict = 'absent'", "DELETE FROM decisions"])
def test_another_program_on_the_file_cannot_either(sqlite_database: Path, statement: str) -> None:
    engine = open_engine(sqlite_database)
    Ledger(engine).append([FIRST, SECOND])
    with closing(sqlite3.connect(sqlite_database)) as raw, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        raw.execute(statement)
    assert Ledger(engine).decisions() == [FIRST, SECOND]
    engine.dispose()


_REPLACING = {
    "sqlite": ["INSERT OR REPLACE INTO decisions SELECT * FROM decisions"],
    "postgresql": [
        "INSERT INTO decisions SELECT * FROM decisions ON CONFLICT (decision_id) DO UPDATE SET verdict = 'absent'",
        "TRUNCATE decisions",
    ],
}


def test_a_statement_that_replaces_rows_in_passing_cannot_either(ledger: Ledger, engine: Engine) -> None:
    ledger.append([FIRST])
    for statement in _REPLACING[engine.dialect.name]:
        with pytest.raises(IntegrityError, match="append-only"), engine.begin() as connection:
            connection.execute(text(statement))
    assert ledger.decisions() == [FIRST]


def test_threads_that_append_at_once_lose_and_double_nothing(ledger: Ledger) -> None:
    log = stream("everybody", 20)

    def work(number: int) -> int:
        own = stream(f"client {number}", 20)
        return sum(ledger.append([one]) + ledger.append([ours]) for one, ours in zip(log, own, strict=True))

    with ThreadPoolExecutor(8) as pool:
        added = sum(pool.map(work, range(8)))
    events = ledger.decisions()
    assert added == len(events) == 9 * 20
    for client in ("everybody", *(f"client {number}" for number in range(8))):
        assert [event for event in events if event.client == client] == stream(client, 20)


def test_processes_that_append_at_once_lose_and_double_nothing(
    processes: Any, ledger: Ledger, database: Database
) -> None:
    clients = [f"process {number}" for number in range(4)]
    command = {"batches": 15, "size": 2}
    pids = [processes.start(database, append=client, **command) for client in clients]
    for pid in pids:
        processes.reap(pid)
    numbers = {client: [event.seq for event in ledger.decisions() if event.client == client] for client in clients}
    assert numbers == {client: list(range(1, 31)) for client in clients}


def test_what_a_killed_process_was_told_is_saved_is_there_exactly_once(
    processes: Any, database: Database, reopen: Callable[[], Engine]
) -> None:
    rng = random.Random(0)
    for round_ in range(10):
        client = f"killed {round_}"
        pid = processes.start(database, append=client, batches=100_000, size=3)
        for _ in range(rng.randint(1, 25)):
            acknowledged = processes.heard()["acknowledged"]
        time.sleep(rng.uniform(0, 0.005))  # so that it dies anywhere in a transaction
        os.kill(pid, signal.SIGKILL)
        acknowledged = max([acknowledged, *(said["acknowledged"] for said in processes.reap(pid))])
        numbers = [event.seq for event in Ledger(reopen()).decisions() if event.client == client]
        # The batch at hand may have been committed just before its writer could say so; but never in part.
        assert numbers in (list(range(1, acknowledged + 1)), list(range(1, acknowledged + 4)))
    if isinstance(database, Path):
        with closing(sqlite3.connect(database)) as raw:
            assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert raw.execute("PRAGMA foreign_key_check").fetchall() == []


@pytest.mark.faults
def test_a_disk_that_fills_up_keeps_what_was_acknowledged_and_takes_the_rest_later(
    small_disk: Path,
    leave_room: Callable[[int], Path],
    sqlite_database: Path,
    how_often: Callable[[int, int], int],
) -> None:
    rng, events, acknowledged = random.Random(0), stream("full", 40_000), 0
    here = Path(shutil.copy(sqlite_database, small_disk))
    for _ in range(how_often(3, 30)):
        engine = open_engine(here)
        filler = leave_room(rng.randint(60_000, 200_000))
        with pytest.raises(WorkspaceError, match=r"Expected (room to write|to read and write) .*workspace\.db"):  # noqa: PT012
            while True:
                Ledger(engine).append(events[acknowledged : acknowledged + 25])
                acknowledged += 25
        assert Ledger(engine).decisions() == events[:acknowledged]
        filler.unlink()
        engine.dispose()
    with closing(sqlite3.connect(here)) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@on_a_file
def test_a_database_without_room_is_a_sentence_and_keeps_what_it_has(ledger: Ledger, engine: Engine) -> None:
    ledger.append([FIRST])
    with engine.connect() as connection:  # the pool's only connection, which append() gets next
        pages = connection.execute(text("PRAGMA page_count")).scalar_one()
        connection.execute(text(f"PRAGMA max_page_count = {pages}"))
    with pytest.raises(WorkspaceError, match=r"Expected room to write .*workspace\.db, but the disk is full"):
        ledger.append(stream("full", 2000))
    assert ledger.decisions() == [FIRST]
    with engine.connect() as connection:
        connection.execute(text("PRAGMA max_page_count = 1000000"))
    assert ledger.append(stream("full", 2000)) == 2000


def test_a_database_that_another_process_keeps_locked_is_a_sentence(
    sqlite_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "_BUSY_SECONDS", 0.05)
    engine = open_engine(sqlite_database)
    with closing(sqlite3.connect(sqlite_database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(WorkspaceError, match="another process has been writing to it for too long"):
            Ledger(engine).append([FIRST])
        assert Ledger(engine).decisions() == [], "readers never wait"
        other.execute("COMMIT")
    assert Ledger(engine).append([FIRST]) == 1
    engine.dispose()
