"""The old file or the new one, never half of one, and nothing beside it."""

import os
import resource
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest

from labelmend_core.errors import WorkspaceError
from labelmend_core.files import explained, replacing


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def files_of_at_most(n_bytes: int) -> Iterator[None]:
    """Let the kernel refuse every byte beyond: Python ignores SIGXFSZ, so a write fails with EFBIG."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """A file that is there already."""
    path = tmp_path / "labels.txt"
    path.write_text("old")
    return path


def only(path: Path) -> str:
    """Return the content of a file that must be the only one of its folder."""
    assert list(path.parent.iterdir()) == [path]
    return path.read_text()


def test_the_new_file_takes_the_place_of_the_old_when_the_block_ends(labels: Path) -> None:
    with replacing(labels) as temporary:
        temporary.write_text("new")
        assert labels.read_text() == "old"
        assert temporary.parent == labels.parent, "or the rename would not be one step"
    assert only(labels) == "new"


def test_folders_on_the_way_are_made(tmp_path: Path) -> None:
    with replacing(tmp_path / "a" / "b" / "labels.txt") as temporary:
        temporary.write_text("new")
    assert only(tmp_path / "a" / "b" / "labels.txt") == "new"


@pytest.mark.parametrize("error", [ValueError("wrong label"), OSError("broken"), KeyboardInterrupt(), SystemExit(1)])
def test_the_old_file_stays_when_the_block_fails(labels: Path, error: BaseException) -> None:
    def fail_half_way() -> None:
        with replacing(labels) as temporary:
            temporary.write_text("half of the n")
            raise error

    with pytest.raises(type(error)) as raised:
        fail_half_way()
    assert raised.value is error
    assert only(labels) == "old"


def test_the_old_file_stays_on_a_full_disk(labels: Path) -> None:
    with (
        pytest.raises(WorkspaceError, match=r"Expected room to write .*labels\.txt, but the disk is full"),
        files_of_at_most(10_000),
        replacing(labels) as temporary,
    ):
        temporary.write_bytes(bytes(20_000))
    assert only(labels) == "old"


def test_the_old_file_stays_on_a_disk_that_is_really_full(small_disk: Path, leave_room: Callable[[int], Path]) -> None:
    path = small_disk / "labels.txt"
    path.write_text("old")
    filler = leave_room(100_000)
    with pytest.raises(WorkspaceError, match="the disk is full"), replacing(path) as temporary:
        temporary.write_bytes(bytes(200_000))
    filler.unlink()
    assert only(path) == "old"


def test_a_folder_that_is_read_only_is_a_sentence(
    open_folder: Path, without_root: Callable[[], AbstractContextManager[None]]
) -> None:
    path = open_folder / "labels.txt"
    path.write_text("old")
    open_folder.chmod(0o555)
    sentence = r"Expected to be able to write .*labels\.txt, but it is read-only"
    with without_root(), pytest.raises(WorkspaceError, match=sentence), replacing(path):
        pytest.fail("there is nothing to write to")
    open_folder.chmod(0o755)
    assert only(path) == "old"


def test_a_file_that_cannot_be_read_is_not_said_to_be_the_one_that_cannot_be_written(
    open_folder: Path, labels: Path, without_root: Callable[[], AbstractContextManager[None]]
) -> None:
    secret = open_folder / "source.txt"
    secret.write_text("secret")
    secret.chmod(0)
    with without_root(), pytest.raises(PermissionError), explained(labels):
        secret.read_text()


@pytest.mark.parametrize("below", ["labels.txt", "runs/labels.txt"])
def test_a_file_in_the_place_of_a_folder_is_a_sentence(tmp_path: Path, below: str) -> None:
    (tmp_path / "exports").write_text("a file")
    with pytest.raises(WorkspaceError, match="to be a folder or not there"), replacing(tmp_path / "exports" / below):
        pytest.fail("there is nothing to write to")
    assert only(tmp_path / "exports") == "a file"


@pytest.mark.parametrize(("mask", "expected"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_permissions_follow_the_umask(labels: Path, mask: int, expected: int) -> None:
    with umask(mask), replacing(labels) as temporary:
        temporary.write_text("new")
    assert labels.stat().st_mode & 0o777 == expected


def test_the_umask_is_not_asked_for_which_would_set_it_for_every_thread(
    labels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "umask", lambda mask: pytest.fail(f"umask set to {mask}"))
    with replacing(labels) as temporary:
        temporary.write_text("new")


def test_threads_that_write_one_file_leave_one_of_theirs_whole(labels: Path) -> None:
    def write(number: int) -> None:
        with replacing(labels) as temporary:
            temporary.write_text(f"{number}\n" * 10_000)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(40)))
    lines = only(labels).splitlines()
    assert (len(lines), len(set(lines))) == (10_000, 1)


def test_a_library_that_goes_by_the_suffix_writes_to_the_file_that_is_renamed(tmp_path: Path) -> None:
    with replacing(tmp_path / "mean.npy") as temporary:
        np.save(temporary, np.arange(3))
    assert list(tmp_path.iterdir()) == [tmp_path / "mean.npy"]
    assert np.load(tmp_path / "mean.npy").tolist() == [0, 1, 2]
