"""The server's end of the worker process: started at the first question, ended when nobody asks for long."""

import json
import subprocess
import sys
import threading
from dataclasses import asdict
from typing import Any

from labelmend_app.heat_maps.question import Question
from labelmend_core.errors import InputError, WorkspaceError

_COMMAND = (sys.executable, "-P", "-m", "labelmend_app.heat_maps.worker")
_LONGEST = 300.0  # seconds that one answer may take, the fetching of weights included
_IDLE = 600.0  # seconds without a question after which the memory is given back


class WorkerProcess:
    """Asks one question at a time."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        self._idle: threading.Timer | None = None
        self._closed = False

    def ask(self, question: Question) -> dict[str, Any]:
        """Return the worker's answer; see `Looker.look`.

        Raises:
            InputError: the worker says what is wrong.
            WorkspaceError: it ended, or took too long; the next question starts another.
        """
        with self._lock:
            if self._closed:
                raise WorkspaceError("The server is about to end.")
            line = ""
            if self._process is not None:  # it may have been killed since the last question
                line = self._exchange(self._process, question)
            if not line and not self._closed:
                self._end()
                line = self._exchange(self._started(), question)
            if not line:
                self._end()
                raise WorkspaceError(
                    "Expected to see where it is, but the process that looks ended or took too long; "
                    "is there memory for the network? The terminal of labelmend says more."
                )
            self._end_when_idle()
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise InputError(answer["error"])
        found: dict[str, Any] = answer["found"]
        return found

    def close(self) -> None:
        """End the process, in the middle of an answer if need be."""
        self._closed = True
        if self._process is not None:
            self._process.kill()
        with self._lock:
            self._end()

    def _started(self) -> subprocess.Popen[str]:
        self._process = subprocess.Popen(
            _COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        if self._closed:  # while it was started: `close` did not see it
            self._process.kill()
        return self._process

    def _exchange(self, process: subprocess.Popen[str], question: Question) -> str:
        """Return the line of the answer, empty if the process is gone or had to be ended."""
        assert process.stdin is not None
        assert process.stdout is not None
        too_long = threading.Timer(_LONGEST, process.kill)
        too_long.daemon = True
        too_long.start()
        try:
            process.stdin.write(f"{json.dumps(asdict(question))}\n")
            process.stdin.flush()
            return process.stdout.readline()
        except BrokenPipeError:
            return ""
        finally:
            too_long.cancel()

    def _end_when_idle(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._idle = threading.Timer(_IDLE, self._give_back)
        self._idle.daemon = True
        self._idle.start()

    def _give_back(self) -> None:
        with self._lock:
            if threading.current_thread() is self._idle:  # no question came while it waited
                self._end()

    def _end(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        if self._process is None:
            return
        self._process.kill()
        self._process.communicate()
        self._process = None
