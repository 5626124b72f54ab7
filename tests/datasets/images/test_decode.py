"""Decoding: damaged, hostile and unusual files end in one sentence or in sensible 8-bit RGB."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from labelmend_core.errors import ImageError
from labelmend_datasets.images import decode_image


def png(width: int, height: int, depth: int, colour: int, rows: bytes) -> bytes:
    """A PNG file made by hand, so that the header may lie and the depth may be what Pillow does not write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def saved(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


def pixel(path: Path) -> tuple[int, ...]:
    image = decode_image(path)
    assert image.mode == "RGB"
    return image.getpixel((0, 0))


@pytest.fixture
def photo() -> Image.Image:
    """Smooth enough that JPEG keeps its colours: red grows to the right, green downwards."""
    rows, columns = np.mgrid[0:96, 0:128]
    return Image.fromarray(np.stack([columns * 2, rows * 2, np.full_like(rows, 60)], axis=-1).astype(np.uint8))


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.bmp", "a.gif", "a.tiff", "a.ppm", "a.jp2"])
def test_common_formats_decode_to_their_colours(name, photo, tmp_path):
    image = decode_image(saved(tmp_path / name, photo))

    difference = np.abs(np.asarray(image, dtype=int) - np.asarray(photo, dtype=int))
    assert image.mode == "RGB"
    assert difference.mean() < (20 if name == "a.gif" else 4)


def test_the_suffix_does_not_matter(photo, tmp_path):
    assert decode_image(saved(tmp_path / "a.jpg", photo, format="PNG")).size == photo.size


@pytest.mark.parametrize(
    ("ink", "expected"),
    [((0, 0, 0, 0), (255, 255, 255)), ((255, 0, 0, 0), (0, 255, 255)), ((0, 0, 0, 255), (0, 0, 0))],
)
@pytest.mark.parametrize("name", ["a.jpg", "a.tiff"])
def test_cmyk_becomes_the_colour_that_is_printed(ink, expected, name, tmp_path):
    got = pixel(saved(tmp_path / name, Image.new("CMYK", (16, 16), ink)))

    assert np.abs(np.subtract(got, expected)).max() <= 3


@pytest.mark.parametrize(("value", "expected"), [(0, 0), (257, 1), (32_768, 128), (40_000, 156), (65_535, 255)])
def test_sixteen_bits_are_scaled_and_not_clipped(value, expected, tmp_path):
    grey = Image.fromarray(np.full((4, 4), value, dtype=np.uint16))

    assert pixel(saved(tmp_path / "a.png", grey)) == (expected,) * 3
    assert pixel(saved(tmp_path / "a.tiff", grey)) == (expected,) * 3
    (tmp_path / "a.pgm").write_bytes(b"P5 1 1 65535\n" + struct.pack(">H", value))
    assert pixel(tmp_path / "a.pgm") == (expected,) * 3


def test_sixteen_bit_colour_is_scaled(tmp_path):
    (tmp_path / "a.png").write_bytes(png(1, 1, 16, 2, b"\0" + struct.pack(">HHH", 65_535, 32_768, 0)))

    assert pixel(tmp_path / "a.png") == (255, 128, 0)


def test_transparency_is_laid_onto_white(tmp_path):
    half_red = Image.new("RGBA", (4, 4), (255, 0, 0, 128))
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 255, 0, 255, 0])

    assert pixel(saved(tmp_path / "half.png", half_red)) == (255, 127, 127)
    assert pixel(saved(tmp_path / "none.png", Image.new("RGBA", (4, 4), (0, 0, 0, 0)))) == (255, 255, 255)
    assert pixel(saved(tmp_path / "grey.png", Image.new("LA", (4, 4), (0, 0)))) == (255, 255, 255)
    assert pixel(saved(tmp_path / "palette.png", palette)) == (0, 255, 0)
    assert pixel(saved(tmp_path / "clear.png", palette, transparency=1)) == (255, 255, 255)


