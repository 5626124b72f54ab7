"""FiftyOne beside the screens: processes of their own that push, show and pull, and what is known of them.

All of it is in files under `fiftyone/` of the workspace, so that every page and every later server sees the same. It
is not among the jobs that train: the App may stay open while a training runs.
"""

import json
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from time import monotonic
from typing import Literal

import psutil

from labelmend_app.jobs import jobs
from labelmend_app.jobs.lock import one_at_a_time
from labelmend_core.errors import WorkspaceError
from labelmend_core.files import replacing
from labelmend_core.run_folder import PROGRESS_FILE
from labelmend_core.system_processes import alive, started
from labelmend_core.workspace import Workspace

Show = Callable[[str, int, int], None]
Action = Literal["fiftyone app", "fiftyone push", "fiftyone pull"]

ADDRESS, FIRST_PORT, _PORTS = "127.0.0.1", 5151, 100
_SECONDS = 0.3  # between two notes of the progress
_REMEMBERED = 20


def folder_of(workspace: Workspace) -> Path:
    """Return where all of it lies."""
    return workspace.folder / "fiftyone"


def start(workspace: Workspace, action: Action, arguments: Sequence[str] = ()) -> jobs.Job:
    """Start `labelmend fiftyone …` as a process of its own and return it.

    Raises:
        WorkspaceError: the same is going on already, or the workspace cannot be written to.
    """
    with one_at_a_time(workspace):
        going = busy(workspace, action)
        if going is not None:
            raise WorkspaceError("Expected one process to talk to FiftyOne, but one does already; wait until it ends.")
        folder = folder_of(workspace) / "jobs"
        folder.mkdir(parents=True, exist_ok=True)
        (folder_of(workspace) / PROGRESS_FILE).unlink(missing_ok=True)
        return jobs.launch(workspace, folder, action, arguments)


def latest(workspace: Workspace, *actions: Action) -> jobs.Job | None:
    """Return the process that was started last of some sorts, None when there was none."""
    known = jobs.newest(folder_of(workspace), _REMEMBERED)
    return next((job for job in known if job.command in actions), None)


def busy(workspace: Workspace, action: Action) -> jobs.Job | None:
    """Return the process that is in the way of another one: the App is of an App, the two others of each other."""
    others: tuple[Action, ...] = ("fiftyone app",) if action == "fiftyone app" else ("fiftyone push", "fiftyone pull")
    job = latest(workspace, *others)
    return job if job is not None and job.alive else None


def stop(workspace: Workspace) -> None:
    """End the App, whoever started it; it ends its server and, if nobody else needs it, the database."""
    found = _app(workspace)
    with suppress(psutil.NoSuchProcess):
        if found is not None:
            found[0].terminate()
        elif (job := busy(workspace, "fiftyone app")) is not None:
            psutil.Process(job.pid).terminate()


def address(workspace: Workspace) -> str | None:
    """Return where the App is open, None when it is not."""
    found = _app(workspace)
    return None if found is None else found[1]


def note_address(workspace: Workspace, where: str) -> None:
    """Note that this process serves the App."""
    process = psutil.Process()
    note = {"pid": process.pid, "process_started": started(process), "address": where}
    with replacing(folder_of(workspace) / "app.json") as temporary:
        temporary.write_text(json.dumps(note), encoding="utf-8")


def noting(workspace: Workspace, show: Show) -> Show:
    """Return a call that notes the progress for the screens, and hands it on."""
    last = [0.0]

    def told(phase: str, done: int, total: int) -> None:
        show(phase, done, total)
        if monotonic() - last[0] >= _SECONDS:
            folder_of(workspace).mkdir(exist_ok=True)
            with replacing(folder_of(workspace) / PROGRESS_FILE) as temporary:
                temporary.write_text(json.dumps(asdict(jobs.Progress(phase, done, total))), encoding="utf-8")
            last[0] = monotonic()

    return told


def free_port() -> int:
    """Return the first port from `FIRST_PORT` on that nobody listens on.

    Raises:
        WorkspaceError: there is none among a hundred.
    """
    for port in range(FIRST_PORT, FIRST_PORT + _PORTS):
        if is_free(port):
            return port
    raise WorkspaceError(f"Expected a free port from {FIRST_PORT} on for the FiftyOne App, found none; close some.")


def is_free(port: int) -> bool:
    """Return whether nobody listens on a port of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except OSError:
            return False
    return True


def _app(workspace: Workspace) -> tuple[psutil.Process, str] | None:
    try:
        note = json.loads((folder_of(workspace) / "app.json").read_text(encoding="utf-8"))
        process, where = alive(note["pid"], note["process_started"]), note["address"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return None if process is None else (process, where)
