"""The cache file survives kills and copies."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from labelmend_datasets.images.pixel_cache import PixelCache

SHAPE = (3, 4, 4)


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 255, SHAPE, dtype=np.uint8)


def opened(folder: Path, key: str = "a", n_images: int = 5) -> PixelCache:
    return PixelCache(folder / "cache" / "pixels", [key], n_images, SHAPE)


def test_what_was_put_is_got_by_who_opens_the_file_later(tmp_path, pixels):
    opened(tmp_path).put(2, pixels, 77)

    later = opened(tmp_path)

    assert later.marks.tolist() == [0, 0, 77, 0, 0]
    assert (later.get(2) == pixels).all()
    assert (tmp_path / "cache" / "pixels").stat().st_size == later.nbytes == PixelCache.size(5, SHAPE)


def test_what_one_puts_another_sees_at_once(tmp_path, pixels):
    one, other = opened(tmp_path), opened(tmp_path)

    one.put(4, pixels, 1)

    assert other.marks[4] == 1
    assert (other.get(4) == pixels).all()


def test_a_mark_without_pixels_is_kept(tmp_path):
    cache = opened(tmp_path)

    cache.put(0, None, -5)

    assert opened(tmp_path).marks[0] == -5


def test_what_is_got_is_a_copy(tmp_path, pixels):
    cache = opened(tmp_path)
    cache.put(0, pixels, 1)

    cache.get(0)[:] = 0

    assert (cache.get(0) == pixels).all()


@pytest.mark.parametrize(("key", "n_images"), [("b", 5), ("a", 6)])
def test_another_key_or_number_starts_anew(tmp_path, pixels, key, n_images):
    old = opened(tmp_path)
    old.put(0, pixels, 1)

    assert not opened(tmp_path, key, n_images).marks.any()
    assert (old.get(0) == pixels).all()


def test_a_process_that_is_killed_while_it_writes_leaves_that_image_undone(tmp_path):
    script = f"""
import os
from pathlib import Path
import numpy as np
from labelmend_datasets.images import pixel_cache
cache = pixel_cache.PixelCache(Path({str(tmp_path)!r}) / "cache" / "pixels", ["a"], 5, {SHAPE})
cache.put(0, np.full({SHAPE}, 9, dtype=np.uint8), 1)
pwrite = os.pwrite
def killed(file, data, position):
    pwrite(file, data[: len(data) // 2], position)
    os._exit(9)
os.pwrite = killed
cache.put(1, np.full({SHAPE}, 9, dtype=np.uint8), 1)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 9

    cache = opened(tmp_path)
    assert cache.marks.tolist() == [1, 0, 0, 0, 0]
    assert (cache.get(0) == 9).all()


def test_short_writes_are_completed(tmp_path, pixels, monkeypatch):
    pwrite = os.pwrite
    monkeypatch.setattr("os.pwrite", lambda file, data, position: pwrite(file, data[:5], position))
    cache = opened(tmp_path)

    cache.put(1, pixels, 2**40)

    assert cache.marks[1] == 2**40
    assert (cache.get(1) == pixels).all()


def test_a_copy_opens_the_file_itself_and_closes_it(tmp_path, pixels):
    cache = opened(tmp_path)
    cache.put(0, pixels, 1)

    copy = pickle.loads(pickle.dumps(cache))  # noqa: S301  # as a spawned DataLoader worker gets it
    assert (copy.get(0) == pixels).all()
    del copy

    cache.put(1, pixels, 1)
    assert cache.marks[1] == 1
