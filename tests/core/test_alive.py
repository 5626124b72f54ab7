"""Processes that were written down: there, gone, of another start, and somebody else's."""

import psutil
import pytest

from labelmend_core.alive import alive, started


def test_this_process_is_there_and_one_of_its_number_that_started_before_is_not() -> None:
    me = psutil.Process()
    assert alive(me.pid, started(me)) == me
    assert alive(me.pid, started(me) - 60) is None
    assert alive(2**22, started(me)) is None  # above the highest pid of Linux


def test_a_process_is_the_same_after_the_clock_was_set(monkeypatch: pytest.MonkeyPatch) -> None:
    me = psutil.Process()
    before, created, booted = started(me), me.create_time(), psutil.boot_time()
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: created + 3600)
    monkeypatch.setattr(psutil, "boot_time", lambda: booted + 3600)
    assert alive(me.pid, before) == me


def test_a_process_that_may_not_be_looked_at_is_somebody_else_s(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(process: psutil.Process) -> str:
        raise psutil.AccessDenied(process.pid)

    me = psutil.Process()
    before = started(me)
    monkeypatch.setattr(psutil.Process, "status", refuse)
    assert alive(me.pid, before) is None
