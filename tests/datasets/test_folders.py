"""A new folder appears whole or not at all."""

import errno

import pytest

from labelmend_core.errors import InputError, WorkspaceError
from labelmend_datasets.folders import new_folder


def test_the_folder_appears_after_the_block(tmp_path):
    destination = tmp_path / "deep" / "out"

    with new_folder(destination) as temporary:
        (temporary / "a.txt").write_text("a")
        assert not destination.exists()

    assert [path.name for path in destination.iterdir()] == ["a.txt"]
    assert list(destination.parent.iterdir()) == [destination]


def test_an_empty_folder_may_be_there(tmp_path):
    with new_folder(tmp_path / "out") as temporary:
        (temporary / "a.txt").write_text("a")
    (tmp_path / "empty").mkdir()

    with new_folder(tmp_path / "empty") as temporary:
        (temporary / "b.txt").write_text("b")

    assert (tmp_path / "empty" / "b.txt").read_text() == "b"


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_is_there_is_never_replaced(tmp_path, kind):
    mine = tmp_path / "out" if kind == "file" else tmp_path / "out" / "mine.txt"
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")

    with pytest.raises(InputError, match="a new or an empty folder"), new_folder(tmp_path / "out"):
        pytest.fail("the block ran")

    assert mine.read_text() == "mine"


def test_an_error_leaves_nothing(tmp_path):
    def write_half() -> None:
        with new_folder(tmp_path / "out") as temporary:
            (temporary / "half.txt").write_text("half")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(WorkspaceError, match="disk is full"):
        write_half()

    assert list(tmp_path.iterdir()) == []
