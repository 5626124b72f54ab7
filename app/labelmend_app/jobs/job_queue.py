"""Jobs that wait for the one that runs: started one after another, whoever sees that nothing runs any more.

They are in `jobs/queue`, a file that every change replaces as a whole under the lock of the jobs. So they
outlive the page and the server, and two tabs that see a job end start the next one once.
"""

import json
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from labelmend_app.jobs.jobs import Command, Job, launch, newest, running
from labelmend_app.jobs.lock import one_at_a_time
from labelmend_core.errors import InputError, LabelmendError
from labelmend_core.files import replacing
from labelmend_core.workspace import Workspace

_LOOK_EVERY = 2.0  # seconds
_REMEMBERED = 50  # jobs started last, among which is one that began and was not taken out of the queue


@dataclass(frozen=True)
class Waiting:
    """A job that waits; `name` is when it was added, `command` and `arguments` are what it will run."""

    name: str
    command: Command
    arguments: tuple[str, ...]


def waiting(workspace: Workspace) -> list[Waiting]:
    """Return the jobs that wait, the next one first.

    Raises:
        InputError: the file of the queue is damaged.
    """
    began = {job.waited_as for job in newest(workspace.folder, _REMEMBERED)}
    return [one for one in _read(workspace.folder / "jobs") if one.name not in began]


def add(workspace: Workspace, arguments: Sequence[str], *, command: Command = "train") -> Waiting:
    """Put a job at the end of the queue and return it; `start_next` starts it when its turn has come."""
    with one_at_a_time(workspace) as folder:
        one = Waiting(f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}", command, tuple(arguments))
        _write(folder, [*_read(folder), one])
    return one


def cancel(workspace: Workspace, name: str) -> None:
    """Take a job out of the queue; nothing happens if it has begun or was taken out before."""
    with one_at_a_time(workspace) as folder:
        _write(folder, [one for one in _read(folder) if one.name != name])


def move_up(workspace: Workspace, name: str) -> None:
    """Let a job change places with the one before it; nothing happens if it is the first or is gone."""
    with one_at_a_time(workspace) as folder:
        jobs = _read(folder)
        place = next((place for place, one in enumerate(jobs) if one.name == name), 0)
        if place:
            jobs[place - 1 : place + 1] = jobs[place], jobs[place - 1]
            _write(folder, jobs)


def start_next(workspace: Workspace) -> Job | None:
    """Start the first job that waits if nothing runs, and return it; None when nothing was started."""
    if not waiting(workspace):
        return None
    with one_at_a_time(workspace) as folder:
        jobs = waiting(workspace)
        if not jobs or running(workspace) is not None:
            return None
        job = launch(workspace, folder, jobs[0].command, jobs[0].arguments, waited_as=jobs[0].name)
        # A kill between these two lines leaves it in the file, but what has begun waits no more.
        _write(folder, jobs[1:])
    return job


def keep_going(workspace: Workspace, ended: threading.Event) -> None:
    """Start what waits until `ended` is set: what a server does, so that no page needs to be open."""
    while not ended.wait(_LOOK_EVERY):
        # A damaged file, a full disk, no rights: the pages tell, and it works again when somebody has mended it.
        with suppress(LabelmendError, OSError):
            start_next(workspace)


def _read(folder: Path) -> list[Waiting]:
    path = folder / "queue"
    try:
        return [Waiting(**{**row, "arguments": tuple(row["arguments"])}) for row in json.loads(path.read_bytes())]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"Expected {path} as labelmend wrote it, got: {error}; remove it to begin anew.") from error


def _write(folder: Path, jobs: Sequence[Waiting]) -> None:
    with replacing(folder / "queue") as temporary:
        temporary.write_text(json.dumps([asdict(one) for one in jobs]), encoding="utf-8")
