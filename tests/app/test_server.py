"""The real server on the loopback address: pictures, the queue, decisions, and who is kept out."""

import http.client
import io
import json
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from labelmend_app.api import MAX_BODY, workspace_key
from labelmend_app.messages import MAX_EVENTS
from labelmend_app.server import serve
from labelmend_core.errors import InputError
from labelmend_core.ledger import Status
from labelmend_core.types import AnnotatedDataset, LabelMatrix
from labelmend_core.workspace import DATABASE, Workspace

N_IMAGES = 12
BROKEN, ABSENT_FILE, ODD_NAME = 9, 10, 11
CLASS_NAMES = ("dog", "<img src=x onerror=alert(1)>")
LARGE = (900, 600)
SERVE = "import sys; from pathlib import Path; from labelmend_app.server import serve; serve(Path(sys.argv[1]), port={port}, open_browser=False)"  # noqa: E501


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def sentence(self) -> str:
        assert self.headers["Content-Type"] == "application/json"
        sentence: str = self.json["error"]
        assert re.fullmatch(r"[A-Z].*[.?]", sentence), sentence
        return sentence


@dataclass
class Server:
    workspace: Workspace
    host: str
    process: subprocess.Popen[str]

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        connection = http.client.HTTPConnection(self.host, timeout=60)
        with closing(connection):
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, **headers)

    def decide(self, message: Any, **headers: str) -> Answer:
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        sent = {"Content_Type": "application/json", "Origin": f"http://{self.host}", **headers}
        return self.ask("POST", "/api/decisions", body, **sent)

    def batch(self, client: str, *events: dict[str, Any], **changed: Any) -> dict[str, Any]:
        message = {"workspace": workspace_key(self.workspace), "client": client, "reviewer": "Anna", **changed}
        return {**message, "decisions": list(events)}

    def stored(self, client: str) -> list[tuple[int, int, int, str]]:
        decisions = self.workspace.ledger.decisions()
        return [(d.seq, d.image, d.class_index, d.verdict.value) for d in decisions if d.client == client]


def event(seq: int, image: int = 0, verdict: str = "present", **more: Any) -> dict[str, Any]:
    decided_at = "2026-03-01T10:00:00.123Z"
    return {"seq": seq, "image": image, "class_index": 0, "verdict": verdict, "decided_at": decided_at, **more}


def make_workspace(folder: Path) -> Workspace:
    images = folder / "images"
    images.mkdir(parents=True)
    names = [f"{i:02}.png" for i in range(N_IMAGES - 1)] + ["a b#%41?&é.png"]
    rng = np.random.default_rng(0)
    for i, name in enumerate(names):
        size = LARGE if i == 0 else (64, 48)
        Image.fromarray(rng.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)).save(images / name)
    (images / names[BROKEN]).write_text("<html>404</html> no picture")
    (images / names[ABSENT_FILE]).unlink()
    labels = LabelMatrix.from_cells([0], [1], [1], (N_IMAGES, len(CLASS_NAMES)))
    source = folder / "train.txt"
    source.write_text("".join(f"{name},{'1' if i == 0 else ''}\n" for i, name in enumerate(names)))
    dataset = AnnotatedDataset(names, names, CLASS_NAMES, labels)
    workspace = Workspace.create(folder / "workspace", dataset, format_name="list", image_folder=images, source=source)
    run_id = workspace.runs.start(mode="probe", loss="bce", labels="given", n_decisions=0, settings={})
    workspace.queue.save(run_id, suggestions())
    workspace.runs.finish(run_id, Status.DONE)
    return workspace


def suggestions() -> pd.DataFrame:
    rows = [
        {
            "image_index": i,
            "class_index": 0,
            "kind": "missing",
            "rank": i + 1,
            "label_quality": 0.1 + i / 100,
            "error_probability": 0.9 - i / 100,
            "low": 0.8,
            "high": 1.0,
            "reason": {"out_of_sample_p": 0.9, "flip_epoch": None},
        }
        for i in range(N_IMAGES)
    ]
    return pd.DataFrame(rows)


