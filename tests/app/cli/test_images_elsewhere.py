"""The loop on images that lie in a zip file or behind an address."""

import functools
import shutil
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from PIL import Image

from labelmend_core.workspace import Workspace
from labelmend_datasets.images import file_cache, image_file, thumbnail, workspace_image


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv(file_cache.FOLDER, str(tmp_path / "fetched"))
    file_cache.shared_cache.cache_clear()
    yield
    file_cache.shared_cache.cache_clear()


@pytest.fixture(params=["zip", "http"])
def place(request, scenes, tmp_path):
    """All scenes; behind an address, the third is a text."""
    photos = tmp_path / "photos"
    shutil.copytree(scenes.images, photos)
    if request.param == "zip":
        yield shutil.make_archive(str(tmp_path / "all"), "zip", photos)
        return
    (photos / "00002.png").write_text("<html>404</html>")
    handler = functools.partial(_Quiet, directory=str(photos))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_the_loop_runs_and_one_bad_image_does_not_stop_it(labelmend, scenes, place) -> None:
    done = labelmend("import", scenes.labels, "--images", place, "--classes", scenes.classes, "--json")
    assert done.code == 0, done.err
    trained = labelmend("train", "--epochs", "1", "--folds", "2", "--companion", "none", "--json")
    assert trained.code == 0, trained.err
    assert trained.json["unreadable_images"] == int(place.startswith("http"))
    assert labelmend("suggest", "--min-probability", "0").code == 0
    measured = labelmend(
        "evaluate", "--labels", scenes.labels, "--images", place, "--classes", scenes.classes, "--json"
    )
    assert measured.json["trained_on"] == 80
    workspace = Workspace.open(labelmend.workspace)
    small = thumbnail(image_file(workspace_image(workspace, 0)), 8, labelmend.folder / "t.jpg")
    workspace.close()
    with Image.open(small) as image:
        assert max(image.size) == 8


def test_images_that_are_not_in_the_zip_file_are_named(labelmend, scenes, tmp_path) -> None:
    (tmp_path / "few").mkdir()
    shutil.copyfile(scenes.images / "00000.png", tmp_path / "few" / "00000.png")
    archive = shutil.make_archive(str(tmp_path / "few"), "zip", tmp_path / "few")
    done = labelmend("import", scenes.labels, "--images", archive, "--classes", scenes.classes)
    assert done.code == 2
    assert "79 are missing: 00001.png" in done.err


def test_what_has_to_be_installed_is_said(labelmend, scenes) -> None:
    done = labelmend("import", scenes.labels, "--images", "gs://bucket/photos", "--classes", scenes.classes)
    assert done.code == 2
    assert "pip install gcsfs" in done.err
