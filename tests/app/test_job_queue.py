"""Jobs that wait: one after another, each once, whoever looks; real processes of the real command line."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from labelmend_app.jobs import job_queue, jobs
from labelmend_core.errors import InputError, WorkspaceError
from labelmend_core.ledger import Status
from labelmend_core.types import AnnotatedDataset, LabelMatrix
from labelmend_core.workspace import Workspace

SECONDS = 240  # importing torch alone takes ten on a machine that has other work
GONE = ["--run", "20200101-gone"]  # a job that ends by itself, soon, with a sentence


@pytest.fixture
def workspace(tmp_path: Path):
    source = tmp_path / "labels.txt"
    source.write_text("0.png,0\n")
    dataset = AnnotatedDataset(["0.png"], ["0.png"], ["cat"], LabelMatrix.from_dense([[1]]))
    with closing(
        Workspace.create(tmp_path / "work", dataset, format_name="list", image_folder=tmp_path, source=source)
    ) as made:
        yield made


def wait(until: Callable[[], object], what: str) -> None:
    end = time.monotonic() + SECONDS
    while not until():
        assert time.monotonic() < end, f"waited {SECONDS} s for {what}"
        time.sleep(0.1)


def names(workspace: Workspace) -> list[str]:
    return [one.arguments[-1] for one in job_queue.waiting(workspace)]


def busy(workspace: Workspace) -> str:
    """A run in a terminal, which keeps what waits from beginning."""
    return workspace.runs.start(mode="probe", loss="bce", labels="given", n_decisions=0, settings={})


def test_what_waits_is_moved_and_taken_out_and_is_there_for_the_next_server(workspace):
    a, b, c = (job_queue.add(workspace, ["--seed", name]) for name in "abc")
    job_queue.move_up(workspace, c.name)
    assert names(workspace) == ["a", "c", "b"]
    job_queue.move_up(workspace, a.name)  # nothing before it
    job_queue.move_up(workspace, "gone")
    job_queue.cancel(workspace, c.name)
    job_queue.cancel(workspace, c.name)
    assert [one.name for one in job_queue.waiting(workspace)] == [a.name, b.name]
    script = (
        "import sys; from pathlib import Path; from labelmend_app.jobs.job_queue import waiting; "
        "from labelmend_core.workspace import Workspace; "
        "print(*(one.arguments[-1] for one in waiting(Workspace.open(Path(sys.argv[1])))))"
    )
    seen = subprocess.run(
        [sys.executable, "-c", script, str(workspace.folder)], capture_output=True, text=True, check=True
    )
    assert seen.stdout == "a b\n"


def test_nothing_begins_while_something_runs_then_one_begins_however_many_look(workspace):
    run_id = busy(workspace)
    first = job_queue.add(workspace, GONE, command="suggest")
    second = job_queue.add(workspace, GONE, command="suggest")
    assert job_queue.start_next(workspace) is None
    workspace.runs.finish(run_id, Status.DONE)
    with ThreadPoolExecutor(6) as pool:
        started = list(pool.map(lambda _: job_queue.start_next(workspace), range(6)))
    job, *later = sorted(filter(None, started), key=lambda one: one.name)
    assert (job.waited_as, job.command, job.arguments) == (first.name, "suggest", tuple(GONE))
    # On a slow machine the first may have failed before the last of the six has looked.
    assert [one.waited_as for one in later] in ([], [second.name])
    assert len(job_queue.waiting(workspace)) == 1 - len(later)

    ended = threading.Event()
    keeper = threading.Thread(target=job_queue.keep_going, args=(workspace, ended))
    keeper.start()
    wait(lambda: len(jobs.newest(workspace.folder, 9)) == 2, "the second job, after the first has failed")
    wait(lambda: jobs.latest(workspace.folder).exit_code is not None, "its end")
    ended.set()
    keeper.join()
    assert [one.exit_code for one in jobs.newest(workspace.folder, 9)] == [2, 2]
    assert not job_queue.waiting(workspace)


def test_a_job_that_began_before_a_crash_is_not_started_again(workspace):
    busy_run = busy(workspace)
    job_queue.add(workspace, GONE, command="suggest")
    file = workspace.folder / "jobs" / "queue"
    before = file.read_bytes()
    workspace.runs.finish(busy_run, Status.DONE)
    job = job_queue.start_next(workspace)
    file.write_bytes(before)  # killed after the process was started, before the queue was written
    wait(lambda: not job.alive, "the end of the job")
    assert job_queue.waiting(workspace) == []
    assert job_queue.start_next(workspace) is None
    wait(lambda: jobs.latest(workspace.folder).exit_code is not None, "its end to be written")


def test_a_damaged_queue_is_told(workspace):
    job_queue.add(workspace, ["--seed", "1"])
    (workspace.folder / "jobs" / "queue").write_text('[{"name": 1}]')
    with pytest.raises(InputError, match="remove it to begin anew"):
        job_queue.waiting(workspace)


@pytest.mark.parametrize("damaged", ["{", "[]", '{"ended_at": null}'], ids=["cut off", "a list", "fields missing"])
def test_the_record_of_a_job_that_is_damaged_is_named_and_what_waits_begins_when_it_is_gone(workspace, damaged):
    job_queue.add(workspace, GONE)
    record = workspace.folder / "jobs" / "20200101-000000-000000.json"
    record.write_text(damaged)
    with pytest.raises(InputError, match=rf"{record.name} as labelmend wrote it.*remove it"):
        job_queue.start_next(workspace)
    ended = threading.Event()
    thread = threading.Thread(target=job_queue.keep_going, args=(workspace, ended))
    thread.start()
    time.sleep(job_queue._LOOK_EVERY * 1.5)  # it has looked at least once, and goes on
    record.unlink()
    wait(lambda: jobs.latest(workspace.folder), "the job that waited")
    ended.set()
    thread.join()
    assert jobs.latest(workspace.folder).arguments == tuple(GONE)
    wait(lambda: jobs.latest(workspace.folder).exit_code is not None, "its end, before its folder is removed")


def test_a_damaged_lock_is_named_and_what_waits_begins_when_it_is_gone(workspace):
    job_queue.add(workspace, GONE, command="suggest")
    lock = workspace.folder / "jobs" / "lock.db"
    lock.write_bytes(b"no database " * 400)
    with pytest.raises(WorkspaceError, match=r"lock\.db as labelmend wrote it, got: .*remove it"):
        job_queue.start_next(workspace)
    lock.unlink()
    assert job_queue.start_next(workspace).arguments == tuple(GONE)
    wait(lambda: jobs.latest(workspace.folder).exit_code is not None, "its end to be written")


@pytest.mark.parametrize("trouble", [WorkspaceError("a damaged lock"), PermissionError("no rights")], ids=str)
def test_what_keeps_going_survives_what_somebody_can_mend(workspace, monkeypatch, trouble):
    ended, looks = threading.Event(), []

    def start_next(_: Workspace) -> None:
        looks.append(trouble)
        if len(looks) == 1:
            raise trouble
        ended.set()

    monkeypatch.setattr(job_queue, "_LOOK_EVERY", 0)
    monkeypatch.setattr(job_queue, "start_next", start_next)
    job_queue.keep_going(workspace, ended)
    assert len(looks) == 2
