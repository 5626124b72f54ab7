"""Which database FiftyOne talks to, and what is said when there is none."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from labelmend_app.fiftyone_bridge import mongod
from labelmend_app.fiftyone_bridge.connection import URI_VARIABLE, connect
from labelmend_app.fiftyone_bridge.mongod import Mongod
from labelmend_core.errors import WorkspaceError


def answers(address: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(address.rsplit(":", 1)[1]))) == 0


def test_the_first_starts_the_server_and_the_last_ends_it(tmp_path: Path, fiftyone_database) -> None:
    code = (
        "import sys; from pathlib import Path; from labelmend_app.fiftyone_bridge.mongod import Mongod\n"
        "server = Mongod(Path(sys.argv[1])); print(server.join(), flush=True); sys.stdin.read(); server.leave()"
    )
    folder, pipe = tmp_path / "mongo", subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code, str(folder)], stdin=pipe, stdout=pipe, text=True) as first:
        assert first.stdout is not None
        address, second = first.stdout.readline().strip(), Mongod(folder)
        assert second.join() == address
        first.communicate("")
    assert answers(address)
    second.leave()
    assert not answers(address)
    assert not (folder / "server.json").exists()


def test_without_mongod_and_without_an_address_it_says_so_at_once(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delenv(URI_VARIABLE, raising=False)
    monkeypatch.setenv("FIFTYONE_CONFIG_PATH", str(tmp_path / "none.json"))
    monkeypatch.setattr(mongod.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr("labelmend_app.fiftyone_bridge.connection._connected", {})
    with pytest.raises(WorkspaceError, match=r"neither a mongod .* nor FIFTYONE_DATABASE_URI"):
        connect(tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_address_that_does_not_answer_is_named_without_its_password(tmp_path: Path) -> None:
    # In a process of its own: fiftyone must not have been imported, and is not.
    code = (
        "import sys; from pathlib import Path; from labelmend_app.fiftyone_bridge.connection import connect\n"
        "from labelmend_core.errors import WorkspaceError\n"
        "try: connect(Path())\n"
        "except WorkspaceError as error: print(error)\n"
        "assert 'fiftyone' not in sys.modules\n"
    )
    uri = "mongodb://ann:secret@127.0.0.1:9/?authSource=admin"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, URI_VARIABLE: uri}, capture_output=True, text=True
    )
    assert "mongodb://127.0.0.1:9/" in done.stdout, done.stderr
    assert "secret" not in done.stdout + done.stderr
