"""No address makes the server hand out a file outside the workspace, nor its database."""

import shutil
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Thread
from typing import Any

from labelmend_app.benchmarks.web import hostile_targets, leaked, set_trap

Server = Any  # of conftest.py above, which pytest imports and nobody else can


def test_none_of_a_thousand_hostile_addresses_leaks_a_file(
    server: Server, start_server: Callable[..., Any], tmp_path: Path
) -> None:
    workspace = tmp_path / "workspace"
    shutil.copytree(server.workspace.folder, workspace)
    trap = set_trap(workspace)
    targets = hostile_targets(workspace, trap, 1_000)
    assert len(set(targets)) == 1_000
    _, host = start_server(workspace, 0)
    assert leaked(int(host.rpartition(":")[2]), targets) == []
    assert trap.canary.read_bytes().startswith(b"canary")  # a link was not written through either


def test_what_would_leak_is_noticed(tmp_path: Path) -> None:
    trap = set_trap(tmp_path / "workspace")
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:

        def answer_once() -> None:
            connection, _ = listening.accept()
            with closing(connection):
                connection.recv(1 << 16)
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + trap.canary.read_bytes())

        thread = Thread(target=answer_once)
        thread.start()
        found = leaked(listening.getsockname()[1], [b"/canary.txt"])
        thread.join()
    assert found == [b"/canary.txt"]
