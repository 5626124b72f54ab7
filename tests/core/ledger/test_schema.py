"""A database is made, migrated whole or left as it was; one that is newer or damaged is a sentence."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import IntegrityError, OperationalError

from labelmend_core.errors import WorkspaceError
from labelmend_core.ledger import Audits, Catalog, Ledger, open_engine, standing, versions
from labelmend_core.types import AnnotatedDataset, Decision, LabelMatrix, Verdict

NOW = versions.SCHEMA_VERSION
DECISION = Decision("tab", 1, 0, 0, Verdict.PRESENT, "ann", datetime(2024, 5, 1, tzinfo=UTC))


def version_of(database: Path) -> int:
    with closing(sqlite3.connect(database)) as raw:
        return int(raw.execute("SELECT version FROM schema_version").fetchone()[0])


def columns_of(database: Path, table: str) -> list[str]:
    with closing(sqlite3.connect(database)) as raw:
        return [row[1] for row in raw.execute(f"PRAGMA table_info({table})")]


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def old(sqlite_database: Path) -> Path:
    """A database with one decision, as this program makes it."""
    engine = open_engine(sqlite_database)
    Ledger(engine).append([DECISION])
    engine.dispose()
    return sqlite_database


@pytest.fixture
def migrate_to(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Pretend that this program is of a later version, reached by these steps from the present one."""

    def register(*steps: Callable[[Connection], None]) -> None:
        monkeypatch.setattr(versions, "SCHEMA_VERSION", NOW + len(steps))
        monkeypatch.setattr(versions, "MIGRATIONS", dict(enumerate(steps, start=NOW)))

    return register


