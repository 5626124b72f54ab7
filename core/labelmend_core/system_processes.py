"""Processes of the system: whether one that was written down is still there, and ending some for certain."""

import errno
import os
import select
import sys
import time
from collections.abc import Collection
from contextlib import suppress

import psutil

_SAME_START_SECONDS = 2.0  # the boot time is known to the second only


def started(process: psutil.Process) -> float:
    """Return when a process started, in seconds after boot: unlike the time of day, no set clock moves it."""
    return process.create_time() - psutil.boot_time()


def alive(pid: int, process_started: float) -> psutil.Process | None:
    """Return a process that still works, None when it is gone.

    Its number alone does not say so, for the system gives it again. Gone are also a process of the same number that
    started at another time, a dead one that nobody waited for, and one that we may not look at: it is somebody else's.

    Args:
        pid: its number.
        process_started: what `started` said of it.
    """
    try:
        process = psutil.Process(pid)
        same = abs(started(process) - process_started) < _SAME_START_SECONDS
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None


def ended_within(process: psutil.Process, seconds: float) -> bool:
    """Wait until a process has ended with its last thread, and so with its ports, its locks and its open files.

    What /proc says of it is too early: the command line is empty, or the state dead, while other threads still end.
    And psutil waits for the parent to ask after it, which in a container may be nobody.

    Args:
        process: any of this machine's, not only a child.
        seconds: how long to wait at most.
    """
    if sys.platform != "linux":
        return bool(psutil.wait_procs([process], timeout=seconds)[0])
    try:
        handle = os.pidfd_open(process.pid)
    except OSError as error:
        if error.errno in (errno.ESRCH, errno.EINVAL):  # the second where others of its session are still there
            return True
        raise
    try:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        return bool(poll.poll(seconds * 1000))
    finally:
        os.close(handle)


def end(processes: Collection[psutil.Process], seconds: float) -> None:
    """Ask processes to end, kill what has not within so many seconds, and return when all are gone."""
    until = time.monotonic() + seconds
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            if not ended_within(process, max(until - time.monotonic(), 0)):
                process.kill()
                ended_within(process, seconds)
