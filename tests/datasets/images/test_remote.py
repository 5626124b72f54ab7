"""Images behind an address: from a real server on loopback, and how little it is trusted."""

import multiprocessing
import pickle
import sys

import fsspec
import pytest

from labelmend_core.errors import ImageError, InputError
from labelmend_datasets.images import remote
from labelmend_datasets.images.remote import RemoteFolder


@pytest.fixture
def impatient(monkeypatch):
    """Time limits that a test can wait for."""
    monkeypatch.setattr(remote, "SILENT_SECONDS", 0.3)
    monkeypatch.setattr(remote, "IMAGE_SECONDS", 0.3)
    monkeypatch.setattr(remote, "_LEAST_SPEED", 1e12)


def test_a_file_comes_byte_for_byte(site, tmp_path, png) -> None:
    site.files["/photos/sub/a.png"] = png(10)
    RemoteFolder(f"{site.address}/photos/").fetch("sub/a.png", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == png(10)
    assert site.asked == ["/photos/sub/a.png"]


def test_odd_names_are_asked_for_as_they_are(site, tmp_path) -> None:
    site.files["/p/a%20b%23%3F%25%C3%A9.png"] = b"x"
    RemoteFolder(f"{site.address}/p").fetch("a b#?%é.png", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"x"


def test_the_query_of_an_address_goes_with_each_file(site, tmp_path) -> None:
    site.files["/p/a.png"] = b"x"
    RemoteFolder(f"{site.address}/p?key=1%2F2").fetch("a.png", tmp_path / "out")
    assert site.asked == ["/p/a.png?key=1%2F2"]


def test_what_is_not_there_is_named(site, tmp_path) -> None:
    with pytest.raises(ImageError, match=r"/p/a\.png, but there is none"):
        RemoteFolder(f"{site.address}/p").fetch("a.png", tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "why"), [("redirect", "file:///"), ("round", "Redirects"), ("short", ""), ("broken", "500")]
)
def test_a_bad_answer_is_one_bad_image(site, tmp_path, name, why) -> None:
    site.files["/bad/good.png"] = b"x"
    folder = RemoteFolder(f"{site.address}/bad")
    with pytest.raises(ImageError, match=f"Expected to fetch .*/bad/{name}.*{why}"):
        folder.fetch(name, tmp_path / "out")
    folder.fetch("good.png", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"x"


def test_a_file_without_end_is_cut_off(site, tmp_path) -> None:
    with pytest.raises(ImageError, match="at most 1,000,000 bytes"):
        RemoteFolder(f"{site.address}/bad").fetch("endless", tmp_path / "out", most=1_000_000)
    assert (tmp_path / "out").stat().st_size <= 1_000_000


@pytest.mark.parametrize("name", ["silent", "trickle"])
def test_a_server_that_hangs_is_left(site, tmp_path, impatient, name) -> None:
    with pytest.raises(ImageError, match="took too long"):
        RemoteFolder(f"{site.address}/bad").fetch(name, tmp_path / "out")


def test_a_server_that_is_gone_is_not_asked_for_every_image(site, tmp_path) -> None:
    folder = RemoteFolder(f"{site.address}/bad")
    for _ in range(remote._FAILURES):
        with pytest.raises(ImageError, match="500"):
            folder.fetch("broken", tmp_path / "out")
    asked = len(site.asked)
    with pytest.raises(ImageError, match="did not answer the last"):
        folder.fetch("good.png", tmp_path / "out")
    assert len(site.asked) == asked


def test_nobody_there_is_said(tmp_path) -> None:
    with pytest.raises(ImageError, match="Is the address right"):
        RemoteFolder("http://127.0.0.1:9/p").fetch("a.png", tmp_path / "out")


@pytest.mark.parametrize("address", ["file:///etc", "ftp://host/p", "local:///etc", "zip://a.zip", "javascript://x"])
def test_other_kinds_of_address_are_refused(address) -> None:
    with pytest.raises(InputError, match="s3://, gs://"):
        RemoteFolder(address)


def test_an_address_with_a_password_is_refused_without_repeating_it() -> None:
    with pytest.raises(InputError, match="without user and password") as refused:
        RemoteFolder("https://me:secret@host/p")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(("address", "package"), [("s3://b/p", "s3fs"), ("gs://b/p", "gcsfs")])
def test_what_is_not_installed_is_said_with_the_command(monkeypatch, address, package) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=f"pip install {package}"):
        RemoteFolder(address)


@pytest.fixture
def bucket():
    """A bucket of fsspec's own, which is listed and read as one of s3 is."""
    files = fsspec.filesystem("memory")
    files.pipe({"/bucket/p/a.png": b"x", "/bucket/p/sub/b.png": b"y"})
    yield "memory://bucket/p"
    files.rm("/bucket", recursive=True)


def test_a_bucket_is_listed_and_read(bucket, tmp_path) -> None:
    folder = RemoteFolder(bucket)
    assert folder.names() == {"a.png", "sub/b.png"}
    folder.fetch("sub/b.png", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"y"
    with pytest.raises(ImageError, match="there is none"):
        folder.fetch("c.png", tmp_path / "out")


def _fetch(folder, path) -> bytes:
    folder.fetch("a.png", path)
    return path.read_bytes()


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # forking is what a DataLoader does
def test_a_worker_process_connects_anew(site, tmp_path) -> None:
    site.files["/p/a.png"] = b"x"
    folder = RemoteFolder(f"{site.address}/p")
    assert _fetch(pickle.loads(pickle.dumps(folder)), tmp_path / "here") == b"x"  # noqa: S301
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply_async(_fetch, (folder, tmp_path / "there")).get(timeout=600) == b"x"
