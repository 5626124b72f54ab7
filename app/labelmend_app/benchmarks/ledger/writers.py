"""Writers in processes of their own, to be killed: each notes in a file what the ledger acknowledged.

Run as a program this is their nursery: it imports the ledger once and forks a writer for each line that it reads.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from sqlalchemy import make_url

from labelmend_core.errors import WorkspaceError
from labelmend_core.ledger import Database, Ledger, ServerDatabase, open_engine
from labelmend_core.types import Decision, Verdict

BATCH = 3  # decisions a commit
IMAGES = 16  # of the database that is written to; it has one class
_PAUSE_SECONDS = 0.02  # before a writer sends again what was refused
_START = datetime(2024, 5, 1, tzinfo=UTC)


def decision(client: str, seq: int) -> Decision:
    """Return what a client decides at a number: the last of each batch takes the one before it back."""
    undoes = (client, seq - 1) if seq % BATCH == 0 else None
    verdict = Verdict.PRESENT if undoes is None else Verdict.UNDO
    return Decision(client, seq, (seq - 1) // BATCH % IMAGES, 0, verdict, client, _START, undoes=undoes)


def noted(folder: Path, client: str) -> int:
    """Return the last number that a client was told to be saved."""
    path = folder / client
    lines = path.read_text().splitlines() if path.exists() else []
    return int(lines[-1]) if lines else 0


class Nursery:
    """Starts writers and kills them.

    Args:
        database: what they write to.
        folder: where they note what was acknowledged, a file a client.
    """

    def __init__(self, database: Database, folder: Path, into: IO[str], out_of: IO[str]) -> None:
        self._database, self._folder, self._into, self._out_of = database, folder, into, out_of
        self._pids: dict[str, int] = {}

    def start(self, client: str) -> None:
        """Start a writer, which goes on behind what its client was told last, as a page does that is opened again."""
        if isinstance(self._database, ServerDatabase):
            place = self._database.url.render_as_string(hide_password=False), self._database.schema
        else:
            place = str(self._database), ""
        self._into.write(json.dumps([*place, str(self._folder), client]) + "\n")
        self._into.flush()
        self._pids[client] = int(self._out_of.readline())

    def kill(self, client: str) -> None:
        """End a writer with SIGKILL, wherever it is."""
        os.kill(self._pids.pop(client), signal.SIGKILL)

    def kill_all(self) -> None:
        """End every writer so."""
        for client in list(self._pids):
            self.kill(client)


@contextmanager
def nursery(database: Database, folder: Path) -> Iterator[Nursery]:
    """Give a nursery; its writers end with it."""
    command = [sys.executable, "-m", "labelmend_app.benchmarks.ledger.writers"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        started = Nursery(database, folder, process.stdin, process.stdout)
        try:
            yield started
        finally:
            started.kill_all()
            process.stdin.close()


def _write(database: Database, folder: Path, client: str) -> None:
    """Append batch after batch until somebody kills this process; what is refused is sent again, as the page does."""
    ledger: Ledger | None = None
    last = noted(folder, client)
    note = os.open(folder / client, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    while True:
        batch = [decision(client, seq) for seq in range(last + 1, last + BATCH + 1)]
        try:
            ledger = ledger or Ledger(open_engine(database))
            ledger.append(batch)
        except WorkspaceError:  # the server is gone for now
            time.sleep(_PAUSE_SECONDS)
            continue
        last += BATCH
        os.write(note, f"{last}\n".encode())


def _main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # killed writers leave nothing to wait for
    for line in sys.stdin:
        place, schema, folder, client = json.loads(line)
        if pid := os.fork():
            print(pid, flush=True)  # noqa: T201 - the answer to the line
            continue
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        _write(ServerDatabase(make_url(place), schema) if schema else Path(place), Path(folder), client)


if __name__ == "__main__":
    _main()