def add_note(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE reviewers ADD COLUMN note TEXT"))


def add_mood(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE reviewers ADD COLUMN mood TEXT"))


def fail_half_way(connection: Connection) -> None:
    connection.execute(text("DROP VIEW standing_decisions"))
    connection.execute(text("INSERT INTO classes (class_index, name) VALUES (99, 'half')"))
    connection.execute(text("ALTER TABLE nowhere ADD COLUMN note TEXT"))


def test_every_step_to_the_version_of_this_program_is_there() -> None:
    assert sorted(versions.MIGRATIONS) == list(range(1, versions.SCHEMA_VERSION))


@pytest.fixture
def version_1(tmp_path: Path) -> Path:
    """A database as the first release left it: four decisions, one of them taken back."""
    path = tmp_path / "workspace.db"
    with closing(sqlite3.connect(path)) as raw:
        raw.executescript(Path(__file__).with_name("version_1.sql").read_text(encoding="utf-8"))
        raw.execute("PRAGMA journal_mode=WAL")
    return path


def rows_of(database: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(database)) as raw:
        names = raw.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
        return {name: raw.execute(f"SELECT * FROM {name}").fetchall() for (name,) in names}


def parts_of(database: Path) -> dict[str, object]:
    """The columns and indices of every table, whatever the SQL that made them looks like."""
    with closing(sqlite3.connect(database)) as raw:
        names = raw.execute("SELECT name, type FROM sqlite_master WHERE name NOT LIKE 'sqlite%' ORDER BY name")
        return {
            name: (type_, *(raw.execute(f"PRAGMA {what}({name})").fetchall() for what in ("table_info", "index_info")))
            for name, type_ in names.fetchall()
        }


def test_nothing_of_a_version_1_database_is_lost(version_1: Path) -> None:
    before = rows_of(version_1)
    engine = open_engine(version_1)
    decisions = Ledger(engine).decisions()
    engine.dispose()
    after = rows_of(version_1)
    assert after.pop("audit_cells") == []
    assert after.pop("preferences") == []
    assert [row[-1] for row in after["decisions"]] == [0] * 4, "nothing was an adjudication"
    after["decisions"] = [row[:-1] for row in after["decisions"]]
    assert after.pop("schema_version") == [(NOW,)]
    assert after == {name: rows for name, rows in before.items() if name != "schema_version"}
    assert [d.verdict.value for d in standing(decisions)] == ["present", "unsure"]
    assert rows_of(version_1.with_name("workspace.db.version-1.bak")) == before


def test_a_migrated_database_is_as_a_new_one(version_1: Path, tmp_path: Path) -> None:
    open_engine(version_1).dispose()
    open_engine(tmp_path / "new.db").dispose()
    assert parts_of(version_1) == parts_of(tmp_path / "new.db")


def test_a_migrated_database_takes_decisions_and_audit_cells(version_1: Path) -> None:
    engine = open_engine(version_1)
    sample = {"image_index": 0, "class_index": 1, "kind": "missing", "inclusion_probability": 0.5}
    sample |= {"error_probability": 0.1, "place": 1, "again": 2}
    assert Audits(engine).save("20240501-120000-probe-bce", pd.DataFrame([sample]))
    assert Ledger(engine).append([Decision("tab", 5, 2, 0, Verdict.PRESENT, "ann", DECISION.decided_at)]) == 1
    assert Ledger(engine).count() == 5
    engine.dispose()


def test_opening_again_changes_nothing(old: Path) -> None:
    before = old.read_bytes()
    open_engine(old).dispose()
    assert old.read_bytes() == before
    assert names_in(old.parent) == [old.name]


def test_a_newer_database_is_refused_and_left_untouched(old: Path) -> None:
    with closing(sqlite3.connect(old)) as raw, raw:
        raw.execute("UPDATE schema_version SET version = 99")
    before = old.read_bytes()
    with pytest.raises(
        WorkspaceError, match=f"schema version {NOW} or older, got 99; it was written by a newer labelmend"
    ):
        open_engine(old)
    assert old.read_bytes() == before
    assert names_in(old.parent) == [old.name]


def test_an_older_database_is_migrated_and_a_copy_of_it_kept(old: Path, migrate_to: Callable[..., None]) -> None:
    migrate_to(add_note, add_mood)
    engine = open_engine(old)
    assert Ledger(engine).decisions() == [DECISION]
    assert Ledger(engine).append([DECISION]) == 0
    engine.dispose()
    copy = old.with_name(f"workspace.db.version-{NOW}.bak")
    assert (version_of(old), version_of(copy)) == (NOW + 2, NOW)
    assert columns_of(old, "reviewers") == [*columns_of(copy, "reviewers"), "note", "mood"]
    assert names_in(old.parent) == [old.name, copy.name], "a version a file, and no other"


def test_the_copy_opens_as_the_database_that_it_was(
    old: Path, migrate_to: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = open_engine(old)  # its write-ahead log is not yet in the file itself, and the copy must have it
    Ledger(writer).append([Decision("tab", 2, 1, 1, Verdict.ABSENT, "ben", DECISION.decided_at)])
    before = Ledger(writer).decisions()
    with monkeypatch.context() as later:
        later.setattr(versions, "SCHEMA_VERSION", NOW + 1)
        later.setattr(versions, "MIGRATIONS", {NOW: add_note})
        open_engine(old).dispose()
    writer.dispose()
    copy = open_engine(old.with_name(f"workspace.db.version-{NOW}.bak"))
    assert Ledger(copy).decisions() == before
    with copy.connect() as connection:
        assert connection.execute(text("PRAGMA integrity_check")).scalar_one() == "ok"
    copy.dispose()


@pytest.mark.parametrize("steps", [(fail_half_way,), (add_note, fail_half_way)], ids=["first step", "second step"])
def test_a_migration_that_fails_half_way_changes_nothing(
    old: Path, migrate_to: Callable[..., None], steps: tuple[Callable[[Connection], None], ...]
) -> None:
    with closing(sqlite3.connect(old)) as raw:
        before = list(raw.iterdump())
    migrate_to(*steps)
    with pytest.raises(OperationalError, match="no such table: nowhere"):
        open_engine(old)
    with closing(sqlite3.connect(old)) as raw:
        assert list(raw.iterdump()) == before
    migrate_to(add_mood)
    open_engine(old).dispose()
    assert version_of(old) == NOW + 1


def test_a_database_that_two_open_at_once_is_migrated_once(old: Path, migrate_to: Callable[..., None]) -> None:
    migrate_to(add_note)  # a second time it would fail: the column is there
    with ThreadPoolExecutor(4) as pool:
        for engine in pool.map(open_engine, [old] * 4):
            engine.dispose()
    assert version_of(old) == NOW + 1


def test_a_migration_does_not_begin_where_its_copy_cannot_be_made(old: Path, migrate_to: Callable[..., None]) -> None:
    before = old.read_bytes()
    migrate_to(add_note)
    old.with_name(f"workspace.db.version-{NOW}.bak").mkdir()  # nothing can be renamed onto a folder
    with pytest.raises(IsADirectoryError):
        open_engine(old)
    assert old.read_bytes() == before


def test_a_migration_does_not_begin_without_room_for_its_copy(
    old: Path, migrate_to: Callable[..., None], small_disk: Path, leave_room: Callable[[int], Path]
) -> None:
    here = Path(shutil.copy(old, small_disk))
    filler = leave_room(old.stat().st_size // 2 + 40_000)  # 32 KiB are the index of the write-ahead log
    migrate_to(add_note)
    with pytest.raises(
        WorkspaceError, match=rf"Expected room to write .*/workspace\.db\.version-{NOW}\.bak, but the disk is full"
    ):
        open_engine(here)
    assert names_in(small_disk) == ["filler", here.name]
    assert here.read_bytes() == old.read_bytes()
    filler.unlink()
    open_engine(here).dispose()
    assert version_of(here) == NOW + 1


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"name,label\na.jpg,cat\n" * 100, id="a text file"),
        pytest.param(b"SQLite format 3\x00" + b"\xff" * 5000, id="a header and nonsense"),
    ],
)
def test_a_file_that_is_no_database_is_a_sentence_and_left_untouched(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "workspace.db"
    path.write_bytes(content)
    with pytest.raises(WorkspaceError, match=r"Expected .*workspace\.db to be a labelmend database, but it is damaged"):
        open_engine(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("keep", [0.5, 0.95])
def test_a_database_that_was_cut_off_is_a_sentence_at_the_latest_when_it_is_read(tmp_path: Path, keep: float) -> None:
    path = tmp_path / "workspace.db"
    names = [f"{i:06}.jpg" for i in range(20_000)]
    engine = open_engine(path)
    Catalog(engine).write(AnnotatedDataset(names, names, ["cat"], LabelMatrix.empty((len(names), 1))))
    engine.dispose()
    os.truncate(path, int(path.stat().st_size * keep))
    with pytest.raises(WorkspaceError, match="it is damaged; restore it from a backup"):  # noqa: PT012
        engine = open_engine(path)
        try:
            Catalog(engine).dataset()
        finally:
            engine.dispose()


def test_the_tables_refuse_what_has_no_meaning(old: Path) -> None:
    engine = open_engine(old)
    statements = [
        "INSERT INTO given_labels VALUES (0, 1, 2)",
        "INSERT INTO given_labels VALUES (77, 0, 1)",
        "INSERT INTO images VALUES (77, 'x', 'x', 'test', NULL)",
        "DELETE FROM images",
        "DELETE FROM reviewers",
    ]
    for statement in statements:
        with pytest.raises(IntegrityError), engine.begin() as connection:
            connection.execute(text(statement))
    engine.dispose()


@pytest.mark.parametrize("name", ["what?", "100%41", "a#b", "with space", "Übung", "semi;colon&mode=ro"])
def test_the_database_lies_where_it_was_asked_to_whatever_the_folder_is_called(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    engine = open_engine(folder / "workspace.db")
    assert inspect(engine).has_table("decisions")
    engine.dispose()
    assert [path.relative_to(tmp_path) for path in tmp_path.rglob("*.db")] == [Path(name) / "workspace.db"]


def test_every_connection_syncs_before_it_acknowledges(old: Path) -> None:
    engine = open_engine(old)
    with engine.connect() as one, engine.connect() as other:
        for connection in (one, other):
            pragmas = [
                connection.execute(text(f"PRAGMA {name}")).scalar_one()
                for name in ("journal_mode", "synchronous", "foreign_keys")
            ]
            assert pragmas == ["wal", 2, 1]
    engine.dispose()
