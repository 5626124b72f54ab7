"""The routes of the review grid, asked over the wire: pictures, the queue, decisions, and who is kept out."""

import io
import re
import sqlite3
import threading
from contextlib import closing
from typing import Any

import numpy as np
import pytest
from PIL import Image

from labelmend_app.review.api import workspace_key
from labelmend_app.review.messages import MAX_EVENTS
from labelmend_app.review.queue import FIRST_AUDIT_ID
from labelmend_app.review.requests import MAX_BODY
from labelmend_core.workspace import DATABASE

# Of conftest.py, which pytest imports and nobody else can.
Server = Answer = Any
N_IMAGES = 12
BROKEN, ABSENT_FILE, ODD_NAME = 9, 10, 11
CLASS_NAMES = ("dog", "<img src=x onerror=alert(1)>")
LARGE = (900, 600)


def event(seq: int, image: int = 0, verdict: str = "present", **more: Any) -> dict[str, Any]:
    decided_at = "2026-03-01T10:00:00.123Z"
    return {"seq": seq, "image": image, "class_index": 0, "verdict": verdict, "decided_at": decided_at, **more}


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


def test_the_queue_gives_open_suggestions_page_by_page(untouched_server: Server) -> None:
    first = untouched_server.get("/api/queue?reviewer=Ann&class_index=0&kind=missing&limit=5").json
    assert first["suggested"] == N_IMAGES
    ranks = [item["rank"] for item in first["items"]]
    rest = untouched_server.get(
        f"/api/queue?reviewer=Ann&class_index=0&kind=missing&after_rank={ranks[-1]}&limit=500"
    ).json
    assert ranks + [item["rank"] for item in rest["items"]] == sorted(range(1, N_IMAGES + 1))
    item = first["items"][0]
    assert (item["image"], item["image_id"], item["given_labels"]) == (0, "00.png", [CLASS_NAMES[1]])
    assert item["reason"] == {"out_of_sample_p": 0.9, "flip_epoch": None}
    assert untouched_server.get("/api/queue?reviewer=Ann&class_index=0&kind=spurious").json["items"] == []


def test_a_picked_queue_ends_where_it_was_cut(untouched_server: Server) -> None:
    run_id = untouched_server.workspace.queue.latest_run()
    mine = f"/api/queue?reviewer=Ann&class_index=0&kind=missing&next=4&since=0&run={run_id}"
    page = untouched_server.get(f"{mine}&limit=3").json
    assert (page["suggested"], page["open"], page["last_rank"]) == (4, 4, 4)
    rest = untouched_server.get(f"{mine}&limit=3&after_rank={page['items'][-1]['rank']}").json
    assert [item["rank"] for item in [*page["items"], *rest["items"]]] == [1, 2, 3, 4]
    again = untouched_server.get(f"{mine}&limit=3&after_rank=3&last_rank=4").json
    assert [item["rank"] for item in again["items"]] == [4]
    assert untouched_server.get(f"{mine.replace('class_index=0', 'class_index=1')}").json["items"] == []

    likely = untouched_server.get("/api/queue?reviewer=Ann&class_index=0&kind=missing&likely=85").json
    assert len(likely["items"]) == likely["suggested"] > 0
    assert likely["last_rank"] is None
    assert all(item["error_probability"] >= 0.85 - 1e-9 for item in likely["items"])


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("class_index=0&kind=missing&last_rank=-1", "last_rank"),
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
    answer = server.get(f"/api/queue?reviewer=Ann&{query.replace(' ', '%20').replace('٣', '%D9%A3')}")
    assert answer.status == 400
    assert said in answer.sentence


def test_a_log_that_is_sent_twice_is_stored_once(untouched_server: Server) -> None:
    client = "client-twice"
    first = untouched_server.batch(client, event(1, image=1), event(2, image=2, verdict="absent"))
    assert untouched_server.decide(first).json == {"acknowledged": 2}
    more = [*first["decisions"], event(3, image=1, verdict="undo", undoes={"client": client, "seq": 1})]
    assert untouched_server.decide({**first, "decisions": more}).json == {"acknowledged": 3}
    assert untouched_server.stored(client) == [(1, 1, 0, "present"), (2, 2, 0, "absent"), (3, 1, 0, "undo")]
    answer = untouched_server.get("/api/queue?reviewer=Anna&class_index=0&kind=missing&limit=500").json
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
    sending.join(timeout=600)
    assert answers[0].json == {"acknowledged": 1}
    assert server.stored(client) == [(1, 3, 0, "present")]


def test_a_suggestion_that_is_gone_does_not_lose_the_decision_on_its_cell(server: Server) -> None:
    batch = server.batch("client-stale", event(1, image=4, suggestion_id=987_654))
    assert server.decide(batch).json == {"acknowledged": 1}
    assert server.stored("client-stale") == [(1, 4, 0, "present")]


def test_a_decision_on_a_cell_of_the_audit_sample_answers_no_suggestion(server: Server) -> None:
    batch = server.batch("client-audit", event(1, image=6, suggestion_id=FIRST_AUDIT_ID + 3))
    assert server.decide(batch).json == {"acknowledged": 1}
    (decision,) = [d for d in server.workspace.ledger.decisions() if d.client == "client-audit"]
    assert (decision.image, decision.suggestion_id) == (6, None)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "", "http://127.0.0.1", "file://"])
def test_another_origin_may_not_decide(server: Server, origin: str) -> None:
    answer = server.decide(server.batch("client-evil", event(1)), Origin=origin)
    assert answer.status == 403
    assert "another site" in answer.sentence
    assert server.stored("client-evil") == []


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
        broken({"reviewer": "a" * 81}),
        broken({"reviewer": "a\u2028b"}),
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


def test_two_reviewers_of_one_queue_get_different_pages(untouched_server: Server) -> None:
    def images(reviewer: str, after_rank: int = 0) -> list[int]:
        asked = f"/api/queue?class_index=0&kind=missing&limit=3&reviewer={reviewer}&after_rank={after_rank}"
        return [item["image"] for item in untouched_server.get(asked).json["items"]]

    ann, zoe = images("Ann"), images("Zo%C3%AB")
    assert len({*ann, *zoe}) == 6
    assert images("Ann") == ann
    assert images("Zo%C3%AB") == zoe
    assert untouched_server.get(f"/api/queue?reviewer=Ann&class_index=0&kind=missing&reviewer={'w' * 81}").status == 422


@pytest.mark.parametrize("path", ["/api/queue?class_index=0&kind=missing", "/api/images"])
def test_whoever_asks_for_pages_says_who_they_are(server, path):
    answer = server.get(path)
    assert answer.status == 400
    assert "Expected reviewer" in answer.json["error"]
