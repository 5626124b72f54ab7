"""A small real database, and real processes that write to it."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import PIPE
from typing import IO, Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, make_url

from labelmend_app.benchmarks.ledger.server import PostgresServer
from labelmend_core.ledger import Catalog, Database, Ledger, Queue, Runs, ServerDatabase, open_engine
from labelmend_core.types import AnnotatedDataset, LabelMatrix


def _dataset(prefix: str, labels: list[list[int]]) -> AnnotatedDataset:
    names = [f"{prefix}{i}.jpg" for i in range(len(labels))]
    return AnnotatedDataset(names, names, ["cat", "dog", "bus"], LabelMatrix.from_dense(labels))


@pytest.fixture
def train() -> AnnotatedDataset:
    """Four training images, indices 0 to 3."""
    return _dataset("train", [[1, 0, -1], [0, 1, 0], [0, 0, 0], [1, 1, -1]])


@pytest.fixture
def validation() -> AnnotatedDataset:
    """Two validation images, indices 4 and 5."""
    return _dataset("validation", [[0, 0, 1], [-1, 1, 0]])


@pytest.fixture
def new_schema(postgres: PostgresServer) -> Callable[[], ServerDatabase]:
    """Name a place on the server where nothing is yet."""
    return lambda: ServerDatabase(make_url(postgres.url).set(drivername="postgresql+psycopg"), f"w{uuid4().hex}")


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """Where a database will lie, of either kind."""
    if request.param == "sqlite":
        return tmp_path / "workspace.db"
    place: ServerDatabase = request.getfixturevalue("new_schema")()
    return place


@pytest.fixture
def database(empty_database: Database, train: AnnotatedDataset, validation: AnnotatedDataset) -> Database:
    """Where a filled database lies, of either kind."""
    return filled(empty_database, train, validation)


@pytest.fixture
def sqlite_database(tmp_path: Path, train: AnnotatedDataset, validation: AnnotatedDataset) -> Path:
    """Where a filled SQLite file lies."""
    path = tmp_path / "workspace.db"
    filled(path, train, validation)
    return path


def filled(database: Database, train: AnnotatedDataset, validation: AnnotatedDataset) -> Database:
    engine = open_engine(database)
    Catalog(engine).write(train, validation)
    engine.dispose()
    return database


@pytest.fixture
def reopen(database: Database) -> Iterator[Callable[[], Engine]]:
    """Open the database anew, as another process would."""
    engines: list[Engine] = []

    def opened() -> Engine:
        engines.append(open_engine(database))
        return engines[-1]

    yield opened
    for engine in engines:
        engine.dispose()


@pytest.fixture
def engine(reopen: Callable[[], Engine]) -> Engine:
    return reopen()


@pytest.fixture
def ledger(engine: Engine) -> Ledger:
    return Ledger(engine)


@pytest.fixture
def queue(engine: Engine) -> Queue:
    return Queue(engine)


@pytest.fixture
def runs(engine: Engine) -> Runs:
    return Runs(engine)


class Processes:
    """Writers in processes of their own; see forked_writer.py."""

    def __init__(self, into: IO[str], out_of: IO[str]) -> None:
        self._into, self._out_of = into, out_of
        self._unread: list[dict[str, Any]] = []

    def start(self, database: Database, **command: Any) -> int:
        """Fork a writer and return its pid."""
        if isinstance(database, ServerDatabase):
            place = {"url": database.url.render_as_string(hide_password=False), "schema": database.schema}
        else:
            place = {"file": str(database)}
        self._send({"database": place, **command})
        while "pid" not in (message := self._read()):
            self._unread.append(message)
        return int(message["pid"])

    def heard(self) -> dict[str, Any]:
        """Return the next message of any writer."""
        return self._unread.pop(0) if self._unread else self._read()

    def reap(self, pid: int) -> list[dict[str, Any]]:
        """Wait for a writer's end and return what was said before."""
        self._send({"reap": pid})
        said = []
        while (message := self.heard()) != {"reaped": pid}:
            said.append(message)
        return said

    def _send(self, command: dict[str, Any]) -> None:
        self._into.write(json.dumps(command) + "\n")
        self._into.flush()

    def _read(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self._out_of.readline())
        return message


@pytest.fixture(scope="session")
def processes() -> Iterator[Processes]:
    script = Path(__file__).with_name("forked_writer.py")
    server = subprocess.Popen([sys.executable, str(script)], stdin=PIPE, stdout=PIPE, text=True)
    with server:
        assert server.stdin is not None
        assert server.stdout is not None
        yield Processes(server.stdin, server.stdout)
        server.stdin.close()