def start(folder: Path, port: int = 0) -> tuple[subprocess.Popen[str], str]:
    """Start a server and return it with host:port as it printed them, once it answers."""
    command = [sys.executable, "-c", SERVE.format(port=port), str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.search(r"http://\S+/review", line)
    assert found, line + process.stdout.read()
    host = urlsplit(found[0]).netloc
    connection = http.client.HTTPConnection(host, timeout=60)
    with closing(connection):
        connection.request("GET", "/_stcore/health")  # waits in the socket's backlog until the app is up
        assert connection.getresponse().status == 200
    return process, host


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    workspace = make_workspace(tmp_path_factory.mktemp("served"))
    process, host = start(workspace.folder)
    yield Server(workspace, host, process)
    process.kill()
    process.communicate()
    workspace.close()


def test_a_thumbnail_is_a_small_copy_of_the_picture(server: Server) -> None:
    answer = server.get("/api/thumbnail/0?side=320")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "image/jpeg")
    thumbnail = Image.open(io.BytesIO(answer.body)).convert("RGB")
    assert thumbnail.size == (320, 213)
    original = Image.open(server.workspace.image_path(0)).resize(thumbnail.size, Image.Resampling.BOX)
    assert abs(np.asarray(thumbnail, dtype=float).mean() - np.asarray(original, dtype=float).mean()) < 2


def test_a_thumbnail_is_kept_in_the_workspace(server: Server) -> None:
    server.get("/api/thumbnail/1?side=160")
    assert (server.workspace.folder / "thumbnails" / "160" / "1.jpg").is_file()


def test_only_an_address_that_names_the_workspace_may_be_kept_for_good(server: Server) -> None:
    key = workspace_key(server.workspace)
    assert "immutable" in server.get(f"/api/thumbnail/2?side=160&workspace={key}").headers["Cache-Control"]
    assert server.get("/api/thumbnail/2?side=160").headers["Cache-Control"] == "no-store"
    other = server.get("/api/thumbnail/2?side=160&workspace=0123456789abcdef")
    assert other.status == 409
    assert "another workspace" in other.sentence


def test_a_file_name_of_any_characters_is_served(server: Server) -> None:
    assert server.get(f"/api/thumbnail/{ODD_NAME}?side=160").status == 200


@pytest.mark.parametrize(("image", "reason"), [(BROKEN, "the file is none"), (ABSENT_FILE, "no file is there")])
@pytest.mark.parametrize("route", ["/api/thumbnail/{}?side=320", "/api/image/{}"])
def test_a_picture_that_cannot_be_shown_says_why_in_a_picture(
    server: Server, image: int, reason: str, route: str
) -> None:
    answer = server.get(route.format(image))
    assert (answer.status, answer.headers["Content-Type"]) == (404, "image/svg+xml")
    assert answer.headers["Cache-Control"] == "no-store"  # it may be mended
    assert reason in re.sub(r"</tspan><tspan[^>]*>", " ", answer.body.decode())
    assert "<html>" not in answer.body.decode()  # the file's own first bytes are quoted as text


def test_the_large_image_is_encoded_anew(server: Server) -> None:
    answer = server.get("/api/image/0")
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert Image.open(io.BytesIO(answer.body)).size == LARGE
    assert answer.body != server.workspace.image_path(0).read_bytes()


@pytest.mark.parametrize(
    "path",
    [
        "/api/thumbnail/12?side=320",
        "/api/thumbnail/99999999999999999999999?side=320",
        "/api/thumbnail/-1?side=320",
        "/api/thumbnail/0?side=321",
        "/api/thumbnail/0?side=320e9",
        "/api/thumbnail/..%2f..%2f..%2fetc%2fpasswd?side=320",
        "/api/thumbnail/%2e%2e/%2e%2e/workspace.db",
        "/api/image/../../workspace.db",
        "/api/image/0/../../labelmend.toml",
        "/api/workspace.db",
        "/review-grid/../__init__.py",
        "/review-grid/%2e%2e/_component.py",
        "/review-grid/..%2f_component.py",
    ],
)
def test_hostile_addresses_are_refused(server: Server, path: str) -> None:
    answer = server.get(path)
    assert 400 <= answer.status < 500
    assert b"root:" not in answer.body
    assert b"import" not in answer.body


