"""The same images in a folder, in archives and behind an address: found, decoded, and missed where they are not."""

import tarfile
import zipfile

import numpy as np
import pytest
import torch

from labelmend_core.errors import ImageError, InputError
from labelmend_core.types import AnnotatedDataset, LabelMatrix
from labelmend_datasets.images import (
    ImageTensors,
    decode_image,
    find_missing_images,
    image_file,
    image_source,
    require_place,
)

NAMES = ("a.png", "sub/b.png", "c.png")
PLACES = ("folder", "zip", "tar", "shards", "https", "https shards", "bucket", "bucket shards")


@pytest.fixture
def lay_out(tmp_path, site, png, own_cache, request):
    """Return a call that puts the images into a place and gives the place with the names that they have there."""

    def make(place: str) -> tuple[str, list[str]]:
        shards = place.endswith("shards") or place in ("zip", "tar")
        files = {name: png(40 * i) for i, name in enumerate(NAMES)}
        names = list(NAMES)
        if shards:
            files, names = _packed(tmp_path, files, whole=place in ("zip", "tar"), suffix=place)
        if place in ("zip", "tar"):
            return str(tmp_path / f"all.{place}"), names
        if place.startswith("https"):
            site.files.update({f"/p/{name}": data for name, data in files.items()})
            return f"{site.address}/p", names
        if place.startswith("bucket"):
            import fsspec

            memory = fsspec.filesystem("memory")
            memory.pipe({f"/bucket/{name}": data for name, data in files.items()})
            request.addfinalizer(lambda: memory.rm("/bucket", recursive=True))
            return "memory://bucket", names
        for name, data in files.items():
            (tmp_path / "p" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "p" / name).write_bytes(data)
        return str(tmp_path / "p"), names

    return make


def _packed(folder, files, *, whole, suffix):
    """Put all into one archive, or the first into a zip file and the others into a tar file."""
    first, *rest = files
    parts = {f"all.{suffix}": list(files)} if whole else {"shards/0.zip": [first], "1.tar": rest}
    packed, names = {}, {}
    for archive, members in parts.items():
        path = folder / archive
        path.parent.mkdir(exist_ok=True)
        for name in members:
            (folder / "member").write_bytes(files[name])
            if archive.endswith(".zip"):
                with zipfile.ZipFile(path, "a") as output:
                    output.write(folder / "member", name)
            else:
                with tarfile.open(path, "a") as output:
                    output.add(folder / "member", name)
            names[name] = name if whole else f"{archive}/{name}"
        packed[archive] = path.read_bytes()
    return packed, [names[name] for name in files]


def _dataset(*names):
    return AnnotatedDataset(names, names, ["cat"], LabelMatrix.from_dense(np.zeros((len(names), 1))))


@pytest.mark.parametrize("kind", PLACES)
def test_every_image_is_found_and_decoded(lay_out, kind) -> None:
    place, names = lay_out(kind)
    require_place(place)
    assert find_missing_images(_dataset(*names), place) == []
    reds = [decode_image(image_file(image_source(place, name))).getpixel((0, 0))[0] for name in names]
    assert reds == [0, 40, 80]


@pytest.mark.parametrize("kind", PLACES)
def test_one_bad_image_never_stops_a_run(lay_out, kind, tmp_path) -> None:
    place, names = lay_out(kind)
    images = ImageTensors([image_source(place, name) for name in (*names, "gone.png")], 8, tmp_path / "pixels")
    problems = images.check(range(4))
    assert list(problems) == [3]
    assert "gone.png" in problems[3]
    assert images[1].float().mean(dim=(1, 2)).tolist() == [40, 50, 50]
    assert not images[3].any()


@pytest.mark.parametrize("kind", ["folder", "zip", "tar", "shards", "bucket"])
def test_what_is_missing_is_known_before_the_training(lay_out, kind) -> None:
    place, names = lay_out(kind)
    assert find_missing_images(_dataset("gone.png", *names, "sub/gone.png"), place) == ["gone.png", "sub/gone.png"]


def test_decoded_images_are_not_fetched_again(lay_out, site, tmp_path, own_cache) -> None:
    place, names = lay_out("https")
    sources = [image_source(place, name) for name in names]
    ImageTensors(sources, 8, tmp_path / "pixels").check(range(3))
    for path in own_cache.glob("??/*/*"):
        path.unlink()
    again = ImageTensors(sources, 8, tmp_path / "pixels")
    assert again[2].any()
    assert len(site.asked) == 3


def test_a_shard_far_away_is_fetched_once(lay_out, site) -> None:
    place, names = lay_out("https shards")
    for name in names:
        image_file(image_source(place, name))
    assert site.asked == ["/p/shards/0.zip", "/p/1.tar"]


def test_an_archive_that_was_written_again_is_read_again(lay_out, tmp_path, png) -> None:
    place, _ = lay_out("zip")
    image_file(image_source(place, "a.png"))
    with zipfile.ZipFile(place, "w") as archive:
        archive.writestr("a.png", png(200))
    assert decode_image(image_file(image_source(place, "a.png"))).getpixel((0, 0))[0] == 200


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # forking is what a DataLoader does
def test_a_loader_takes_them_from_anywhere(lay_out, workers) -> None:
    place, names = lay_out("https shards")
    images = ImageTensors([image_source(place, name) for name in names], 8)
    assert images[0].any() or workers == 0  # so that this process is connected before it forks
    loader = torch.utils.data.DataLoader(images, batch_size=3, num_workers=workers)
    assert next(iter(loader))[:, 0].float().mean(dim=(1, 2)).tolist() == [0, 40, 80]


def test_a_folder_that_is_called_as_an_archive_is_a_folder(tmp_path, png) -> None:
    (tmp_path / "a.zip").mkdir()
    (tmp_path / "a.zip" / "b.png").write_bytes(png(40))
    assert find_missing_images(_dataset("a.zip/b.png"), tmp_path) == []
    assert image_source(tmp_path, "a.zip/b.png") == tmp_path / "a.zip" / "b.png"


@pytest.mark.parametrize("place", ["nowhere", "labels.txt", "ftp://host/p"])
def test_what_is_no_place_is_refused(tmp_path, monkeypatch, place) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labels.txt").write_text("a.png,0")
    with pytest.raises(InputError, match=r"folder, a zip or a tar|zip file or an uncompressed tar|s3://"):
        require_place(place)


def test_a_name_that_leads_out_of_an_archive_leads_nowhere(lay_out) -> None:
    place, _ = lay_out("zip")
    with pytest.raises(ImageError, match="no file of that name"):
        image_file(image_source(place, "../../etc/hostname"))
