"""Fetched files: kept up to a size, whole, by any number of processes."""

import os
import subprocess
import sys
import time

import pytest

from labelmend_core.errors import InputError
from labelmend_datasets.images import file_cache
from labelmend_datasets.images.file_cache import FileCache, shared_cache

LONG_AGO = 1_000_000


def _kept(cache: FileCache) -> set[str]:
    return {path.name for path in cache.folder.glob("??/*/*")}


def _fill(cache: FileCache, *names: str, size: int = 1000) -> list[str]:
    """Fetch files that were used long ago, each a second after the one before; return what was fetched."""
    fetched = []
    for second, name in enumerate(names):

        def fetch(path, name=name):
            fetched.append(name)
            path.write_bytes(bytes(size))

        kept = cache.get(name, fetch)
        os.utime(kept, (LONG_AGO + second, 0))
    return fetched


def test_a_file_is_fetched_once(tmp_path) -> None:
    cache = FileCache(tmp_path / "c", 10**6)
    assert _fill(cache, "a", "b", "a") == ["a", "b"]


def test_what_was_used_longest_ago_goes_first(tmp_path) -> None:
    cache = FileCache(tmp_path / "c", 4000)
    _fill(cache, "a", "b", "c", "d")
    cache.get("a", None)
    _fill(cache, "e")
    kept = _kept(cache)
    assert {"a", "e"} <= kept
    assert "b" not in kept
    assert sum(path.stat().st_size for path in cache.folder.glob("??/*/*")) <= cache.limit_bytes


def test_what_was_just_used_is_not_taken_away(tmp_path) -> None:
    cache = FileCache(tmp_path / "c", 1500)
    for name in "abc":
        cache.get(name, lambda path: path.write_bytes(bytes(1000)))
    assert _kept(cache) == {"a", "b", "c"}


def test_what_another_process_has_begun_to_use_meanwhile_stays(tmp_path, monkeypatch) -> None:
    cache = FileCache(tmp_path / "c", 2000)
    _fill(cache, "a", "b")
    looked = cache._files

    def files():
        found = looked()
        FileCache(cache.folder, 2000).get("a", None)  # between the look and the taking away
        return found

    monkeypatch.setattr(cache, "_files", files)
    _fill(cache, "c")
    assert "a" in _kept(cache)
    assert "b" not in _kept(cache)


def test_a_fetch_that_fails_leaves_nothing(tmp_path) -> None:
    cache = FileCache(tmp_path / "c", 10**6)

    def fetch(path):
        path.write_bytes(b"half")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        cache.get("a", fetch)
    assert _kept(cache) == set()


def test_what_comes_again_is_the_same_file_to_who_asks_when_it_changed(tmp_path) -> None:
    cache = FileCache(tmp_path / "c", 10**6)
    first = cache.get("a", lambda path: path.write_bytes(b"x")).stat().st_mtime_ns
    cache.get("a", None).unlink()
    time.sleep(0.01)
    assert cache.get("a", lambda path: path.write_bytes(b"x")).stat().st_mtime_ns == first


@pytest.mark.parametrize(
    "key", ["../../up.png", "/etc/passwd", "x" * 5000, "a\0b", "https://h/a?b=c#d", "…\udcff/ ", ""]
)
def test_no_key_leads_out_of_the_folder(tmp_path, key) -> None:
    cache = FileCache(tmp_path / "c", 10**6)
    path = cache.get(key, lambda path: path.write_bytes(b"x"))
    assert path.resolve().is_relative_to(cache.folder.resolve())
    assert len(path.relative_to(cache.folder).parts) == 3


def test_processes_share_a_cache_without_tearing_files(tmp_path) -> None:
    code = """
import sys
from pathlib import Path
from labelmend_datasets.images import file_cache
from labelmend_datasets.images.file_cache import FileCache
file_cache._IN_USE_SECONDS = 3600  # a slow machine may take its time between `get` and `read_bytes`
cache = FileCache(Path(sys.argv[1]), 40_000)
for turn in range(3):
    for number in range(60):
        content = bytes([number]) * 1000
        path = cache.get(str(number), lambda path: path.write_bytes(content))
        assert path.read_bytes() == content
"""
    command = [sys.executable, "-c", code, str(tmp_path / "c")]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    assert [(process.wait(600), process.communicate()[1]) for process in running] == [(0, "")] * 2


@pytest.mark.parametrize("size", ["0", "-1", "nan", "inf", "ten"])
def test_a_size_that_is_none_is_refused(monkeypatch, own_cache, size) -> None:
    monkeypatch.setenv(file_cache.LIMIT, size)
    with pytest.raises(InputError, match="positive number"):
        shared_cache()
