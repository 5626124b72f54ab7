"""On a server the ledger keeps its word when connections break, the server restarts, and thirty-two decide at once."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from sqlalchemy import BigInteger, Connection, Engine, bindparam, create_engine, event, inspect, text
from sqlalchemy.exc import ProgrammingError

from labelmend_core.errors import InputError, WorkspaceError
from labelmend_core.ledger import Ledger, ServerDatabase, open_engine, postgresql, standing, versions
from labelmend_core.ledger._rows import driver_cursor
from labelmend_core.ledger._share import place_in_share, salt
from labelmend_core.types import Decision, Verdict

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
FIRST = Decision("tab", 1, 0, 0, Verdict.PRESENT, "ann", NOON)
NOW = versions.SCHEMA_VERSION
pytestmark = pytest.mark.parametrize("empty_database", ["postgresql"], indirect=True)


@pytest.fixture
def other(database: ServerDatabase) -> Iterator[Engine]:
    """Another program on the same schema, which knows nothing of the ledger."""
    options = {"options": f"-csearch_path={database.schema}"}
    engine = create_engine(database.url, connect_args=options)
    yield engine
    engine.dispose()


def test_a_cell_has_the_same_place_in_the_share_on_the_server(engine: Engine) -> None:
    rng = np.random.default_rng(0)
    cells = [(f"run {i}", int(rng.integers(2**31)), int(rng.integers(10_000))) for i in range(300)]
    query = text("SELECT place_in_share(:salt, :image, :k)").bindparams(bindparam("salt", type_=BigInteger))
    with engine.connect() as connection:
        found = [
            connection.execute(query, {"salt": salt(run), "image": image, "k": k}).scalar_one()
            for run, image, k in cells
        ]
    assert found == [place_in_share(*cell) for cell in cells]


def test_every_connection_waits_for_the_disk_and_sees_one_schema(engine: Engine, database: ServerDatabase) -> None:
    with engine.connect() as one, engine.connect() as two:
        for connection in (one, two):
            names = ("synchronous_commit", "search_path", "transaction_isolation")
            found = [connection.execute(text(f"SHOW {name}")).scalar_one() for name in names]
            assert found == ["on", database.schema, "repeatable read"]


def test_thirty_two_reviewers_at_once_lose_and_double_nothing(ledger: Ledger) -> None:
    n, rounds = 32, 5

    def work(number: int) -> int:
        client, added = f"tab {number}", 0
        for seq in range(1, 3 * rounds + 1, 3):
            kept = Decision(client, seq, seq % 4, number % 3, Verdict.PRESENT, client, NOON)
            wrong = Decision(client, seq + 1, number % 4, 0, Verdict.ABSENT, client, NOON)
            undo = Decision(client, seq + 2, number % 4, 0, Verdict.UNDO, client, NOON, undoes=(client, seq + 1))
            shared = Decision("everybody", seq, seq % 4, 0, Verdict.UNSURE, "all", NOON)
            added += ledger.append([kept, wrong]) + ledger.append([undo, kept]) + ledger.append([shared])
        return added

    with ThreadPoolExecutor(n) as pool:
        added = sum(pool.map(work, range(n)))
    events = ledger.decisions()
    assert added == len(events) == n * 3 * rounds + rounds
    assert len({(event.client, event.seq) for event in events}) == len(events)
    for number in range(n):
        client = f"tab {number}"
        assert [event.seq for event in events if event.client == client] == list(range(1, 3 * rounds + 1))
        assert [event.seq for event in standing(events) if event.client == client] == list(range(1, 3 * rounds + 1, 3))


def test_who_reads_what_is_new_misses_nothing_that_is_committed_meanwhile(ledger: Ledger, engine: Engine) -> None:
    """The ids that a sequence gives out could be committed in another order; a reader goes by the newest."""
    seen: list[int] = []
    failed: list[int] = []

    def write(number: int) -> None:
        for seq in range(1, 16):
            try:
                ledger.append([Decision(f"tab {number}", seq, 0, 0, Verdict.SKIP, "ann", NOON)])
            except WorkspaceError:
                failed.append(number)  # or who reads would wait for it for ever
                raise

    def read() -> None:
        since = 0
        later = text("SELECT decision_id FROM decisions WHERE decision_id > :since ORDER BY decision_id")
        while len(seen) < 60 and not failed:
            with engine.connect() as connection:
                seen.extend(connection.execute(later, {"since": since}).scalars())
            since = seen[-1] if seen else 0

    with ThreadPoolExecutor(5) as pool:
        for done in [pool.submit(read), *(pool.submit(write, number) for number in range(4))]:
            done.result(timeout=600)
    assert len(set(seen)) == 60


def test_a_server_that_restarts_is_a_sentence_and_then_forgotten(ledger: Ledger, postgres: Any) -> None:
    ledger.append([FIRST])
    postgres.stop()
    second = Decision("tab", 2, 1, 1, Verdict.ABSENT, "ann", NOON)
    with pytest.raises(WorkspaceError, match="the connection failed or was lost; what was being saved is there whole"):
        ledger.append([FIRST, second])
    postgres.start()
    assert ledger.append([FIRST, second]) == 1
    assert ledger.decisions() == [FIRST, second]


def test_a_connection_that_broke_while_nobody_used_it_is_replaced_without_a_word(
    ledger: Ledger, other: Engine, database: ServerDatabase
) -> None:
    ledger.append([FIRST])
    with other.begin() as connection:
        connection.execute(text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"))
    assert ledger.decisions() == [FIRST]


def test_a_decision_in_flight_when_the_connection_breaks_is_refused_whole_and_resent(
    ledger: Ledger, engine: Engine, other: Engine
) -> None:
    def break_(connection: Connection) -> None:
        pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with other.begin() as elsewhere:
            elsewhere.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})

    event.listen(engine, "commit", break_)
    with pytest.raises(WorkspaceError, match="sending it again is harmless"):
        ledger.append([FIRST, Decision("tab", 2, 0, 0, Verdict.SKIP, "ann", NOON)])
    event.remove(engine, "commit", break_)
    assert ledger.decisions() == []
    assert ledger.append([FIRST]) == 1


def test_a_decision_whose_acknowledgement_was_lost_is_there_once(
    ledger: Ledger, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server commits, and the connection breaks before the client hears of it."""
    driver = engine.dialect.loaded_dbapi

    def lose(connection: Any) -> None:
        connection.commit()
        raise driver.OperationalError("server closed the connection unexpectedly")

    with monkeypatch.context() as breaking, pytest.raises(WorkspaceError, match="there whole or not at all"):  # noqa: PT012
        breaking.setattr(engine.dialect, "do_commit", lose)
        ledger.append([FIRST])
    assert ledger.append([FIRST]) == 0
    assert ledger.decisions() == [FIRST]


