"""Heat maps asked over the wire: what comes, what is kept, who is refused, and that decisions do not wait."""

import io
import itertools
import json
import threading
import time
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from PIL import Image

from labelmend_app.heat_maps.kept import NAME, KeptAnswers
from labelmend_app.review.api import workspace_key
from labelmend_core.system_processes import ended_within

# Of conftest.py, which pytest imports and nobody else can.
Server = Any
LookingServer = tuple[Any, str, str]


def _address(image: int, run: str, class_index: int = 0, what: str = "heat-map", **more: object) -> str:
    return f"/api/{what}/{image}?{urlencode({'run': run, 'class_index': class_index, **more})}"


_asked = itertools.count()


def _unasked(server: Server, run: str) -> str:
    """The address of a cell whose answer is not kept yet, also when a test is tried once more."""
    class_index, image = divmod(next(_asked), len(server.workspace.dataset.image_ids))
    return _address(image, run, 4 + class_index)


@pytest.mark.parametrize("which", [1, 2])
def test_a_heat_map_comes_as_numbers_and_is_kept(looking_server: LookingServer, which: int) -> None:
    server, run = looking_server[0], looking_server[which]
    assert server.get(f"/api/heat-map?run={run}").json == {"unavailable": None}
    found = server.get(_address(3, run, 2)).json
    assert (found["height"], found["width"], found["method"]) == (4, 4, "class activation")
    values = np.array(found["values"])
    assert values.shape == (16,)
    assert (values.min(), values.max()) == (0, 255)
    left, top, right, bottom = found["hottest"]
    row, column = divmod(int(values.argmax()), 4)
    assert left <= column / 4 < right
    assert top <= row / 4 < bottom
    assert found["seen"] == [0, 0, 1, 1]
    assert json.loads(KeptAnswers(server.workspace.folder).get(run, 3, 2)) == found  # type: ignore[arg-type]
    assert server.get(_address(3, run, 3)).json["values"] != found["values"]  # another class


def test_what_is_kept_is_not_made_again(looking_server: LookingServer) -> None:
    server, run, _ = looking_server
    kept = KeptAnswers(server.workspace.folder)
    kept.put(run, 7, 1, json.dumps({"hottest": [0, 0, 1, 1], "kept": True}))
    assert server.get(_address(7, run, 1)).json["kept"]


def test_a_close_up_is_a_square_around_the_hottest_box(looking_server: LookingServer) -> None:
    server, run, _ = looking_server
    found = {"height": 4, "width": 4, "values": [0] * 16, "hottest": [0.75, 0.75, 1, 1]}
    KeptAnswers(server.workspace.folder).put(run, 9, 0, json.dumps(found))
    answer = server.get(_address(9, run, what="close-up", side=160))
    assert (answer.status, answer.headers["Content-Type"]) == (200, "image/jpeg")
    shown = np.asarray(Image.open(io.BytesIO(answer.body)).convert("RGB"), dtype=float)
    original = np.asarray(Image.open(server.workspace.image_path(9)).convert("RGB"), dtype=float)
    assert original.shape == (32, 32, 3)
    assert shown.shape == (16, 16, 3)
    assert np.abs(shown - original[16:, 16:]).mean() < 12  # JPEG's loss


def test_only_an_address_that_names_the_workspace_may_be_kept_for_good(looking_server: LookingServer) -> None:
    server, run, _ = looking_server
    key = workspace_key(server.workspace)
    for what in ("heat-map", "close-up"):
        assert "immutable" in server.get(_address(3, run, what=what, workspace=key)).headers["Cache-Control"]
        assert server.get(_address(3, run, what=what)).headers["Cache-Control"] == "no-store"
        assert server.get(_address(3, run, what=what, workspace="0123456789abcdef")).status == 409


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/heat-map/3?class_index=0", 400),
        ("/api/heat-map/3?class_index=10&run=x", 400),
        ("/api/heat-map/3?class_index=-1&run=x", 400),
        ("/api/heat-map/3?class_index=0&run=no-such-run", 422),
        ("/api/heat-map/3?class_index=0&run=..%2f..%2f..%2fetc", 422),
        ("/api/heat-map/3?class_index=0&run=%2fetc%2fpasswd", 422),
        ("/api/heat-map/3?class_index=0&run=x%27;drop%20table%20made_1", 422),
        (f"/api/heat-map/3?class_index=0&run={'x' * 5000}", 400),
        ("/api/heat-map/100?class_index=0&run=x", 404),
        ("/api/heat-map?run=no-such-run", 422),
        ("/api/heat-map", 400),
        ("/api/close-up/3?class_index=0&run=x&side=161", 400),
    ],
)
def test_hostile_addresses_are_answered_with_a_sentence(looking_server: LookingServer, path: str, status: int) -> None:
    answer = looking_server[0].get(path)
    assert answer.status == status
    assert "Traceback" not in answer.sentence


