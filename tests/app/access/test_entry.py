"""Who may come in, decided before the server starts."""

import re
from pathlib import Path

import pytest
from starlette.requests import HTTPConnection

from labelmend_app.access.entry import Entry, entry_to
from labelmend_app.access.token import TOKEN_VARIABLE, TokenGate
from labelmend_core.errors import InputError


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "127.0.0.2", "labels.lab.example", ""])
def test_other_machines_come_in_by_token_or_log_in_only(host: str) -> None:
    with pytest.raises(InputError, match=r"Expected a token or a log-in for .* --token .*LABELMEND_TOKEN.*\[auth\]"):
        entry_to(host)
    assert entry_to(host, token=True).token


def test_this_machine_needs_nothing() -> None:
    assert entry_to("127.0.0.1") == Entry("127.0.0.1")
    assert entry_to("localhost").address(8501, "review") == "http://localhost:8501/review"


def test_a_made_token_is_long_and_printed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    first, second = entry_to("127.0.0.1", token=True), entry_to("127.0.0.1", token=True)
    assert first.token != second.token
    assert re.fullmatch(r"http://127\.0\.0\.1:8501/review\?token=[\w-]{43}", first.address(8501, "review"))
    assert "is not shown again" in first.sentence


def test_a_given_token_is_taken_out_of_the_environment_and_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "a" * 32)
    entry = entry_to("0.0.0.0")
    assert entry.token == "a" * 32
    assert "a" * 32 not in entry.address(8501, "review") + entry.sentence
    with pytest.raises(InputError, match="Expected a token or a log-in"):
        entry_to("0.0.0.0")


@pytest.mark.parametrize("text", ["", "short", "with a space in it, so", "é" * 20, "x" * 600])
def test_a_token_that_is_not_safe_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "token"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="Expected a token") as refused:
        entry_to("0.0.0.0", token_file=file)
    assert not text or text not in str(refused.value)


def test_the_browser_is_started_with_a_token_that_is_good_once() -> None:
    entry = entry_to("0.0.0.0", token=True)
    gate = entry.gate("name")
    assert isinstance(gate, TokenGate)
    address = entry.address_to_open(8501, "review", gate)
    assert address.startswith("http://127.0.0.1:8501/review?token=")
    assert entry.token is not None
    assert entry.token not in address
    query = address.partition("?")[2].encode()
    scope = {"type": "http", "method": "GET", "path": "/review", "headers": [], "query_string": query, "scheme": "http"}
    answers = [gate.refusal(HTTPConnection(scope)) for _ in range(2)]
    assert [answer.status_code for answer in answers if answer is not None] == [200, 401]