def test_a_write_lock_that_somebody_keeps_is_a_sentence(
    database: ServerDatabase, other: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(postgresql._SETTINGS, "lock_timeout", "50ms")
    engine = open_engine(database)
    with other.begin() as connection:
        connection.execute(text("UPDATE schema_version SET version = version"))
        with pytest.raises(WorkspaceError, match="another process has been writing to it for too long"):
            Ledger(engine).append([FIRST])
        assert Ledger(engine).decisions() == [], "readers never wait"
    assert Ledger(engine).append([FIRST]) == 1
    engine.dispose()


@pytest.mark.parametrize("wrong", [{"reviewer": "a\x00b"}, {"seq": 2**63}], ids=["NUL", "large"])
def test_what_the_server_cannot_keep_is_refused_whole(ledger: Ledger, wrong: dict[str, Any]) -> None:
    values = {"client": "tab", "seq": 2, "reviewer": "ann"} | wrong
    decision = Decision(image=0, class_index=0, verdict=Verdict.SKIP, decided_at=NOON, **values)
    with pytest.raises(InputError, match="Expected text and numbers that PostgreSQL can keep"):
        ledger.append([FIRST, decision])
    assert ledger.decisions() == []


def test_a_server_that_takes_no_changes_is_a_sentence(database: ServerDatabase, other: Engine) -> None:
    with other.begin() as connection:
        connection.execute(text("ALTER ROLE labelmend SET default_transaction_read_only = on"))
    try:
        with pytest.raises(WorkspaceError, match="the server takes no changes; nothing was changed there"):
            open_engine(database)
    finally:
        with other.begin() as connection:
            connection.execute(text("SET TRANSACTION READ WRITE"))
            connection.execute(text("ALTER ROLE labelmend RESET default_transaction_read_only"))


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ("53100", "but the server's disk is full; nothing was changed there"),
        ("53300", "the server has no more to give"),
        ("42501", "Expected the right to use"),
        ("57P03", "the connection failed or was lost"),
        ("XX001", "the server says that its data are damaged"),
    ],
)
def test_what_is_wrong_with_a_server_is_a_sentence(engine: Engine, state: str, sentence: str) -> None:
    raising = f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{state}'; END $$"
    with engine.connect() as connection, pytest.raises(WorkspaceError, match=sentence):
        connection.exec_driver_sql(raising)
    with (
        engine.connect() as connection,
        pytest.raises(WorkspaceError, match=sentence),
        driver_cursor(connection) as cursor,
    ):
        cursor.execute(raising)


