"""Work beside the server: a process of its own, which outlives the page and the server that started it.

What goes on is never held in memory only: `jobs/<stamp>.json` names each process that was started here,
`jobs/<stamp>.log` holds what it printed, and the database holds its run. So every page, and every later
server, sees the same.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import psutil

from labelmend_app.jobs.lock import one_at_a_time
from labelmend_core.errors import InputError, LabelmendError, WorkspaceError
from labelmend_core.files import explained, replacing
from labelmend_core.ledger import RunRecord, Status
from labelmend_core.run_folder import PROGRESS_FILE, RunFolder
from labelmend_core.system_processes import alive, started
from labelmend_core.workspace import Workspace

Command = Literal["train", "suggest", "retrain", "fiftyone app", "fiftyone push", "fiftyone pull"]

JOB_VARIABLE = "LABELMEND_JOB"  # set in the environment of what is started here

RESUMABLE = (Status.STOPPED, Status.DIED, Status.FAILED)


@dataclass(frozen=True)
class Job:
    """One process that was started from the screens.

    Attributes:
        name: when it was started, sortable; also the stem of its files.
        command, arguments: what it runs, without the workspace.
        pid, process_started: together they name the process, because the system gives a pid out again;
            seconds after boot, which setting the clock does not move.
        started_at: UTC.
        log: what it prints.
        ended_at, exit_code: None while it runs, and when the server was gone before it ended.
        waited_as: its name in the queue of jobs, empty when it did not wait there.
    """

    name: str
    command: Command
    arguments: tuple[str, ...]
    pid: int
    process_started: float
    started_at: datetime
    log: Path
    ended_at: datetime | None = None
    exit_code: int | None = None
    waited_as: str = ""

    @property
    def alive(self) -> bool:
        """Whether the process still runs; another process of the same pid does not count."""
        return alive(self.pid, self.process_started) is not None

    def end(self) -> None:
        """End the process and its children without waiting for a batch; its run can be resumed."""
        process = alive(self.pid, self.process_started)
        if process is None:
            return
        with suppress(psutil.NoSuchProcess):  # it may end by itself meanwhile
            children = process.children(recursive=True)
            process.terminate()
            for child in children:
                with suppress(psutil.NoSuchProcess):
                    child.terminate()


@dataclass(frozen=True)
class Running:
    """What goes on in a workspace: `job` is None when it was started in a terminal, `run_id` before the run is made."""

    job: Job | None
    run_id: str | None


@dataclass(frozen=True)
class Progress:
    """How far a run is; `eta_seconds` is None where nobody knows yet."""

    phase: str
    done: int
    total: int
    eta_seconds: float | None = None

    @property
    def share(self) -> float:
        """The share of the phase that is done, in [0, 1]."""
        return min(max(self.done / self.total, 0.0), 1.0) if self.total else 0.0


def start(workspace: Workspace, arguments: Sequence[str], *, command: Command = "train") -> Job:
    """Start `labelmend COMMAND --workspace … ARGUMENTS` as a process of its own and return it.

    It runs in a session of its own, so that neither the end of the server nor Ctrl-C in its terminal ends it.

    Raises:
        WorkspaceError: something else is being trained in this workspace, or it cannot be written to.
    """
    with one_at_a_time(workspace) as folder:
        going = running(workspace)
        if going is not None:
            raise WorkspaceError(
                "Expected nothing else to be running in this workspace, but "
                f"{going.run_id or 'a job that was just started'} is; wait for it or stop it first."
            )
        return launch(workspace, folder, command, arguments)


def launch(workspace: Workspace, folder: Path, command: Command, arguments: Sequence[str], waited_as: str = "") -> Job:
    """Start a process while `one_at_a_time` is held and nothing runs; see `start`, which asks for both."""
    _forget_stop(workspace, arguments)
    now = datetime.now(UTC)
    log = folder / f"{now:%Y%m%d-%H%M%S-%f}.log"
    line = [
        sys.executable,
        "-m",
        "labelmend_app.cli",
        *command.split(),
        "--workspace",
        str(workspace.folder),
        *arguments,
    ]
    # Unbuffered, so that the log is live; wide, so that an error stays on one line.
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "COLUMNS": "400", "NO_COLOR": "1", JOB_VARIABLE: "1"}
    with explained(log), log.open("wb") as output:
        process = subprocess.Popen(
            line,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=environment,
        )
    began = started(psutil.Process(process.pid))
    job = Job(log.stem, command, tuple(arguments), process.pid, began, now, log, waited_as=waited_as)
    _write(job)
    # Somebody has to wait for a child, or it stays in the process table; only whoever waits learns how it ended.
    threading.Thread(target=_reap, args=(process, job), name=f"reap-{process.pid}", daemon=True).start()
    return job


def newest(folder: Path, n: int) -> list[Job]:
    """Return the `n` jobs that were started last in the workspace at `folder`, the last one first."""
    # Path.glob takes hidden files, too: the ones that somebody is writing at this moment.
    paths = sorted((folder / "jobs").glob("[!.]*.json"), reverse=True)[:n]
    return [job for path in paths if (job := _read(path)) is not None]


def latest(folder: Path) -> Job | None:
    """Return the job that was started last in the workspace at `folder`, None when there is none."""
    return next(iter(newest(folder, 1)), None)


def running(workspace: Workspace) -> Running | None:
    """Return what is being trained in a workspace, None when nothing is."""
    job = latest(workspace.folder)
    if job is not None and job.alive:
        return Running(job, run_of(workspace, job))
    for record in workspace.runs.all():
        if record.status is Status.RUNNING:
            return Running(None, record.run_id)
    return None


def run_of(workspace: Workspace, job: Job) -> str | None:
    """Return the run that a job makes or made, None when it has not come so far."""
    if job.command == "suggest":
        return None
    if "--resume" in job.arguments[:-1]:
        return job.arguments[job.arguments.index("--resume") + 1]
    made = [r for r in workspace.runs.all() if job.started_at <= r.created_at <= (job.ended_at or datetime.now(UTC))]
    return min(made, key=lambda record: record.created_at).run_id if made else None


def request_stop(workspace: Workspace, run_id: str) -> None:
    """Ask a run to stop after the batch at hand; it can be resumed.

    Raises:
        InputError: there is no such run.
        WorkspaceError: its folder cannot be written to.
    """
    with replacing(RunFolder(workspace.run_folder(run_id)).stop) as temporary:
        temporary.touch()


def stop_requested(workspace: Workspace, run_id: str) -> bool:
    """Whether a run was asked to stop."""
    return RunFolder(workspace.run_folder(run_id)).stop.exists()


def progress(folder: Path) -> Progress | None:
    """Return how far the run of a folder is, or what FiftyOne does, None before it has said so.

    Raises:
        InputError: `progress.json` is not what a run writes.
    """
    path = folder / PROGRESS_FILE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return Progress(**{field.name: values[field.name] for field in fields(Progress) if field.name in values})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise InputError(f"Expected {path} as a run writes it, but it cannot be read: {error}") from error


def failed(job: Job, run: RunRecord | None) -> bool:
    """Whether a job ended otherwise than by finishing or by being asked to stop."""
    if job.alive:
        return False
    if job.exit_code is not None:
        return job.exit_code != 0
    return run is None or run.status in (Status.FAILED, Status.DIED)


def _forget_stop(workspace: Workspace, arguments: Sequence[str]) -> None:
    """Take back the stop that ended the run before, or it would end the resumed one too.

    Here and not in the process, which would take back one that is asked for while it loads.
    """
    if "--resume" in arguments[:-1]:
        run_id = arguments[list(arguments).index("--resume") + 1]
        with suppress(InputError):  # a run that is gone: the job itself says so
            RunFolder(workspace.run_folder(run_id)).stop.unlink(missing_ok=True)


def _reap(process: "subprocess.Popen[bytes]", job: Job) -> None:
    code = process.wait()
    # The workspace may be gone or the disk full. There is nobody to tell; without a code the run says how it ended.
    with suppress(LabelmendError, OSError):
        if job.log.exists():
            _write(replace(job, exit_code=code, ended_at=datetime.now(UTC)))


def _write(job: Job) -> None:
    values = asdict(job) | {
        "started_at": job.started_at.isoformat(),
        "ended_at": job.ended_at and job.ended_at.isoformat(),
    }
    del values["log"], values["name"]
    with replacing(job.log.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(values), encoding="utf-8")


def _read(path: Path) -> Job | None:
    """Return a job by its record, None when somebody has removed it since it was listed."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        ended = values.pop("ended_at")
        return Job(
            **values
            | {
                "name": path.stem,
                "log": path.with_suffix(".log"),
                "arguments": tuple(values["arguments"]),
                "started_at": datetime.fromisoformat(values["started_at"]),
                "ended_at": None if ended is None else datetime.fromisoformat(ended),
            }
        )
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"Expected {path} as labelmend wrote it, got: {error}; remove it to go on.") from error
