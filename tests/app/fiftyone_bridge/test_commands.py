"""`labelmend fiftyone` as it is typed; that its processes share a database is seen in tests/browser."""

import json
from typing import Any

import psutil
import pytest

from labelmend_app.cli import app
from labelmend_app.fiftyone_bridge import beside


@pytest.fixture
def labelmend(fiftyone_database, workspace, tmp_path, monkeypatch, capsys):
    """Run a command in this process and return its line of JSON."""
    monkeypatch.setenv("FIFTYONE_PLUGINS_DIR", str(tmp_path / "plugins"))

    def run(*arguments: str) -> dict[str, Any]:
        app(["fiftyone", *arguments, "--json"], standalone_mode=False)
        found: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
        return found

    return run


def test_push_and_pull_tell_what_they_did(labelmend, workspace, decide) -> None:
    place = ("--workspace", str(workspace.folder))
    pushed = labelmend("push", *place)
    assert (pushed["images"], pushed["suggestions"], pushed["waiting"]) == (6, 5, 0)
    decide(pushed["dataset"], 0, status="accepted")
    pulled = labelmend("pull", "--reviewer", "Ann", *place)
    assert (pulled["sent"], pulled["kept"], pulled["conflicts"]) == (1, 1, [])


def test_the_plugin_is_put_where_fiftyone_looks_and_taken_away(labelmend, tmp_path) -> None:
    assert labelmend("plugin") == {"folder": str(tmp_path / "plugins" / "labelmend"), "installed": True}
    assert (tmp_path / "plugins" / "labelmend" / "fiftyone.yml").is_file()
    assert not labelmend("plugin", "--remove")["installed"]
    assert not list((tmp_path / "plugins").iterdir())


def test_progress_is_noted_for_the_screens_and_handed_on(workspace) -> None:
    from labelmend_app.jobs import jobs

    told = []
    show = beside.noting(workspace, lambda *values: told.append(values))
    show("images to FiftyOne", 2, 6)
    assert told == [("images to FiftyOne", 2, 6)]
    progress = jobs.progress(beside.folder_of(workspace))
    assert progress is not None
    assert progress.share == pytest.approx(1 / 3)
    assert beside.address(workspace) is None


def test_an_open_app_is_found_after_the_clock_was_set(workspace, monkeypatch) -> None:
    beside.folder_of(workspace).mkdir()
    beside.note_address(workspace, "http://127.0.0.1:5151")
    created, booted = psutil.Process().create_time(), psutil.boot_time()
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: created + 3600)
    monkeypatch.setattr(psutil, "boot_time", lambda: booted + 3600)
    assert beside.address(workspace) == "http://127.0.0.1:5151"


@pytest.mark.parametrize("note", ["[]", "{", '{"pid": "1", "process_started": 0, "address": ""}', '{"pid": 1}'])
def test_a_damaged_note_of_the_app_is_no_app(workspace, note) -> None:
    beside.folder_of(workspace).mkdir()
    (beside.folder_of(workspace) / "app.json").write_text(note, encoding="utf-8")
    assert beside.address(workspace) is None