def add_note(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE reviewers ADD COLUMN note TEXT"))


def fail_half_way(connection: Connection) -> None:
    add_note(connection)
    connection.execute(text("ALTER TABLE nowhere ADD COLUMN note TEXT"))


@pytest.fixture
def migrate_by(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Connection], None]], None]:
    """Pretend that this program is of the next version."""

    def register(step: Callable[[Connection], None]) -> None:
        monkeypatch.setattr(versions, "SCHEMA_VERSION", NOW + 1)
        monkeypatch.setattr(versions, "MIGRATIONS", {NOW: step})

    return register


def test_an_older_schema_is_migrated_and_a_copy_of_it_kept(
    database: ServerDatabase, ledger: Ledger, other: Engine, migrate_by: Callable[[Any], None]
) -> None:
    ledger.append([FIRST])
    migrate_by(add_note)
    with ThreadPoolExecutor(4) as pool:
        for engine in pool.map(open_engine, [database] * 4):  # a second time it would fail: the column is there
            engine.dispose()
    columns = [column["name"] for column in inspect(other).get_columns("reviewers", schema=database.schema)]
    assert columns == ["name", "created_at", "note"]
    with other.connect() as connection:
        kept = f"{database.schema}_version_{NOW}"
        assert connection.execute(text(f"SELECT client, seq FROM {kept}.decisions")).all() == [("tab", 1)]
        assert connection.execute(text(f"SELECT version FROM {kept}.schema_version")).scalar_one() == NOW
    assert ledger.decisions() == [FIRST]


def test_a_migration_that_fails_half_way_changes_nothing(
    database: ServerDatabase, other: Engine, migrate_by: Callable[[Any], None]
) -> None:
    migrate_by(fail_half_way)
    with pytest.raises(ProgrammingError, match='relation "nowhere" does not exist'):
        open_engine(database)
    assert "note" not in {column["name"] for column in inspect(other).get_columns("reviewers", schema=database.schema)}
    assert f"{database.schema}_version_{NOW}" not in inspect(other).get_schema_names()


def test_a_newer_schema_is_refused(database: ServerDatabase, other: Engine) -> None:
    with other.begin() as connection:
        connection.execute(text("UPDATE schema_version SET version = 99"))
    with pytest.raises(WorkspaceError, match=f"schema version {NOW} or older, got 99"):
        open_engine(database)


def test_a_schema_that_several_make_at_once_is_made_once(empty_database: ServerDatabase) -> None:
    with ThreadPoolExecutor(4) as pool:
        engines = list(pool.map(open_engine, [empty_database] * 4))
    assert Ledger(engines[0]).count() == 0
    for engine in engines:
        engine.dispose()
