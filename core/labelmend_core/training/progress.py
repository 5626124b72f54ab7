"""How long work says how far it is, and how it hears that it should stop."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from labelmend_core.files import replacing
from labelmend_core.run_folder import RunFolder
from labelmend_core.time_left import TimeLeft

_WRITE_EVERY = 0.5  # seconds between two writes of progress.json


class Stopped(Exception):  # noqa: N818 - not an error: somebody asked for it
    """The user asked the run to stop; what was done so far can be resumed."""


class Progress(Protocol):
    """Receives how far a phase is; raises `Stopped` when the work should end here."""

    def __call__(self, phase: str, done: int, total: int) -> None:
        """Report `done` of `total` steps of `phase`."""


def silent(phase: str, done: int, total: int) -> None:
    """Report nothing."""


class RunProgress:
    """Writes `progress.json` into a run's folder and heeds its `stop` file.

    Args:
        folder: of the run.
        show: called with phase, done, total and the estimated seconds left, for a progress bar.
    """

    def __init__(self, folder: Path, show: Callable[[str, int, int, float | None], None] | None = None) -> None:
        self._run = RunFolder(folder)
        self._show = show
        self._phase = ""
        self._written = 0.0
        self._left = TimeLeft()

    def __call__(self, phase: str, done: int, total: int) -> None:
        """Report `done` of `total` steps; raises `Stopped` when the run's folder holds a stop file."""
        now = time.monotonic()
        if phase != self._phase:
            self._phase, self._left, self._written = phase, TimeLeft(), 0.0
        eta = self._left(done, total)
        if now - self._written >= _WRITE_EVERY or done >= total:
            self._written = now
            record = {"phase": phase, "done": done, "total": total, "eta_seconds": eta}
            with replacing(self._run.progress) as temporary:
                temporary.write_text(json.dumps(record), encoding="utf-8")
            if self._run.stop.exists():
                raise Stopped(f"stopped in {phase} after {done} of {total}")
        if self._show is not None:
            self._show(phase, done, total, eta)


def part_of(progress: Progress, part: int, parts: int) -> Progress:
    """Return a view of `progress` in which the work counts as number `part` of `parts` equal ones."""

    def report(phase: str, done: int, total: int) -> None:
        progress(phase, part * total + done, parts * total)

    return report
