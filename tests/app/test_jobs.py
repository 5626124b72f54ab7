"""Training as a process of its own: real processes of the real command line, no stand-ins."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from labelmend_app.jobs import job_log, jobs
from labelmend_core.errors import InputError, WorkspaceError
from labelmend_core.files import replacing
from labelmend_core.ledger import Status
from labelmend_core.run_folder import RunFolder
from labelmend_core.types import AnnotatedDataset, LabelMatrix
from labelmend_core.workspace import Workspace

SMALL = ["--backbone", "test_resnet", "--weights", "random", "--image-size", "32", "--folds", "2", "--batch-size", "8"]
ENDLESS = [*SMALL, "--epochs", "9000"]
SECONDS = 240  # importing torch alone takes ten on a machine that has other work


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Sixteen images of two classes: bright ones and ones with a stripe."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (16, 2))
    labels[:2] = [[1, 0], [0, 1]]
    folder = tmp_path / "images"
    folder.mkdir()
    for i, (bright, striped) in enumerate(labels):
        pixels = np.full((32, 32, 3), 200 if bright else 60, np.uint8)
        pixels[::4] = 0 if striped else pixels[::4]
        Image.fromarray(pixels).save(folder / f"{i}.png")
    names = [f"{i}.png" for i in range(len(labels))]
    source = tmp_path / "labels.txt"
    source.write_text("0.png,0")
    dataset = AnnotatedDataset(names, names, ("bright", "striped"), LabelMatrix.from_dense(labels))
    return Workspace.create(tmp_path / "work", dataset, format_name="list", image_folder=folder, source=source)


def wait(until: Callable[[], object], what: str) -> None:
    end = time.monotonic() + SECONDS
    while not until():
        assert time.monotonic() < end, f"waited {SECONDS} s for {what}"
        time.sleep(0.1)


def ended(workspace: Workspace) -> jobs.Job:
    """Wait until the latest job has ended and its end is written down."""
    wait(lambda: jobs.latest(workspace.folder).exit_code is not None, "the end of the job")
    return jobs.latest(workspace.folder)


def epochs_done(workspace: Workspace, run_id: str) -> int:
    metrics = RunFolder(workspace.run_folder(run_id)).table("metrics")
    return 0 if metrics is None else len(metrics)


def test_a_training_outlives_the_server_that_started_it(workspace):
    server = (
        "import sys; from pathlib import Path; from labelmend_app.jobs import jobs; "
        "from labelmend_core.workspace import Workspace; "
        "jobs.start(Workspace.open(Path(sys.argv[1])), sys.argv[2:])"
    )
    subprocess.run([sys.executable, "-c", server, str(workspace.folder), *SMALL, "--epochs", "2"], check=True)

    going = jobs.running(workspace)
    assert going.job.alive
    assert os.getsid(going.job.pid) == going.job.pid  # Ctrl-C in the server's terminal does not reach it
    with pytest.raises(WorkspaceError, match="nothing else to be running"):
        jobs.start(workspace, SMALL)

    wait(lambda: jobs.running(workspace) is None, "the end of the training")
    job = jobs.latest(workspace.folder)
    run = workspace.runs.get(jobs.run_of(workspace, job))
    assert run.status is Status.DONE, job_log.tail(job.log)
    assert not jobs.failed(job, run)
    assert jobs.progress(workspace.run_folder(run.run_id)).share == 1.0


def test_a_stopped_training_is_resumed_and_one_that_is_ended_can_be_too(workspace):
    jobs.start(workspace, ENDLESS)
    wait(lambda: jobs.running(workspace).run_id, "the run")
    run_id = jobs.running(workspace).run_id
    wait(lambda: jobs.progress(workspace.run_folder(run_id)), "its progress")
    jobs.request_stop(workspace, run_id)
    stopped = ended(workspace)
    assert workspace.runs.get(run_id).status is Status.STOPPED
    assert stopped.exit_code == 0
    assert not jobs.failed(stopped, workspace.runs.get(run_id))

    before = jobs.progress(workspace.run_folder(run_id)).done
    job = jobs.start(workspace, ["--resume", run_id])
    assert not jobs.stop_requested(workspace, run_id)
    assert jobs.running(workspace).run_id == run_id
    wait(lambda: jobs.progress(workspace.run_folder(run_id)).done > before, "progress after resuming")
    job.end()
    killed = ended(workspace)
    assert killed.exit_code == -signal.SIGTERM
    assert workspace.runs.get(run_id).status is Status.DIED
    assert jobs.failed(killed, workspace.runs.get(run_id))

    jobs.start(workspace, ["--resume", run_id])
    jobs.request_stop(workspace, run_id)  # while the process still loads
    assert ended(workspace).exit_code == 0
    assert workspace.runs.get(run_id).status is Status.STOPPED


def test_wrong_input_is_told_in_the_one_sentence_of_the_command_line(workspace):
    jobs.start(workspace, ["--run", "20200101-gone"], command="suggest")
    job = ended(workspace)
    assert job.exit_code == 2
    assert jobs.failed(job, None)
    assert job_log.last_words(job).startswith("labelmend: Expected one of the runs")
    assert "20200101-gone" in job_log.last_words(job)


def test_of_four_starts_at_once_one_starts(workspace):
    def start(_: int) -> jobs.Job | WorkspaceError:
        try:
            return jobs.start(workspace, ENDLESS)
        except WorkspaceError as error:
            return error

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(start, range(4)))
    (job,) = [outcome for outcome in outcomes if isinstance(outcome, jobs.Job)]
    job.end()
    ended(workspace)
    assert len(list((workspace.folder / "jobs").glob("*.log"))) == 1


def job_of(process: psutil.Process, log: Path) -> jobs.Job:
    started = process.create_time() - psutil.boot_time()
    return jobs.Job("now", "train", (), process.pid, started, datetime.now(UTC), log)


def test_another_process_with_the_same_pid_is_not_the_job(tmp_path):
    job = job_of(psutil.Process(), tmp_path / "now.log")
    assert job.alive
    other = replace(job, process_started=job.process_started - 60)
    assert not other.alive
    other.end()  # would end this very test run


def test_a_process_that_nobody_waited_for_is_not_alive(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    job = job_of(psutil.Process(process.pid), tmp_path / "now.log")
    assert job.alive
    process.stdin.close()
    wait(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE, "the process to end")
    assert not job.alive
    process.wait()


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_end_that_cannot_be_written_down_is_no_error(workspace):
    job = jobs.start(workspace, ["--run", "20200101-gone"], command="suggest")
    record = job.log.with_suffix(".json")
    record.unlink()
    record.mkdir()
    (record / "in the way").touch()
    (reaping,) = [thread for thread in threading.enumerate() if thread.name == f"reap-{job.pid}"]
    reaping.join(SECONDS)
    assert not reaping.is_alive()


def test_a_run_that_was_started_in_a_terminal_counts_as_running(workspace):
    run_id = workspace.runs.start(mode="probe", loss="bce", labels="given", n_decisions=0, settings={})
    assert jobs.running(workspace) == jobs.Running(None, run_id)
    with pytest.raises(WorkspaceError, match=run_id):
        jobs.start(workspace, SMALL)
    workspace.runs.finish(run_id, Status.DONE)
    assert jobs.running(workspace) is None


def test_progress_is_none_before_the_first_and_damage_is_told(tmp_path):
    assert jobs.progress(tmp_path) is None
    (tmp_path / "progress.json").write_text(json.dumps({"phase": "training", "done": 3, "total": 4, "later": 1}))
    assert jobs.progress(tmp_path) == jobs.Progress("training", 3, 4)
    assert jobs.progress(tmp_path).share == 0.75
    (tmp_path / "progress.json").write_text("{")
    with pytest.raises(InputError, match=r"progress\.json"):
        jobs.progress(tmp_path)


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        (b"", ""),
        (b"one\ntwo\n\n", "one\ntwo"),
        (b"10 %\r20 %\r30 %\nnext", "30 %\nnext"),
        (b"\x1b[1;31mred\x1b[0m\r\nafter", "red\nafter"),
        (b"caf\xe9", "caf\ufffd"),
        (b"x\n" * 100_000 + b"last", "x\nlast"),
    ],
)
def test_the_tail_of_a_log_is_what_a_terminal_would_show(tmp_path, printed, shown):
    (tmp_path / "log").write_bytes(printed)
    assert job_log.tail(tmp_path / "log", lines=2) == shown


def test_a_log_that_is_not_there_has_no_tail(tmp_path):
    assert job_log.tail(tmp_path / "log") == ""


@pytest.mark.parametrize(
    ("printed", "words"),
    [
        ("Traceback …\nValueError: bad", "ValueError: bad"),
        ("╭─ Error ─────╮\n│ No such option: --x │\n╰─────╯\n", "No such option: --x"),
        ("", "It was ended from outside by signal 9 and printed nothing."),
    ],
)
def test_last_words_are_a_sentence_without_a_frame(tmp_path, printed, words):
    log = tmp_path / "now.log"
    log.write_text(printed)
    job = jobs.Job("now", "train", (), 1, 0.0, datetime.now(UTC), log, exit_code=-9)
    assert job_log.last_words(job) == words


def test_a_workspace_that_cannot_be_locked_is_told(workspace):
    (workspace.folder / "jobs" / "lock.db").mkdir(parents=True)
    with pytest.raises(WorkspaceError, match="lock"):
        jobs.start(workspace, SMALL)
    assert jobs.latest(workspace.folder) is None


def test_a_record_that_another_process_is_writing_is_no_job_yet(workspace):
    with replacing(workspace.folder / "jobs" / "20261122-020143.json") as temporary:
        assert temporary.parent == workspace.folder / "jobs"
        assert jobs.latest(workspace.folder) is None
        temporary.write_text("{", encoding="utf-8")
        assert jobs.newest(workspace.folder, 5) == []
        temporary.write_text("[]", encoding="utf-8")
    with pytest.raises(InputError, match=r"20261122-020143\.json"):
        jobs.latest(workspace.folder)


def test_a_record_that_is_removed_while_it_is_read_is_no_job(workspace):
    folder = workspace.folder / "jobs"
    folder.mkdir()
    (folder / "20261122-020143.json").symlink_to(folder / "removed")  # listed, but there is nothing to read
    assert jobs.newest(workspace.folder, 5) == []
    assert jobs.latest(workspace.folder) is None
