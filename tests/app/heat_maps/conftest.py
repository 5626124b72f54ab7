"""The processes that look, among whatever else a process has started."""

from collections.abc import Callable

import psutil
import pytest


def _workers_of(pid: int) -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter(["ppid", "cmdline"])  # passes over what has ended
        if process.info["ppid"] == pid and "labelmend_app.heat_maps.worker" in (process.info["cmdline"] or ())
    ]


@pytest.fixture
def workers_of() -> Callable[[int], list[psutil.Process]]:
    """Return a call that finds the live worker processes that a process has started."""
    return _workers_of
