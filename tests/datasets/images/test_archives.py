"""Images in zip and tar files, honest and hostile ones."""

import io
import tarfile
import zipfile

import pytest

from labelmend_core.errors import ImageError
from labelmend_datasets.images import archives
from labelmend_datasets.images.archives import opened

ESCAPES = ["../up.png", "/abs.png", "a/../../up.png", "..\\up.png"]


def _zip(path, members, **options):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def _tar(path, members, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


@pytest.fixture(params=["a.zip", "a.tar"])
def pack(request, tmp_path):
    """Return a call that packs members into an archive of either kind."""
    write = _zip if request.param == "a.zip" else _tar
    return lambda members: write(tmp_path / request.param, members)


def test_members_come_out_byte_for_byte(pack, tmp_path, png) -> None:
    members = {"a.png": png(10), "train/b c.png": png(20), "ü/😀.png": png(30), "empty": b""}
    archive = opened(pack(members))
    assert archive.names == set(members)
    for name, data in members.items():
        archive.extract(name, tmp_path / "out")
        assert (tmp_path / "out").read_bytes() == data


def test_a_member_that_is_not_there_is_named(pack, tmp_path) -> None:
    with pytest.raises(ImageError, match=r"'b\.png'.*no file of that name"):
        opened(pack({"a.png": b"x"})).extract("b.png", tmp_path / "out")


@pytest.mark.parametrize("name", ESCAPES)
def test_a_path_that_leads_out_of_the_archive_is_no_member(pack, name) -> None:
    assert opened(pack({name: b"x", "a.png": b"y"})).names == {"a.png"}


def test_links_and_devices_are_no_members(tmp_path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for number, kind in enumerate((tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE)):
            info = tarfile.TarInfo(f"{number}.png")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    assert opened(tmp_path / "a.tar").names == frozenset()


def test_a_bomb_is_refused_by_its_size(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(archives, "MOST_IMAGE_BYTES", 1_000_000)
    bomb = _zip(tmp_path / "a.zip", {"a.png": bytes(2_000_000)})
    assert bomb.stat().st_size < 5000
    with pytest.raises(ImageError, match="at most 1,000,000 bytes"):
        opened(bomb).extract("a.png", tmp_path / "out")


def test_a_bomb_that_lies_about_its_size_ends_there(tmp_path) -> None:
    bomb = _zip(tmp_path / "a.zip", {"a.png": bytes(2_000_000)})
    real, said = (2_000_000).to_bytes(4, "little"), (1000).to_bytes(4, "little")
    bomb.write_bytes(bomb.read_bytes().replace(real, said))
    with pytest.raises(ImageError, match="damaged"):
        opened(bomb).extract("a.png", tmp_path / "out")
    assert (tmp_path / "out").stat().st_size <= 1000


def test_an_archive_that_was_cut_off_is_refused(pack, tmp_path) -> None:
    path = pack({f"{i}.png": bytes(range(256)) * 40 for i in range(4)})
    path.write_bytes(path.read_bytes()[:20_000] if path.suffix == ".tar" else path.read_bytes()[:300])
    with pytest.raises(ImageError, match="cannot be read"):
        opened(path)


def test_a_damaged_member_is_one_bad_image(tmp_path) -> None:
    path = _zip(tmp_path / "a.zip", {"a.png": b"a" * 5000, "b.png": b"b" * 5000})
    data = bytearray(path.read_bytes())
    data[37:45] = b"\xff" * 8
    path.write_bytes(data)
    with pytest.raises(ImageError, match="damaged"):
        opened(path).extract("a.png", tmp_path / "out")
    opened(path).extract("b.png", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"b" * 5000


@pytest.mark.parametrize("name", ["a.tar.gz", "a.tgz", "a.tar"])
def test_a_compressed_tar_is_refused_with_the_cure(tmp_path, name) -> None:
    with pytest.raises(ImageError, match="unpack it"):
        opened(_tar(tmp_path / name, {"a.png": b"x"}, "w:gz"))


@pytest.mark.parametrize("name", ["a.zip", "a.tar"])
def test_what_is_no_archive_is_refused(tmp_path, name) -> None:
    (tmp_path / name).write_text("<html>404</html>" * 100)
    with pytest.raises(ImageError, match="cannot be read"):
        opened(tmp_path / name)


def test_an_archive_that_changed_is_read_again(pack) -> None:
    assert opened(pack({"a.png": b"x"})).names == {"a.png"}
    assert opened(pack({"bb.png": b"xy" * 9000})).names == {"bb.png"}
