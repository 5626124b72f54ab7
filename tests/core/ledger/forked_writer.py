"""A real process for the tests to kill: it imports the ledger once and forks a writer for each line of its input.

Lines in and out are JSON. `{"append": client, …}` forks a child that appends batches of decisions and says each
batch's last seq once the ledger has acknowledged it; `{"train": true, …}` forks one that starts a run and sleeps;
`{"reap": pid}` waits for a child. Until then a killed child stays a zombie.
"""

import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

from labelmend_core.ledger import Database, Ledger, Runs, ServerDatabase, open_engine
from labelmend_core.types import Decision, Verdict


def say(**message: Any) -> None:
    os.write(sys.stdout.fileno(), (json.dumps(message) + "\n").encode())  # one write: children share the pipe


def place(database: dict[str, str]) -> Database:
    return (
        ServerDatabase(make_url(database["url"]), database["schema"]) if "url" in database else Path(database["file"])
    )


def append(database: Database, client: str, batches: int, size: int) -> None:
    ledger = Ledger(open_engine(database))
    for last in range(size, batches * size + 1, size):
        seqs = range(last - size + 1, last + 1)
        ledger.append([Decision(client, seq, 0, 0, Verdict.PRESENT, client, datetime.now(UTC)) for seq in seqs])
        say(acknowledged=last, client=client)


def train(database: Database) -> None:
    runs = Runs(open_engine(database))
    say(run_id=runs.start(mode="probe", loss="bce", labels="given", n_decisions=0, settings={}))
    time.sleep(3600)  # until it is killed


def main() -> None:
    for line in sys.stdin:
        command = json.loads(line)
        if "reap" in command:
            os.waitpid(command["reap"], 0)
            say(reaped=command["reap"])
        elif pid := os.fork():
            say(pid=pid)
        else:
            database = place(command["database"])
            if "append" in command:
                append(database, command["append"], command["batches"], command["size"])
            else:
                train(database)
            os._exit(0)


if __name__ == "__main__":
    main()