@pytest.mark.parametrize(("mode", "ink", "expected"), [("L", 90, 90), ("1", 1, 255), ("YCbCr", (90, 128, 128), 90)])
def test_other_modes_become_rgb(mode, ink, expected, tmp_path):
    assert pixel(saved(tmp_path / "a.tiff", Image.new(mode, (4, 4), ink))) == (expected,) * 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(orientation, photo, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # the transposition that the orientation takes back
    stored = photo.transpose(Image.Transpose(undo[orientation])) if orientation in undo else photo

    image = decode_image(saved(tmp_path / "a.jpg", stored, exif=exif, quality=95))

    assert image.size == photo.size
    assert np.abs(np.asarray(image, dtype=int) - np.asarray(photo, dtype=int)).mean() < 3


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_exif_data_does_not_cost_the_image(photo, tmp_path):
    path = saved(tmp_path / "a.jpg", photo, exif=b"Exif\0\0MM\0\x2a\0\0\xff\xff garbage")

    assert decode_image(path).size == photo.size


def test_a_wrong_colour_profile_does_not_cost_the_image(photo, tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()

    assert decode_image(saved(tmp_path / "a.jpg", photo, icc_profile=profile)).size == photo.size


def test_a_large_jpeg_is_decoded_at_a_fraction_that_is_enough(photo, tmp_path):
    path = saved(tmp_path / "a.jpg", photo.resize((1280, 960)))

    small = decode_image(path, at_least=200)

    assert small.size == (320, 240)
    whole = np.asarray(decode_image(path).resize((320, 240), Image.Resampling.BOX), dtype=int)
    assert np.abs(np.asarray(small, dtype=int) - whole).mean() < 2


def test_a_missing_image_is_named(tmp_path):
    with pytest.raises(ImageError, match=r"nowhere\.jpg, but no file is there; is the image folder right\?"):
        decode_image(tmp_path / "nowhere.jpg")


def test_a_folder_is_no_image(tmp_path):
    with pytest.raises(ImageError, match="cannot be read"):
        decode_image(tmp_path)


@pytest.mark.parametrize("content", [b"hello, world", b"version https://git-lfs.github.com/spec/v1\n", b"<html>"])
def test_a_text_that_is_called_jpg_is_no_image(content, tmp_path):
    (tmp_path / "a.jpg").write_bytes(content)

    with pytest.raises(ImageError, match=r"a\.jpg, but the file is none \(it starts with b'.+Git LFS pointer"):
        decode_image(tmp_path / "a.jpg")


def test_an_empty_file_is_no_image(tmp_path):
    (tmp_path / "a.jpg").touch()

    with pytest.raises(ImageError, match=r"a\.jpg, but the file is none \(it is empty\)"):
        decode_image(tmp_path / "a.jpg")


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tiff", "a.gif", "a.jp2"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_truncated_file_is_no_image(name, share, tmp_path):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    path = saved(tmp_path / name, noise)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])

    with pytest.raises(ImageError, match=rf"{name}, but"):
        decode_image(path)


def test_a_truncated_jpeg_is_explained(photo, tmp_path):
    path = saved(tmp_path / "a.jpg", photo)
    path.write_bytes(path.read_bytes()[:-500])

    with pytest.raises(ImageError, match=r"a whole image at .*truncated.*was the file cut off .* Fetch it again\."):
        decode_image(path)


@pytest.mark.parametrize(
    ("side", "size"), [(50_000, "2500000000 pixels"), (10_000, "100000000 pixels"), (8_001, "8001")]
)
def test_a_decompression_bomb_is_refused_by_its_header(side, size, tmp_path):
    (tmp_path / "bomb.png").write_bytes(png(side, side, 8, 2, b"\0" * 100))

    with pytest.raises(ImageError, match=rf"at most 64,000,000 pixels at .*bomb\.png, but its header says {size}"):
        decode_image(tmp_path / "bomb.png")


def test_the_limit_can_be_set(photo, tmp_path):
    path = saved(tmp_path / "a.png", photo)

    assert decode_image(path, max_pixels=128 * 96).size == (128, 96)
    with pytest.raises(ImageError, match=r"at most 12,287 pixels .* says 128 x 96"):
        decode_image(path, max_pixels=128 * 96 - 1)


def test_programs_are_never_run_for_postscript(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")

    with pytest.raises(ImageError, match="the file is none"):
        decode_image(tmp_path / "a.jpg")


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (Image.new("F", (4, 4), 0.5), "floating-point numbers"),
        (Image.new("I", (4, 4), 70_000), "from 70000 to 70000"),
        (Image.new("I", (4, 4), -1), "from -1 to -1"),
    ],
)
def test_pixels_without_a_known_black_and_white_are_refused(image, words, tmp_path):
    with pytest.raises(ImageError, match=f"8 or 16 bits a channel at .*{words}.*save it with 8 bits"):
        decode_image(saved(tmp_path / "a.tiff", image))
