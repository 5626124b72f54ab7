"""A workspace moves to a server with everything that it knew, or stays where it was."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import create_engine, text

from labelmend_core.errors import InputError, WorkspaceError
from labelmend_core.ledger import copying
from labelmend_core.migration import migrate
from labelmend_core.types import AnnotatedDataset, Decision, LabelMatrix, Verdict
from labelmend_core.workspace import DATABASE, SETTINGS, Workspace

CHECK = copying._check
VARIABLE = "LABELMEND_DATABASE_URL"
NAMES = ["a", '"; DROP TABLE decisions; --', "b\\N\t\n€🙂"]
LABELS = LabelMatrix.from_dense([[1, 0], [0, -1], [1, 1]])
TRAIN = AnnotatedDataset(NAMES, [f"{i}.jpg" for i in range(3)], ["<img src=x>", "dog"], LABELS)
NOON = datetime(2024, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A workspace with a run, suggestions (one of them gone), an audit sample, decisions, and an unreadable image."""
    source = tmp_path / "labels.txt"
    source.write_text("a.jpg,0\n")
    workspace = Workspace.create(
        tmp_path / "w", TRAIN, format_name="list", image_folder=tmp_path, source=source, validation=None
    )
    run_id = workspace.runs.start(mode="probe", loss="bce", labels="given", n_decisions=0, settings={"lr": 0.1})
    rows = {"image_index": [0, 1], "class_index": [1, 0], "kind": ["missing", "missing"], "rank": [1, 2]}
    numbers = {key: [1 / 3, 0.1] for key in ("label_quality", "error_probability", "low", "high")}
    frame = pd.DataFrame(rows | numbers | {"reason": [{"p": 0.5}, {}]})
    workspace.queue.save(run_id, frame)
    workspace.queue.save(run_id, frame[:1])
    cell = {"image_index": 1, "class_index": 0, "kind": "missing", "inclusion_probability": 0.5}
    workspace.audits.save(run_id, pd.DataFrame([cell | {"error_probability": 0.1, "place": 1, "again": 2}]))
    workspace.double_review.set(10)
    workspace.catalog.record_problems({2: "cut off"})
    suggested = workspace.queue.of_run(run_id)[0].suggestion_id
    events = [
        Decision("tab", 1, 0, 1, Verdict.PRESENT, "Ælfrić", NOON, suggested),
        Decision("tab", 2, 1, 0, Verdict.ABSENT, "Ælfrić", NOON - timedelta(days=1), adjudicates=True),
        Decision("tab", 3, 0, 1, Verdict.UNDO, "Ælfrić", NOON, undoes=("tab", 1)),
    ]
    workspace.ledger.append(events)
    workspace.ledger.append(events)  # the numbers of those that were there already are not given out again
    workspace.close()
    return tmp_path / "w"


@pytest.fixture
def on_server(postgres: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Set the variable from now on."""
    return lambda: monkeypatch.setenv(VARIABLE, postgres.url)


def known(folder: Path) -> dict[str, Any]:
    """What a workspace says of itself."""
    workspace = Workspace.open(folder)
    run_id = workspace.queue.latest_run() or ""
    dataset = workspace.dataset
    found = {
        "images": (list(dataset.image_ids), list(dataset.class_names), dataset.given_labels.dense().tolist()),
        "problems": workspace.catalog.problems(),
        "runs": workspace.runs.all(),
        "suggestions": workspace.queue.of_run(run_id),
        "audits": workspace.audits.cells(run_id),
        "percent": workspace.double_review.percent,
        "decisions": workspace.ledger.decisions(),
        "newest": workspace.ledger.newest(),
        "corrected": workspace.corrected_labels().dense().tolist(),
    }
    workspace.close()
    return found


def digest(folder: Path) -> str:
    return hashlib.sha256((folder / DATABASE).read_bytes()).hexdigest()


def test_everything_is_on_the_server_and_the_file_is_as_it_was(folder: Path, on_server: Callable[[], None]) -> None:
    before, file, made = known(folder), digest(folder), (folder / SETTINGS).stat().st_mtime_ns
    on_server()
    told: list[tuple[str, int, int]] = []
    moved = migrate(folder, progress=lambda *step: told.append(step))
    assert known(folder) == before
    assert digest(folder) == file
    assert (folder / SETTINGS).stat().st_mtime_ns == made, "open pages may still send what they have"
    assert moved.rows["decisions"] == 3
    assert told[-1][1:] == (sum(moved.rows.values()),) * 2


def test_ids_go_on_where_they_were(folder: Path, on_server: Callable[[], None]) -> None:
    newest = known(folder)["newest"]
    on_server()
    migrate(folder)
    workspace = Workspace.open(folder)
    workspace.ledger.append([Decision("tab", 4, 2, 1, Verdict.SKIP, "ben", NOON)])
    assert workspace.ledger.newest() > newest
    run_id = workspace.queue.latest_run() or ""
    cell = {"image_index": [1], "class_index": [0], "kind": ["missing"], "rank": [1], "reason": [{}]}
    numbers = {key: [0.1] for key in ("label_quality", "error_probability", "low", "high")}
    workspace.queue.save(run_id, pd.DataFrame(cell | numbers))
    ids = {suggestion.suggestion_id for suggestion in workspace.queue.of_run(run_id)}
    assert 2 not in ids, "it was given out once, and a page may still show it"
    assert len(ids) == 2
    workspace.close()


def test_a_schema_that_is_not_empty_is_refused(folder: Path, on_server: Callable[[], None], postgres: Any) -> None:
    on_server()
    engine = create_engine(postgres.url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA taken CREATE TABLE something (n int)"))
    with pytest.raises(WorkspaceError, match=r"Expected schema taken of .* to be empty or not there"):
        migrate(folder, "taken")
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA taken CASCADE"))
    engine.dispose()


def test_a_workspace_that_somebody_has_open_is_refused(
    folder: Path, on_server: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "_WAIT_SECONDS", 0.05)
    workspace = Workspace.open(folder)
    on_server()
    before = (folder / SETTINGS).read_bytes()
    with pytest.raises(WorkspaceError, match="End the review and the trainings of this workspace"):
        migrate(folder)
    workspace.close()
    assert (folder / SETTINGS).read_bytes() == before
    migrate(folder)


def test_a_copy_that_fails_leaves_the_workspace_and_the_server_as_they_were(
    folder: Path, on_server: Callable[[], None], monkeypatch: pytest.MonkeyPatch, postgres: Any
) -> None:
    before = known(folder)
    on_server()
    with monkeypatch.context() as fewer:
        fewer.setattr(copying, "_check", lambda connection, table, n: CHECK(connection, table, n + 1))
        with pytest.raises(WorkspaceError, match=r"Expected 3 rows of \w+ on the server .*, found 2"):
            migrate(folder, "half_way")
    engine = create_engine(postgres.url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT to_regnamespace('half_way')")).scalar_one() is None
    engine.dispose()
    monkeypatch.delenv(VARIABLE)
    assert known(folder) == before


def test_a_workspace_moves_once(folder: Path, on_server: Callable[[], None]) -> None:
    on_server()
    migrate(folder)
    with pytest.raises(WorkspaceError, match=r"is in the schema labelmend_w_.* on a server already"):
        migrate(folder)


def test_without_an_address_nothing_moves(folder: Path) -> None:
    with pytest.raises(InputError, match="Expected LABELMEND_DATABASE_URL to say where to"):
        migrate(folder)
