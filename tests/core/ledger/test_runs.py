"""A run says how it was made and whether it still goes, also when nobody is left to say that it does not."""

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import psutil
import pytest
from sqlalchemy import Engine, text

from labelmend_core.errors import InputError
from labelmend_core.ledger import Database, RunRecord, Runs, Status
from labelmend_core.ledger import runs as runs_module

SETTINGS: dict[str, Any] = {"epochs": 10, "lr": 0.1, "loss": {"tau": 0.6}, "layers": ["head"], "resume": None}


def start(runs: Runs, mode: str = "probe") -> str:
    return runs.start(mode=mode, loss="splc", labels="corrected", n_decisions=7, settings=SETTINGS)


def test_a_run_comes_back_as_it_was_started(runs: Runs, reopen: Callable[[], Engine]) -> None:
    before = datetime.now(UTC)
    run_id = start(runs)
    record = Runs(reopen()).get(run_id)
    assert before <= record.created_at <= datetime.now(UTC)
    assert record == RunRecord(
        run_id, record.created_at, "probe", "splc", Status.RUNNING, "corrected", 7, SETTINGS, metrics={}
    )


def test_runs_of_one_second_have_ids_of_their_own_also_when_started_at_once(runs: Runs) -> None:
    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(lambda _: start(runs), range(12)))
    assert len(set(ids)) == 12


def test_all_lists_the_newest_first(runs: Runs) -> None:
    ids = [start(runs, mode) for mode in ("probe", "finetune", "aaa")]
    assert [record.run_id for record in runs.all()] == ids[::-1]


@pytest.mark.parametrize("status", [Status.DONE, Status.STOPPED, Status.FAILED])
def test_a_run_that_ended_stays_so_and_keeps_its_metrics(runs: Runs, status: Status) -> None:
    run_id, other = start(runs), start(runs)
    runs.finish(run_id, status, {"map": 0.5, "on": "validation", "best_epoch": 3})
    assert (runs.get(run_id).status, runs.get(other).status) == (status, Status.RUNNING)
    assert runs.get(run_id).metrics == {"map": 0.5, "on": "validation", "best_epoch": 3}


def test_a_run_that_is_resumed_runs_and_keeps_its_metrics_until_it_ends(runs: Runs) -> None:
    run_id = start(runs)
    runs.finish(run_id, Status.STOPPED, {"map": 0.5})
    runs.resume(run_id)
    assert (runs.get(run_id).status, runs.get(run_id).metrics) == (Status.RUNNING, {"map": 0.5})
    runs.finish(run_id, Status.FAILED)
    assert (runs.get(run_id).status, runs.get(run_id).metrics) == (Status.FAILED, {"map": 0.5})


def test_an_unknown_run_is_refused_by_naming_the_known(runs: Runs) -> None:
    with pytest.raises(InputError, match=r"one of the runs \(there is none yet\), got 'nonsense'"):
        runs.get("nonsense")
    run_id = start(runs)
    with pytest.raises(InputError, match=f"one of the runs {run_id}, got 'nonsense'"):
        runs.get("nonsense")


def test_a_run_that_starts_after_the_clock_jumped_back_is_the_newest(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Yesterday(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz) - timedelta(days=1)

    first = start(runs)
    monkeypatch.setattr(runs_module, "datetime", Yesterday)
    second = start(runs)
    assert [run.run_id for run in runs.all()] == [second, first]


def test_a_killed_run_has_died_before_and_after_its_parent_noticed(
    processes: Any, runs: Runs, database: Database
) -> None:
    pid = processes.start(database, train=True)
    run_id = processes.heard()["run_id"]
    assert runs.get(run_id).status is Status.RUNNING
    os.kill(pid, signal.SIGKILL)
    while psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.001)
    assert runs.get(run_id).status is Status.DIED, "a zombie trains nothing"
    processes.reap(pid)
    assert runs.get(run_id).status is Status.DIED
    runs.resume(run_id)
    assert runs.get(run_id).status is Status.RUNNING


def test_a_run_has_died_when_its_pid_was_given_to_a_later_process(runs: Runs, engine: Engine) -> None:
    run_id = start(runs)
    with engine.begin() as connection:  # as if the run had been started an hour before this process
        connection.execute(text("UPDATE runs SET process_started = process_started - 3600"))
    assert runs.get(run_id).status is Status.DIED
