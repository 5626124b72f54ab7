"""A server that demands a token: nothing passes without, and all of it passes with."""

import signal
from collections.abc import Callable
from typing import Any

import pytest

Guarded = Any  # of conftest.py, which pytest imports and nobody else can

PAGES = ("/", "/review", "/static/nothing.js", "/review-grid/review_grid.js", "/media/x.html", "/_stcore/host-config")
ROUTES = (
    "/api/thumbnail/0?side=160",
    "/api/image/0",
    "/api/queue?class_index=0&kind=missing",
    "/api/images",
    "/api/why/1?class_index=0&kind=missing&run=r",
    "/api/guidelines/0",
    "/api/heat-map?run=r",
    "/api/close-up/0?run=r&class_index=0",
    "/api/nothing",
)
WRONG = ({}, {"Cookie": "labelmend-000000000000=abc"}, {"Authorization": "Bearer wrong"}, {"Authorization": "é"})


def test_without_the_token_no_route_answers_and_with_it_every_one_does(guarded: Guarded) -> None:
    server, bearer = guarded.server, {"Authorization": f"Bearer {guarded.token}"}
    for path in (*PAGES, *ROUTES):
        assert {server.get(path, **wrong).status for wrong in WRONG} == {401}, path
        assert server.get(path, **bearer).status != 401, path
    for path in ROUTES:
        assert "token" in server.get(path).json["error"], path
    assert server.ask("HEAD", "/review").status == 401
    assert not server.opens_websocket()
    assert not server.opens_websocket(Cookie="labelmend-000000000000=abc")
    assert server.opens_websocket(**bearer)
    event = {"seq": 1, "image": 0, "class_index": 0, "verdict": "present", "decided_at": "2026-03-01T10:00:00Z"}
    assert server.decide(server.batch("guarded-client", event)).status == 401
    assert server.stored("guarded-client") == []
    assert server.decide(server.batch("guarded-client", event), **bearer).status == 200
    assert server.decide(server.batch("guarded-client", event), Origin="http://evil.example", **bearer).status == 403


def test_the_token_in_the_address_becomes_a_cookie_that_only_our_pages_send(guarded: Guarded) -> None:
    answer = guarded.server.get(f"/review?class=1&token={guarded.token}&kind=%22%3E%3Cb%3E")
    assert answer.status == 200
    text = answer.body.decode()
    assert 'content="0;url=/review?class=1&amp;kind=%22%3E%3Cb%3E"' in text
    assert guarded.token not in text
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert guarded.token not in cookie
    assert (answer.headers["Referrer-Policy"], answer.headers["Cache-Control"]) == ("no-referrer", "no-store")
    kept = {"Cookie": cookie.partition(";")[0]}
    assert guarded.server.get("/review", **kept).status == 200
    assert guarded.server.get(ROUTES[0], **kept).headers["Content-Type"] == "image/jpeg"
    assert guarded.server.opens_websocket(**kept)


@pytest.mark.parametrize("path", ["//evil.example/", "/\\evil.example", "/%2F%2Fevil.example"])
def test_the_way_on_stays_on_this_server(guarded: Guarded, path: str) -> None:
    text = guarded.server.get(f"{path}?token={guarded.token}").body.decode()
    target = text.partition("url=")[2].partition('"')[0]
    assert target.startswith("/")
    assert not target.startswith(("//", "/\\"))


def test_a_wrong_token_is_refused_in_a_page_where_all_is_text(guarded: Guarded) -> None:
    answer = guarded.server.get("/review?token=wrong&x=%22%3E%3Cscript%3Ealert(1)%3C/script%3E")
    assert answer.status == 401
    text = answer.body.decode()
    assert "This is not the token" in text
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "Set-Cookie" not in answer.headers


def test_other_names_of_the_machine_are_taken_behind_a_token(guarded: Guarded) -> None:
    bearer = {"Authorization": f"Bearer {guarded.token}"}
    assert guarded.server.get("/review", Host="labels.lab.example", **bearer).status == 200
    assert guarded.server.get("/review", Host="labels.lab.example").status == 401


def test_the_token_is_never_said(start_guarded: Callable[[], Guarded]) -> None:
    guarded = start_guarded()
    guarded.server.get(f"/review?token={guarded.token}")
    guarded.server.get(f"/api/nothing?token={guarded.token}")
    guarded.process.send_signal(signal.SIGINT)
    output, _ = guarded.process.communicate(timeout=60)
    assert guarded.token not in output
    assert "has stopped" in output
