"""The server as a whole: whom it answers, what a browser may load, how it starts and ends."""

import errno
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from labelmend_app.server import serve
from labelmend_core.errors import InputError

Server = Any  # of conftest.py, which pytest imports and nobody else can


@pytest.mark.parametrize(
    "path", ["/review", "/api/queue?reviewer=Ann&class_index=0&kind=missing", "/api/thumbnail/0?side=160"]
)
def test_a_foreign_host_name_is_refused(server: Server, path: str) -> None:
    assert server.get(path, Host="labels.evil.example").status == 400
    assert server.get(path).status == 200


def test_the_page_may_load_nothing_from_elsewhere_and_not_be_framed(server: Server) -> None:
    headers = server.get("/review").headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_the_browser_asks_again_for_modules_that_a_newer_version_may_bring(server: Server) -> None:
    answer = server.get("/review-grid/review_grid.js")
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-cache")
    assert "javascript" in answer.headers["Content-Type"]


def test_streamlit_is_told_to_lay_no_dialog_over_the_pictures(server: Server) -> None:
    answer = server.get("/_stcore/host-config", Accept_Encoding="gzip")
    assert answer.json["blockErrorDialogs"] is True


def test_only_known_screens_are_served(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Expected page to be one of"):
        serve(tmp_path, open_browser=False, page="../admin")


def test_a_host_that_is_not_of_this_machine_is_named(server: Server) -> None:
    with pytest.raises(InputError, match=r"Expected host to be an IPv4 address of this machine, got '203.0.113.9'"):
        serve(server.workspace.folder, open_browser=False, host="203.0.113.9", token=True)


def test_a_port_that_needs_more_rights_is_named_and_no_other_is_tried(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    class Refused(socket.socket):
        def bind(self, address: tuple[str, int]) -> None:  # as the system does to an ordinary user
            tried.append(address[1])
            raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(socket, "socket", Refused)
    with pytest.raises(InputError, match=r"the system refuses 80 on 127\.0\.0\.1; .*--port"):
        serve(server.workspace.folder, open_browser=False, port=80)
    assert tried == [80]


OTHERS = [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec_Fetch_Site": "cross-site"}]
OTHERS += [{"Origin": "http://127.0.0.1:1"}, {"Sec_Fetch_Site": "same-site"}]  # another program of this machine


@pytest.mark.parametrize("other", OTHERS)
def test_another_sites_page_can_neither_write_nor_read_nor_open_the_websocket(
    server: Server, other: dict[str, str]
) -> None:
    event = {"seq": 1, "image": 0, "class_index": 0, "verdict": "present", "decided_at": "2026-03-01T10:00:00Z"}
    assert server.decide(server.batch("other-site", event), **other).status == 403
    assert server.stored("other-site") == []
    assert server.ask("PUT", "/_stcore/upload_file/a/b", b"", **other).status == 403
    assert server.get("/api/queue?class_index=0&kind=missing", **other).status == 403
    assert server.get("/api/thumbnail/0?side=160", **other).status == 403
    assert not server.opens_websocket(**other)
    assert server.get("/review", **other).status == 200  # a link from elsewhere is followed


def test_our_own_page_opens_the_websocket(server: Server) -> None:
    assert server.opens_websocket(Origin=f"http://{server.host}", Sec_Fetch_Site="same-origin")
    assert not server.opens_websocket(Host="labels.evil.example", Origin="http://labels.evil.example")


def test_a_taken_port_is_passed_over_and_ctrl_c_ends_cleanly(server: Server, start_server: Any) -> None:
    taken = int(server.host.rpartition(":")[2])
    process, host = start_server(server.workspace.folder, taken)
    assert int(host.rpartition(":")[2]) > taken
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Traceback" not in output
    assert "has stopped" in output