@pytest.mark.parametrize("what", ["heat-map", "close-up"])
def test_no_address_leads_to_a_file(looking_server: LookingServer, what: str) -> None:
    answer = looking_server[0].get(f"/api/{what}/..%2f..%2fworkspace.db?class_index=0&run=x")
    assert 400 <= answer.status < 500
    assert b"SQLite" not in answer.body


def test_a_picture_that_cannot_be_read_is_one_sentence(looking_server: LookingServer) -> None:
    server, _, run = looking_server
    path = server.workspace.image_path(11)
    whole = path.read_bytes()
    try:
        path.write_text("no picture")
        answer = server.get(_address(11, run))
        assert answer.status == 422
        assert "the file is none" in answer.sentence
    finally:
        path.write_bytes(whole)
    assert server.get(_address(11, run)).status == 200  # what went wrong is not kept


def test_a_probe_on_another_image_than_it_was_trained_on_is_refused(looking_server: LookingServer) -> None:
    server, run, _ = looking_server
    path = server.workspace.image_path(12)
    whole = path.read_bytes()
    try:
        Image.new("RGB", (32, 32), "white").save(path)
        answer = server.get(_address(12, run))
        assert answer.status == 422
        assert "its features are others" in answer.sentence
    finally:
        path.write_bytes(whole)


def test_a_run_without_a_network_says_so(server: Server) -> None:
    run = server.workspace.queue.latest_run()
    assert "left no network" in server.get(f"/api/heat-map?run={run}").json["unavailable"]
    answer = server.get(_address(0, run))
    assert answer.status == 422
    assert "found none" in answer.sentence


def test_a_decision_does_not_wait_for_a_heat_map(looking_server: LookingServer, workers_of: Any) -> None:
    """The process that looks is stopped, so that no heat map can come until it may go on."""
    server, _, run = looking_server
    server.get(_unasked(server, run))
    (worker,) = workers_of(server.process.pid)
    answers: list[int] = []
    waiting = [
        threading.Thread(target=lambda cell=cell: answers.append(server.get(cell).status))
        for cell in [_unasked(server, run) for _ in range(8)]
    ]
    worker.suspend()
    try:
        for thread in waiting:
            thread.start()
        time.sleep(0.5)
        event = {"seq": 1, "image": 1, "class_index": 0, "verdict": "present", "decided_at": "2026-03-01T10:00:00Z"}
        assert server.decide(server.batch("client-heat", event)).json == {"acknowledged": 1}
        assert server.get("/api/thumbnail/30?side=160").status == 200
        assert answers == []
    finally:
        worker.resume()
    for thread in waiting:
        thread.join(600)
    assert answers == [200] * 8


def test_a_process_that_was_killed_is_started_again(looking_server: LookingServer, workers_of: Any) -> None:
    server, run, _ = looking_server
    server.get(_unasked(server, run))
    (worker,) = workers_of(server.process.pid)
    worker.kill()
    assert ended_within(worker, 60)
    assert server.get(_unasked(server, run)).status == 200


def test_the_process_ends_with_the_server_however_that_ends(
    looking_server: LookingServer, start_server: Any, workers_of: Any
) -> None:
    server, run, _ = looking_server
    process, host = start_server(server.workspace.folder, 0)
    other = type(server)(server.workspace, host, process)
    assert other.get(_unasked(server, run)).status == 200
    (worker,) = workers_of(other.process.pid)
    process.kill()
    assert ended_within(worker, 60)


def test_the_oldest_go_when_there_are_too_many(tmp_path: Any) -> None:
    kept = KeptAnswers(tmp_path, largest_bytes=100_000)
    for image in range(200):
        kept.put("run", image, 0, "x" * 2_000)
    assert kept.get("run", 0, 0) is None
    assert kept.get("run", 199, 0) == "x" * 2_000
    assert (tmp_path / NAME).stat().st_size < 150_000


@pytest.mark.parametrize("content", [b"no database at all, just text" * 100, b""])
def test_a_damaged_file_is_as_good_as_none(tmp_path: Any, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(content)
    kept = KeptAnswers(tmp_path)
    assert kept.get("run", 1, 2) is None
    kept.put("run", 1, 2, "lost")
    kept.put("run", 1, 2, "found")
    assert kept.get("run", 1, 2) == "found"
