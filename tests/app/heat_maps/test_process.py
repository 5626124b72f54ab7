"""The process that looks, from the server's end: its memory is given back, and nothing hangs on it."""

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest

from labelmend_app.heat_maps import process
from labelmend_app.heat_maps.question import Question
from labelmend_core.errors import InputError, WorkspaceError

Children = Callable[[], list[psutil.Process]]

NOWHERE = Question(run="/nowhere/run", picture="/nowhere/image.png", image=0, class_name="dog")


@pytest.fixture
def worker() -> Iterator[process.WorkerProcess]:
    made = process.WorkerProcess()
    yield made
    made.close()


@pytest.fixture
def children(workers_of: Callable[[int], list[psutil.Process]]) -> Children:
    return lambda: workers_of(os.getpid())


def test_nothing_is_started_before_somebody_asks(worker: process.WorkerProcess, children: Children) -> None:
    assert worker
    assert children() == []


def test_the_memory_is_given_back_when_nobody_asks(
    worker: process.WorkerProcess, children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_IDLE", 0.1)
    with pytest.raises(InputError, match="found none"):
        worker.ask(NOWHERE)
    psutil.wait_procs(children(), timeout=180)
    assert children() == []


def test_an_answer_that_takes_too_long_is_given_up(
    worker: process.WorkerProcess, children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_LONGEST", 0.1)  # torch is not even imported by then
    with pytest.raises(WorkspaceError, match="took too long"):
        worker.ask(NOWHERE)
    assert children() == []


def test_closing_ends_an_answer_in_the_making(worker: process.WorkerProcess, children: Children) -> None:
    failed: list[str] = []

    def ask() -> None:
        try:
            worker.ask(NOWHERE)
        except WorkspaceError as error:
            failed.append(str(error))

    asking = threading.Thread(target=ask)
    asking.start()
    while not children():
        """The process is about to be started."""
    worker.close()
    asking.join(600)
    assert len(failed) == 1
    with pytest.raises(WorkspaceError, match="about to end"):
        worker.ask(NOWHERE)
    assert children() == []


def test_closing_while_it_is_started_ends_it(worker: process.WorkerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    class Closing(subprocess.Popen[str]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            closing.start()
            while not worker._closed:
                """It waits for the answer, and has seen no process that it could end."""

    closing = threading.Thread(target=worker.close)
    monkeypatch.setattr(process.subprocess, "Popen", Closing)
    with pytest.raises(WorkspaceError, match="ended or took too long"):
        worker.ask(NOWHERE)
    closing.join(600)
    assert not closing.is_alive()