def test_the_queue_gives_open_suggestions_page_by_page(server: Server) -> None:
    first = server.get("/api/queue?class_index=0&kind=missing&limit=5").json
    assert first["suggested"] == N_IMAGES
    ranks = [item["rank"] for item in first["items"]]
    rest = server.get(f"/api/queue?class_index=0&kind=missing&after_rank={ranks[-1]}&limit=500").json
    assert ranks + [item["rank"] for item in rest["items"]] == sorted(range(1, N_IMAGES + 1))
    item = first["items"][0]
    assert (item["image"], item["image_id"], item["given_labels"]) == (0, "00.png", [CLASS_NAMES[1]])
    assert item["reason"] == {"out_of_sample_p": 0.9, "flip_epoch": None}
    assert server.get("/api/queue?class_index=0&kind=spurious").json["items"] == []


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("class_index=2&kind=missing", "0…1"),
        ("class_index=-1&kind=missing", "class_index"),
        ("class_index=٣&kind=missing", "class_index"),
        ("kind=missing", "class_index"),
        ("class_index=0&kind=%27;drop table decisions", "missing, spurious"),
        ("class_index=0&kind=missing&limit=0", "limit"),
        ("class_index=0&kind=missing&limit=99999999", "limit"),
        ("class_index=0&kind=missing&after_rank=1e3", "after_rank"),
    ],
)
def test_a_wrong_question_is_answered_with_what_was_expected(server: Server, query: str, said: str) -> None:
    answer = server.get(f"/api/queue?{query.replace(' ', '%20').replace('٣', '%D9%A3')}")
    assert answer.status == 400
    assert said in answer.sentence


def test_a_log_that_is_sent_twice_is_stored_once(server: Server) -> None:
    client = "client-twice"
    first = server.batch(client, event(1, image=1), event(2, image=2, verdict="absent"))
    assert server.decide(first).json == {"acknowledged": 2}
    more = [*first["decisions"], event(3, image=1, verdict="undo", undoes={"client": client, "seq": 1})]
    assert server.decide({**first, "decisions": more}).json == {"acknowledged": 3}
    assert server.stored(client) == [(1, 1, 0, "present"), (2, 2, 0, "absent"), (3, 1, 0, "undo")]
    answer = server.get("/api/queue?class_index=0&kind=missing&limit=500").json
    assert {1, 2} & {item["image"] for item in answer["items"]} == {1}


def test_an_answer_comes_only_after_the_commit(server: Server) -> None:
    """While another process holds the database's write lock, nothing can be committed, so nothing may be said."""
    client = "client-locked"
    answers: list[Answer] = []
    with closing(sqlite3.connect(server.workspace.folder / DATABASE, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        sending = threading.Thread(
            target=lambda: answers.append(server.decide(server.batch(client, event(1, image=3))))
        )
        sending.start()
        sending.join(timeout=1)
        assert sending.is_alive()
        assert not answers
        other.execute("COMMIT")
    sending.join(timeout=30)
    assert answers[0].json == {"acknowledged": 1}
    assert server.stored(client) == [(1, 3, 0, "present")]


def test_a_suggestion_that_is_gone_does_not_lose_the_decision_on_its_cell(server: Server) -> None:
    batch = server.batch("client-stale", event(1, image=4, suggestion_id=987_654))
    assert server.decide(batch).json == {"acknowledged": 1}
    assert server.stored("client-stale") == [(1, 4, 0, "present")]


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "", "http://127.0.0.1", "file://"])
def test_another_origin_may_not_decide(server: Server, origin: str) -> None:
    answer = server.decide(server.batch("client-evil", event(1)), Origin=origin)
    assert answer.status == 403
    assert "origin" in answer.sentence
    assert server.stored("client-evil") == []


