"""Images as tensors: whole, decoded once, and one bad image never stops a run."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from labelmend_core.errors import WorkspaceError
from labelmend_datasets.images import ImageTensors, tensors

SIZE = 32


@pytest.fixture
def photos(tmp_path):
    """Six photographs of different shape; the fourth is a text, the fifth is not there."""
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{index}.png" for index in range(6)]
    for index, path in enumerate(paths):
        coarse = Image.fromarray(rng.integers(0, 255, (6, 5 + index, 3), dtype=np.uint8))
        coarse.resize((60 + 20 * index, 80), Image.Resampling.BICUBIC).save(path)
    paths[3].write_text("no image")
    paths[4].unlink()
    return paths


@pytest.fixture(params=["cached", "uncached"])
def cache(request, tmp_path):
    return tmp_path / "cache" / "pixels.u8" if request.param == "cached" else None


def test_the_whole_image_is_resized_as_the_papers_do(photos, cache):
    resize = v2.Resize((SIZE, SIZE), v2.InterpolationMode.BICUBIC, antialias=True)

    images = ImageTensors(photos, SIZE, cache)

    for index in (0, 1, 2, 5):
        with Image.open(photos[index]) as photo:
            expected = torch.from_numpy(np.array(resize(photo))).permute(2, 0, 1)
        assert images[index].dtype == torch.uint8
        assert images[index].shape == (3, SIZE, SIZE)
        assert (images[index].int() - expected.int()).abs().max() <= 1


def test_a_bad_image_is_zeros_and_noted(photos, cache):
    images = ImageTensors(photos, SIZE, cache)
    assert images.problems() == {}

    assert not images[3].any()
    assert not images[4].any()
    assert images[5].any()

    assert list(images.problems()) == [3, 4]
    assert "the file is none" in images.problems()[3]
    assert "no file is there" in images.problems()[4]


def test_check_decodes_all_and_returns_what_is_wrong(photos, cache):
    images, calls = ImageTensors(photos, SIZE, cache), []

    problems = images.check([0, 2, 3, 5], lambda done, total: calls.append((done, total)))

    assert list(problems) == [3]
    assert calls == [(4, 4)]
    assert list(images.check(range(6))) == [3, 4]


def test_an_image_is_decoded_once(photos, tmp_path, monkeypatch):
    images = ImageTensors(photos, SIZE, tmp_path / "pixels")
    images.check(range(6))
    first = [images[index] for index in (0, 1, 2, 5)]
    monkeypatch.setattr("labelmend_datasets.images.tensors.decode_image", None)

    again = ImageTensors(photos, SIZE, tmp_path / "pixels")

    for cached in (images, again):
        assert all(torch.equal(cached[index], pixels) for index, pixels in zip((0, 1, 2, 5), first, strict=True))


def test_an_image_whose_file_changed_is_decoded_again(photos, tmp_path):
    images = ImageTensors(photos, SIZE, tmp_path / "pixels")
    images.check(range(6))

    Image.new("RGB", (50, 50), (9, 8, 7)).save(photos[3])
    photos[0].unlink()

    assert images[3][:, 0, 0].tolist() == [9, 8, 7]
    assert not images[0].any()
    assert list(images.problems()) == [0, 4]


@pytest.mark.parametrize("change", ["size", "paths", "damage"])
def test_a_cache_for_something_else_is_made_anew(photos, tmp_path, change):
    good = [photos[0], photos[1]]
    ImageTensors(good, SIZE, tmp_path / "pixels").check(range(2))
    if change == "damage":
        (tmp_path / "pixels").write_bytes((tmp_path / "pixels").read_bytes()[:-1])
    paths = good[::-1] if change == "paths" else good
    size = SIZE - (change == "size")

    images = ImageTensors(paths, size, tmp_path / "pixels")

    fresh = ImageTensors(paths, size)
    assert all(torch.equal(images[index], fresh[index]) for index in range(2))


def test_a_cache_over_the_limit_is_not_made(photos, tmp_path):
    images = ImageTensors(photos, SIZE, tmp_path / "pixels", cache_limit_bytes=6 * 3 * SIZE * SIZE)

    assert images[0].any()
    assert not (tmp_path / "pixels").exists()


def test_a_worker_of_a_data_loader_shares_cache_and_problems(photos, tmp_path):
    images = ImageTensors(photos, SIZE, tmp_path / "pixels")
    loader = torch.utils.data.DataLoader(images, batch_size=2, num_workers=1, multiprocessing_context="spawn")

    batches = torch.cat(list(loader))

    fresh = ImageTensors(photos, SIZE)
    assert all(torch.equal(batches[index], fresh[index]) for index in range(6))
    assert list(images.problems()) == [3, 4]
    assert sum(images._is_cached(index) for index in range(6)) == 4


def test_a_full_disk_is_an_error_and_not_a_crash(photos, tmp_path, monkeypatch):
    images = ImageTensors(photos, SIZE, tmp_path / "pixels")

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.pwrite", full)
    with pytest.raises(WorkspaceError, match="disk is full"):
        images.check(range(6))


def test_indices_are_those_of_a_list(photos):
    images = ImageTensors(photos, SIZE)

    assert len(images) == 6
    assert torch.equal(images[-1], images[5])
    with pytest.raises(IndexError):
        images[6]
    assert ImageTensors([], SIZE).check([]) == {}


def test_showing_thumbnails_takes_no_torch():
    script = (
        "import sys, labelmend_datasets.images as images; assert images.thumbnail; sys.exit('torch' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_no_more_threads_decode_than_there_are_cores_for_them(photos, monkeypatch):
    counts = []

    class Counted(ThreadPoolExecutor):
        def __init__(self, threads):
            counts.append(threads)
            super().__init__(threads)

    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 5}, raising=False)
    monkeypatch.setattr(tensors, "ThreadPoolExecutor", Counted)
    assert list(ImageTensors(photos, SIZE, None).check(range(6))) == [3, 4]
    assert counts == [2]
