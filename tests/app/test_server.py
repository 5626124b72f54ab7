"""The server as a whole: whom it answers, what a browser may load, how it starts and ends."""

import signal
from pathlib import Path
from typing import Any

import pytest

from labelmend_app.server import serve
from labelmend_core.errors import InputError

Server = Any  # of conftest.py, which pytest imports and nobody else can


@pytest.mark.parametrize("path", ["/review", "/api/queue?class_index=0&kind=missing", "/api/thumbnail/0?side=160"])
def test_a_foreign_host_name_is_refused(server: Server, path: str) -> None:
    assert server.get(path, Host="labels.evil.example").status == 400
    assert server.get(path).status == 200


def test_the_page_may_load_nothing_from_elsewhere_and_not_be_framed(server: Server) -> None:
    headers = server.get("/review").headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_the_browser_asks_again_for_modules_that_a_newer_version_may_bring(server: Server) -> None:
    answer = server.get("/review-grid/review_grid.js")
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-cache")
    assert "javascript" in answer.headers["Content-Type"]


def test_streamlit_is_told_to_lay_no_dialog_over_the_pictures(server: Server) -> None:
    answer = server.get("/_stcore/host-config", Accept_Encoding="gzip")
    assert answer.json["blockErrorDialogs"] is True


@pytest.mark.parametrize("wrong", [{"host": "0.0.0.0"}, {"host": "192.168.1.5"}, {"page": "../admin"}])
def test_only_this_machine_and_only_known_screens_are_served(tmp_path: Path, wrong: dict[str, str]) -> None:
    with pytest.raises(InputError, match=r"Expected (host|page) to be one of"):
        serve(tmp_path, open_browser=False, **wrong)  # type: ignore[arg-type]


def test_a_taken_port_is_passed_over_and_ctrl_c_ends_cleanly(server: Server, start_server: Any) -> None:
    taken = int(server.host.rpartition(":")[2])
    process, host = start_server(server.workspace.folder, taken)
    assert int(host.rpartition(":")[2]) > taken
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "Traceback" not in output
    assert "has stopped" in output