@pytest.mark.parametrize("path", ["/review", "/api/queue?class_index=0&kind=missing", "/api/thumbnail/0?side=160"])
def test_a_foreign_host_name_is_refused(server: Server, path: str) -> None:
    assert server.get(path, Host="labels.evil.example").status == 400
    assert server.get(path).status == 200


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_a_form_of_another_site_cannot_pass_for_decisions(server: Server, content_type: str) -> None:
    answer = server.decide(server.batch("client-form", event(1)), Content_Type=content_type)
    assert answer.status == 415
    assert "application/json" in answer.sentence


def broken(change: dict[str, Any], *events: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    return change, list(events or [event(1)])


@pytest.mark.parametrize(
    ("changed", "events"),
    [
        broken({}, {**event(1), "seq": 0}),
        broken({}, {**event(1), "seq": "1"}),
        broken({}, {**event(1), "seq": 2**63}),
        broken({}, {**event(1), "image": -1}),
        broken({}, {**event(1), "image": 2**40}),
        broken({}, {**event(1), "image": 1.5}),
        broken({}, {**event(1), "verdict": "maybe"}),
        broken({}, {**event(1), "verdict": "undo"}),
        broken({}, {**event(1), "undoes": {"client": "client-bad", "seq": 1}}),
        broken({}, {**event(1), "decided_at": "yesterday"}),
        broken({}, {**event(1), "decided_at": "2026-03-01T10:00:00"}),
        broken({}, {**event(1), "admin": True}),
        broken({"client": "x"}),
        broken({"client": "'; DROP TABLE decisions; --"}),
        broken({"reviewer": ""}),
        broken({"reviewer": "   "}),
        broken({"reviewer": "a\x00b"}),
        broken({"reviewer": "a" * 101}),
        broken({"decisions": []}),
    ],
)
def test_a_malformed_decision_is_refused_with_its_place(
    server: Server, changed: dict[str, Any], events: list[dict[str, Any]]
) -> None:
    answer = server.decide({**server.batch("client-bad", *events), **changed})
    assert answer.status == 400
    named = next(iter(changed), None) or next(
        name for name in events[0] if name not in event(1) or events[0][name] != event(1)[name]
    )
    assert named in answer.sentence or "undo" in answer.sentence
    assert server.stored("client-bad") == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"client": NaN}', b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_json_message_is_refused(server: Server, body: bytes) -> None:
    answer = server.decide(body)
    assert answer.status == 400
    assert "review page" in answer.sentence


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (event(2, image=N_IMAGES), "unknown cell"),
        (event(2, image=0, verdict="undo", undoes={"client": "nobody-knows", "seq": 7}), "never saved"),
    ],
)
def test_one_wrong_decision_stores_none_of_its_batch(server: Server, wrong: dict[str, Any], said: str) -> None:
    answer = server.decide(server.batch("client-mixed", event(1, image=5), wrong))
    assert answer.status == 422
    assert said in answer.sentence
    assert server.stored("client-mixed") == []


def test_decisions_made_on_another_workspace_are_refused(server: Server) -> None:
    answer = server.decide(server.batch("client-other", event(1), workspace="0123456789abcdef"))
    assert answer.status == 409
    assert "another workspace" in answer.sentence
    assert server.stored("client-other") == []


def test_too_much_at_once_is_refused(server: Server) -> None:
    assert server.decide(b" " * (MAX_BODY + 1)).status == 413
    many = [event(seq) for seq in range(1, MAX_EVENTS + 2)]
    assert server.decide(server.batch("client-many", *many)).status in (400, 413)
    assert server.stored("client-many") == []


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


def test_a_taken_port_is_passed_over_and_ctrl_c_ends_cleanly(server: Server) -> None:
    taken = int(server.host.rpartition(":")[2])
    process, host = start(server.workspace.folder, port=taken)
    try:
        assert int(host.rpartition(":")[2]) > taken
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=20)
        assert process.returncode == 0
        assert "Traceback" not in output
        assert "has stopped" in output
    finally:
        process.kill()
        process.communicate()
