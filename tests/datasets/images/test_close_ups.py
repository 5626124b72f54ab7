"""Close-ups: a square around a box, within the image, as sharp as the file has it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelmend_core.errors import ImageError
from labelmend_datasets.images import close_up
from labelmend_datasets.images.close_ups import around


@pytest.mark.parametrize(
    ("box", "size", "expected"),
    [
        ((0.4, 0.4, 0.6, 0.6), (1000, 1000), (350, 350, 650, 650)),  # a quarter of its side on each side
        ((0.0, 0.0, 0.2, 0.2), (1000, 1000), (0, 0, 300, 300)),  # moved inside, not cut
        ((0.9, 0.9, 1.0, 1.0), (1000, 1000), (750, 750, 1000, 1000)),  # no smaller than the smallest
        ((0.4, 0.1, 0.6, 0.9), (2000, 1000), (400, 0, 1600, 1000)),  # the square is as narrow as the image
        ((0.1, 0.1, 0.8, 0.8), (1000, 1000), (0, 0, 1000, 1000)),  # almost all of it is all of it
        ((0.0, 0.0, 1.0, 1.0), (300, 800), (0, 0, 300, 800)),
    ],
)
def test_the_square_is_around_the_box_and_inside_the_image(
    box: tuple[float, float, float, float], size: tuple[int, int], expected: tuple[int, int, int, int]
) -> None:
    assert around(box, size, 0.25) == expected


@pytest.mark.parametrize("suffix", [".png", ".jpg"])  # a large JPEG is decoded smaller, a PNG is not
def test_what_is_shown_is_what_lies_there(tmp_path: Path, suffix: str) -> None:
    pixels = np.zeros((1200, 2400, 3), dtype=np.uint8)
    pixels[840:960, 2100:2220] = 255
    path = tmp_path / f"image{suffix}"
    Image.fromarray(pixels).save(path)
    shown = close_up(path, (2100 / 2400, 0.7, 2220 / 2400, 0.8), 160, 0.2)
    assert shown.size == (160, 160)
    bright = np.asarray(shown.convert("L")) > 128
    assert bright.mean() == pytest.approx(120**2 / 240**2, rel=0.05)
    rows, columns = np.nonzero(bright)
    assert (rows.mean(), columns.mean()) == pytest.approx((79.5, 79.5), abs=2)


def test_a_small_image_is_not_made_larger(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    Image.new("RGB", (32, 32)).save(path)
    assert close_up(path, (0.5, 0.5, 0.6, 0.6), 320).size == (16, 16)


def test_a_turned_photograph_is_upright_first(tmp_path: Path) -> None:
    """Shares are of the image as people see it."""
    pixels = np.zeros((100, 200, 3), dtype=np.uint8)
    pixels[:, :100] = 255  # the left half, which is above when the camera is turned
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "image.png"
    Image.fromarray(pixels).save(path, exif=exif)
    assert np.asarray(close_up(path, (0.4, 0.1, 0.6, 0.2), 160)).mean() > 250
    assert np.asarray(close_up(path, (0.4, 0.8, 0.6, 0.9), 160)).mean() < 5


def test_what_is_no_image_is_said(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no file is there"):
        close_up(tmp_path / "gone.png", (0, 0, 1, 1), 160)
