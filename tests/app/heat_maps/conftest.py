"""The processes that look, among whatever else a process has started."""

from collections.abc import Callable
from contextlib import suppress

import psutil
import pytest


def _workers_of(pid: int) -> list[psutil.Process]:
    found = []
    for child in psutil.Process(pid).children():
        with suppress(psutil.NoSuchProcess):  # ended, or ended and waited for by nobody yet
            if "labelmend_app.heat_maps.worker" in child.cmdline():
                found.append(child)
    return found


@pytest.fixture
def workers_of() -> Callable[[int], list[psutil.Process]]:
    """Return a call that finds the live worker processes that a process has started."""
    return _workers_of
