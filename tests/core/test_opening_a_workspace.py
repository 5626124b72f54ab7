"""A workspace says what is wrong with it when it cannot be opened, and is left as it was."""

import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest

from labelmend_core.errors import WorkspaceError
from labelmend_core.ledger.versions import SCHEMA_VERSION
from labelmend_core.types import AnnotatedDataset, LabelMatrix
from labelmend_core.workspace import DATABASE, SETTINGS, Workspace

Contents = Callable[[Path], dict[str, bytes | None]]
Create = Callable[[Path], None]


@pytest.fixture
def create(tmp_path: Path) -> Create:
    """Make a workspace of one image, and close it."""
    source = tmp_path / "labels.txt"
    source.write_text("cat.jpg,0\n")
    dataset = AnnotatedDataset(["cat.jpg"], ["cat.jpg"], ["cat"], LabelMatrix.from_dense([[1]]))

    def make(folder: Path) -> None:
        Workspace.create(folder, dataset, format_name="list", image_folder=tmp_path, source=source).close()

    return make


def test_where_there_is_no_workspace_the_sentence_names_the_command_that_makes_one(
    tmp_path: Path, contents: Contents
) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(WorkspaceError, match=f"found no {SETTINGS}; make one with 'labelmend import'"):
            Workspace.open(folder)
    assert contents(tmp_path) == {}


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'format = "list', id="cut off"),
        pytest.param(b"\xff\xfe", id="not UTF-8"),
        pytest.param(b"version = 1", id="a setting is missing"),
        pytest.param(b'version = "one"\nformat = "list"\nimage_folder = "i"\nsource = "s"', id="no number"),
        pytest.param(b'version = 1\nformat = "list"\nimage_folder = "i"\nsource = "s"\nmore = 1', id="unknown"),
    ],
)
def test_damaged_settings_are_a_sentence(tmp_path: Path, create: Create, settings: bytes) -> None:
    create(tmp_path / "w")
    (tmp_path / "w" / SETTINGS).write_bytes(settings)
    with pytest.raises(WorkspaceError, match=rf"Expected .*{SETTINGS} as labelmend wrote it, but it cannot be read"):
        Workspace.open(tmp_path / "w")


def test_a_workspace_of_a_newer_version_is_refused_and_left_untouched(
    tmp_path: Path, create: Create, contents: Contents
) -> None:
    create(tmp_path / "w")
    path = tmp_path / "w" / SETTINGS
    path.write_text(path.read_text().replace("version = 1", 'version = 3\nnew_setting = "x"'))
    before = contents(tmp_path)
    with pytest.raises(WorkspaceError, match=r"version 2 or older in .*, got 3; it was made by a newer labelmend"):
        Workspace.open(tmp_path / "w")
    assert contents(tmp_path) == before


def test_a_database_of_a_newer_schema_is_refused_and_left_untouched(
    tmp_path: Path, create: Create, contents: Contents
) -> None:
    create(tmp_path / "w")
    with closing(sqlite3.connect(tmp_path / "w" / DATABASE)) as raw, raw:
        raw.execute("UPDATE schema_version SET version = 7")
    before = contents(tmp_path)
    newer = f"schema version {SCHEMA_VERSION} or older, got 7; it was written by a newer labelmend"
    with pytest.raises(WorkspaceError, match=newer):
        Workspace.open(tmp_path / "w")
    assert contents(tmp_path) == before


def test_a_workspace_whose_database_is_gone_is_not_opened_with_an_empty_one(tmp_path: Path, create: Create) -> None:
    create(tmp_path / "w")
    (tmp_path / "w" / DATABASE).unlink()
    with pytest.raises(WorkspaceError, match=f"Expected .*{DATABASE}, but it is gone; restore it from a backup"):
        Workspace.open(tmp_path / "w")
    assert not (tmp_path / "w" / DATABASE).exists()


@pytest.mark.parametrize("read_only", ["folder", "database", "both"])
def test_a_read_only_workspace_is_a_sentence(
    open_folder: Path,
    create: Create,
    without_root: Callable[[], AbstractContextManager[None]],
    read_only: str,
    contents: Contents,
) -> None:
    folder = open_folder / "w"
    create(folder)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o777 if path.is_dir() else 0o666)
    if read_only != "database":
        folder.chmod(0o555)
    if read_only != "folder":
        (folder / DATABASE).chmod(0o444)
    before = contents(open_folder)
    with without_root(), pytest.raises(WorkspaceError, match=rf"to be able to write .*{DATABASE}, but it is read-only"):
        Workspace.open(folder)
    folder.chmod(0o755)
    after = contents(open_folder)  # SQLite may leave its empty log beside a file that it may only read
    assert {name: after[name] for name in after if not name.endswith(("-wal", "-shm"))} == before
