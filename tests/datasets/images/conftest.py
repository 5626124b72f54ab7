"""A cache of its own for each test, pictures, and a server that behaves as badly as it is asked to."""

import io
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image

from labelmend_datasets.images import file_cache
from labelmend_datasets.images.places import _remote

ENDLESS = 64 * 1024


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of an empty cache that only this test has."""
    folder = tmp_path / "fetched"
    monkeypatch.setenv(file_cache.FOLDER, str(folder))
    file_cache.shared_cache.cache_clear()
    _remote.cache_clear()
    yield folder
    file_cache.shared_cache.cache_clear()
    _remote.cache_clear()


@pytest.fixture(scope="session")
def png() -> Callable[[int], bytes]:
    """Return a call that gives the bytes of a small picture, of a red that tells it from the others."""

    def of(red: int) -> bytes:
        data = io.BytesIO()
        Image.new("RGB", (16, 12), (red, 50, 50)).save(data, "PNG")
        return data.getvalue()

    return of


@dataclass
class Site:
    """A server on loopback; `files` are what it has, `asked` what it was asked for."""

    address: str
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    site: Site
    stop: threading.Event

    def do_GET(self) -> None:
        self.site.asked.append(self.path)
        path = self.path.partition("?")[0]
        behave = getattr(self, f"_{path.rpartition('/')[2].removesuffix('.png')}", None)
        if path.startswith("/bad/") and behave is not None:
            behave()
        elif path in self.site.files:
            self._send(self.site.files[path])
        else:
            self.send_error(404)

    def _send(self, data: bytes, length: int | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(data) if length is None else length))
        self.end_headers()
        self.wfile.write(data)

    def _redirect(self) -> None:
        self.send_response(302)
        self.send_header("Location", "file:///etc/hostname")
        self.end_headers()

    def _round(self) -> None:
        self.send_response(302)
        self.send_header("Location", self.path)
        self.end_headers()

    def _short(self) -> None:
        self._send(b"\x89PNG", 1000)

    def _broken(self) -> None:
        self.send_error(500)

    def _endless(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(10**15))
        self.end_headers()
        while not self.stop.is_set():
            self.wfile.write(bytes(ENDLESS))

    def _silent(self) -> None:
        self.stop.wait(30)

    def _trickle(self) -> None:
        self.send_response(200)
        self.end_headers()
        while not self.stop.is_set():
            self.wfile.write(b".")
            self.wfile.flush()
            time.sleep(0.02)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what the tests are about."""


@pytest.fixture
def site() -> Iterator[Site]:
    stop = threading.Event()
    handler = type("Handler", (_Handler,), {"stop": stop})
    with _Server(("127.0.0.1", 0), handler) as server:
        handler.site = Site(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield handler.site
        stop.set()
        server.shutdown()
        thread.join()
