"""The process that looks, from the server's end: its memory is given back, and nothing hangs on it."""

import threading
from collections.abc import Iterator

import psutil
import pytest

from labelmend_app.heat_maps import process
from labelmend_app.heat_maps.question import Question
from labelmend_core.errors import InputError, WorkspaceError

NOWHERE = Question(run="/nowhere/run", picture="/nowhere/image.png", image=0, class_name="dog")


@pytest.fixture
def worker() -> Iterator[process.WorkerProcess]:
    made = process.WorkerProcess()
    yield made
    made.close()


def _children() -> list[psutil.Process]:
    found = psutil.Process().children()
    return [child for child in found if "labelmend_app.heat_maps.worker" in child.cmdline()]


def test_nothing_is_started_before_somebody_asks(worker: process.WorkerProcess) -> None:
    assert worker
    assert _children() == []


def test_the_memory_is_given_back_when_nobody_asks(
    worker: process.WorkerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_IDLE", 0.1)
    with pytest.raises(InputError, match="found none"):
        worker.ask(NOWHERE)
    psutil.wait_procs(_children(), timeout=30)
    assert _children() == []


def test_an_answer_that_takes_too_long_is_given_up(
    worker: process.WorkerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_LONGEST", 0.1)  # torch is not even imported by then
    with pytest.raises(WorkspaceError, match="took too long"):
        worker.ask(NOWHERE)
    assert _children() == []


def test_closing_ends_an_answer_in_the_making(worker: process.WorkerProcess) -> None:
    failed: list[str] = []

    def ask() -> None:
        try:
            worker.ask(NOWHERE)
        except WorkspaceError as error:
            failed.append(str(error))

    asking = threading.Thread(target=ask)
    asking.start()
    while not _children():
        """The process is about to be started."""
    worker.close()
    asking.join(30)
    assert len(failed) == 1
    with pytest.raises(WorkspaceError, match="about to end"):
        worker.ask(NOWHERE)
    assert _children() == []
