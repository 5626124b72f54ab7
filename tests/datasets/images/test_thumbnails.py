"""Thumbnails are small JPEG files, written whole and used again."""

import numpy as np
import pytest
from PIL import Image

from labelmend_core.errors import ImageError
from labelmend_datasets.images import thumbnail


@pytest.mark.parametrize(("size", "expected"), [((400, 200), (100, 50)), ((90, 300), (30, 100)), ((40, 20), (40, 20))])
@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_the_longer_side_is_bounded_and_nothing_is_enlarged(size, expected, name, tmp_path):
    Image.new("RGB", size, (200, 30, 60)).save(tmp_path / name)

    path = thumbnail(tmp_path / name, 100, tmp_path / "thumbnails" / "a")

    assert path == tmp_path / "thumbnails" / "a"
    with Image.open(path) as image:
        assert (image.format, image.size, image.mode) == ("JPEG", expected, "RGB")
        assert np.abs(np.subtract(image.getpixel((0, 0)), (200, 30, 60))).max() <= 4


def test_a_thumbnail_that_is_there_is_used_again(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    first = thumbnail(tmp_path / "a.png", 4, tmp_path / "t.jpg").read_bytes()
    (tmp_path / "a.png").unlink()

    assert thumbnail(tmp_path / "a.png", 4, tmp_path / "t.jpg").read_bytes() == first


def test_a_bad_image_leaves_no_thumbnail(tmp_path):
    (tmp_path / "a.jpg").write_text("hello")

    with pytest.raises(ImageError):
        thumbnail(tmp_path / "a.jpg", 4, tmp_path / "t.jpg")

    assert [path.name for path in tmp_path.iterdir()] == ["a.jpg"]
