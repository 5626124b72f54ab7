"""Processes that were written down: there, gone, of another start, and somebody else's."""

import subprocess
import sys

import psutil
import pytest

from labelmend_core.system_processes import alive, ended_within, started


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


def test_a_process_has_ended_before_its_parent_asks_after_it() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        process = psutil.Process(child.pid)
        assert not ended_within(process, 0)
        child.kill()
        assert ended_within(process, 60)
        assert process.status() == psutil.STATUS_ZOMBIE
    assert ended_within(process, 0), "and after"


@pytest.mark.skipif(sys.platform != "linux", reason="ends one thread as only Linux can")
def test_a_process_has_not_ended_while_one_of_its_threads_goes_on() -> None:
    """Its state is that of its first thread, but the others still hold what it has opened."""
    code = (
        "import ctypes, threading, time\n"
        "threading.Thread(target=time.sleep, args=(600,)).start()\n"
        "ctypes.CDLL(None).pthread_exit(None)"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as child:
        process = psutil.Process(child.pid)
        while process.status() != psutil.STATUS_ZOMBIE:
            assert child.poll() is None
        assert not ended_within(process, 0.1)
        child.kill()
        assert ended_within(process, 60)
