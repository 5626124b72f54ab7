"""Writers and the server are killed at random while they write; then every acknowledged decision is looked for."""

import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sqlalchemy import make_url

from labelmend_app.benchmarks.ledger.server import PostgresServer
from labelmend_app.benchmarks.ledger.writers import BATCH, IMAGES, Nursery, decision, noted, nursery
from labelmend_core.errors import WorkspaceError
from labelmend_core.ledger import Catalog, Database, Ledger, ServerDatabase, open_engine
from labelmend_core.types import AnnotatedDataset, Decision, LabelMatrix

DATABASES = ("sqlite", "postgresql")
_CLIENTS = ("client-0", "client-1", "client-2", "client-3")
_SERVER_EVERY = 4  # of the kills on PostgreSQL one is of the server
_LONGEST_SECONDS = 0.05  # between the sign of life that is waited for and the kill
_PATIENCE_SECONDS = 300

Show = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Outcome:
    """What was left after the kills.

    Attributes:
        database: `sqlite` or `postgresql`.
        kills: of writers, and of the server with all its processes, by SIGKILL.
        server_kills: those of the server.
        acknowledged: decisions that a writer was told to be saved.
        stored: decisions in the database.
        lost: acknowledged and not there as they were sent.
        doubled: there more than once.
        torn: batches of which a part is there.
        intact: whether the database's own check finds nothing wrong.
    """

    database: str
    kills: int
    server_kills: int
    acknowledged: int
    stored: int
    lost: int
    doubled: int
    torn: int
    intact: bool


def measure(database: str, folder: Path, kills: int, seed: int, show: Show) -> Outcome:
    """Return what was left of the decisions of four writers after so many kills.

    Args:
        database: `sqlite` or `postgresql`.
        folder: an empty one; the SQLite file and the writers' notes go there.
        kills: how many.
        seed: of who is killed and when.
        show: follows the kills.

    Raises:
        InputError: there is no PostgreSQL server to start.
    """
    if database == "sqlite":
        return _storm(folder / "workspace.db", None, folder, kills, seed, show)
    server = PostgresServer()
    try:
        url = make_url(server.url).set(drivername="postgresql+psycopg")
        return _storm(ServerDatabase(url, "faults"), server, folder, kills, seed, show)
    finally:
        server.remove()


def _storm(place: Database, server: PostgresServer | None, folder: Path, kills: int, seed: int, show: Show) -> Outcome:
    names = [f"{i}.jpg" for i in range(IMAGES)]
    engine = open_engine(place)
    Catalog(engine).write(AnnotatedDataset(names, names, ["cat"], LabelMatrix.empty((IMAGES, 1))))
    engine.dispose()
    notes = folder / "acknowledged"
    notes.mkdir()
    with nursery(place, notes) as writers:
        server_kills = _kill(writers, server, notes, kills, seed, show)
    events = _stored(place)
    told = {client: noted(notes, client) for client in _CLIENTS}
    checks = [checked(client, n, events) for client, n in told.items()]
    return Outcome(
        database="sqlite" if server is None else "postgresql",
        kills=kills,
        server_kills=server_kills,
        acknowledged=sum(told.values()),
        stored=len(events),
        lost=sum(check.lost for check in checks),
        doubled=sum(check.doubled for check in checks),
        torn=sum(check.torn for check in checks),
        intact=_is_intact(place) if isinstance(place, Path) else server is not None and server.is_intact(),
    )


def _kill(writers: Nursery, server: PostgresServer | None, notes: Path, kills: int, seed: int, show: Show) -> int:
    """Kill at random, and return how often it was the server."""
    rng = np.random.default_rng(seed)
    for client in _CLIENTS:
        writers.start(client)
    server_kills = 0
    for n in range(kills):
        client = _CLIENTS[int(rng.integers(len(_CLIENTS)))]
        _wait_for_sign(notes, client)
        time.sleep(float(rng.uniform(0, _LONGEST_SECONDS)))
        if server is not None and n % _SERVER_EVERY == _SERVER_EVERY - 1:
            server.kill()
            server.start()
            server_kills += 1
        else:
            writers.kill(client)
            writers.start(client)
        show("kills", n + 1, kills)
    return server_kills


def _wait_for_sign(notes: Path, client: str) -> None:
    """Wait until the client is told that something more is saved: a writer that is still starting loses nothing."""
    before, until = noted(notes, client), time.monotonic() + _PATIENCE_SECONDS
    while noted(notes, client) == before:
        if time.monotonic() > until:
            raise WorkspaceError(f"Expected {client} to go on after a kill, but nothing was saved for a minute.")
        time.sleep(0.002)


def _stored(place: Database) -> list[Decision]:
    engine = open_engine(place)
    try:
        return Ledger(engine).decisions()
    finally:
        engine.dispose()


@dataclass(frozen=True)
class Check:
    """What is wrong with the decisions of one client: see `Outcome`."""

    lost: int
    doubled: int
    torn: int


def checked(client: str, told: int, events: list[Decision]) -> Check:
    """Return what is wrong with the events of a client that was told that its numbers up to `told` are saved."""
    own = [event for event in events if event.client == client]
    there = {event.seq: event for event in own}
    lost = sum(there.get(seq) != decision(client, seq) for seq in range(1, told + 1))
    sizes = Counter((seq - 1) // BATCH for seq in there)
    return Check(lost, len(own) - len(there), sum(size != BATCH for size in sizes.values()))


def _is_intact(database: Path) -> bool:
    with closing(sqlite3.connect(database)) as raw:
        said = raw.execute("PRAGMA integrity_check").fetchall(), raw.execute("PRAGMA foreign_key_check").fetchall()
    return said == ([("ok",)], [])
