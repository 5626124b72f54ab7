"""A log-in with a real OpenID provider: a small one, on this machine."""

import base64
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.cookiejar import CookieJar
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlencode, urlsplit
from urllib.request import HTTPCookieProcessor, ProxyHandler, build_opener

import pytest

from labelmend_app.access.login import Login

pytest.importorskip("authlib", reason="needs the packages of a log-in: pip install 'labelmend[login]'")
from joserfc import jwt
from joserfc.jwk import RSAKey

Server = Any  # of conftest.py above, which pytest imports and nobody else can
CLIENT, SECRET = "labelmend", "of the client"


@dataclass
class Provider:
    """Logs in whoever comes as `who`, without a question."""

    who: dict[str, Any] = field(default_factory=dict)
    url: str = ""
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "1"}))
    nonces: dict[str, str] = field(default_factory=dict)

    def answer(self, path: str, asked: dict[str, str]) -> dict[str, Any] | str:
        """A JSON answer, or where to go instead."""
        if path == "/authorize":
            code = str(len(self.nonces))
            self.nonces[code] = asked["nonce"]
            return asked["redirect_uri"] + "?" + urlencode({"code": code, "state": asked["state"]})
        if path == "/token":
            now = int(time.time())
            claims = {"iss": self.url, "aud": CLIENT, "sub": "1", "iat": now, "exp": now + 600, **self.who}
            claims["nonce"] = self.nonces[asked["code"]]
            signed = jwt.encode({"alg": "RS256", "kid": "1"}, claims, self.key)
            return {"access_token": "a", "token_type": "Bearer", "expires_in": 600, "id_token": signed}
        if path == "/keys":
            return {"keys": [self.key.as_dict(private=False)]}
        at = {name: f"{self.url}/{path}" for name, path in ENDPOINTS.items()}
        return {"issuer": self.url, "id_token_signing_alg_values_supported": ["RS256"], **at}


ENDPOINTS = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}


@pytest.fixture
def provider() -> Iterator[Provider]:
    made = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(urlsplit(self.path).query)

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["Content-Length"])).decode())

        def log_message(self, *_: object) -> None:
            pass

        def _answer(self, query: str) -> None:
            asked = {name: values[0] for name, values in parse_qs(query).items()}
            answer = made.answer(urlsplit(self.path).path, asked)
            self.send_response(302 if isinstance(answer, str) else 200)
            if isinstance(answer, str):
                self.send_header("Location", answer)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            if not isinstance(answer, str):
                self.wfile.write(json.dumps(answer).encode())

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        made.url = f"http://127.0.0.1:{httpd.server_port}"
        thread = threading.Thread(target=httpd.serve_forever, daemon=True)
        thread.start()
        yield made
        httpd.shutdown()
        thread.join()


@pytest.fixture
def with_login(server: Server, provider: Provider, start_server: Callable[..., Any], tmp_path: Path) -> Server:
    (tmp_path / ".streamlit").mkdir()
    for _ in range(5):  # somebody may take the port before the server does
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        (tmp_path / ".streamlit" / "secrets.toml").write_text(_secrets(port, provider))
        process, host = start_server(server.workspace.folder, port, "", tmp_path)
        if host == f"127.0.0.1:{port}":
            return type(server)(server.workspace, host, process)
    raise AssertionError("somebody took five ports")


def _secrets(port: int, provider: Provider) -> str:
    return f"""[labelmend]
allowed = ["ann@lab.example", "@team.example"]
[auth]
redirect_uri = "http://127.0.0.1:{port}/oauth2callback"
cookie_secret = "{"c" * 40}"
client_id = "{CLIENT}"
client_secret = "{SECRET}"
server_metadata_url = "{provider.url}/.well-known/openid-configuration"
"""


def test_only_whom_the_secrets_name_come_in_after_a_log_in(with_login: Server, provider: Provider) -> None:
    api = "/api/queue?reviewer=Ann&class_index=0&kind=missing"
    assert [with_login.get(path).status for path in ("/review", "/media/x", api, "/_stcore/host-config")] == [401] * 4
    assert not with_login.opens_websocket()
    assert with_login.get("/review", Host="x/auth/login").status == 401
    provider.who = {"email": "eve@elsewhere.example", "email_verified": True}
    assert _logged_in(with_login, api) == 401
    provider.who = {"email": "Ann@lab.example", "email_verified": False}
    assert _logged_in(with_login, api) == 401
    provider.who = {"email": "Ann@lab.example", "email_verified": True}
    assert _logged_in(with_login, api) == 200
    forged = base64.b64encode(json.dumps({"is_logged_in": True, "email": "ann@lab.example"}).encode()).decode()
    assert with_login.get(api, Cookie=f"_streamlit_user={forged}").status == 401


def _logged_in(server: Server, path: str) -> int:
    """The status of a route in a browser whose owner has pressed the button."""
    jar = CookieJar()
    browser = build_opener(ProxyHandler({}), HTTPCookieProcessor(jar))
    page = _ask(browser, f"http://{server.host}/review")[1]
    token = page.partition('name="provider" value="')[2].partition('"')[0]
    _ask(browser, f"http://{server.host}/auth/login?" + urlencode({"provider": token}))
    cookie = "; ".join(f"{one.name}={one.value}" for one in jar)
    status: int = server.get(path, Cookie=cookie).status
    assert server.opens_websocket(Cookie=cookie) is (status == 200)
    return status


def _ask(browser: Any, url: str) -> tuple[int, str]:
    try:
        with browser.open(url, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()


@pytest.mark.parametrize(
    ("user", "enters"),
    [
        ({"email": "ANN@lab.example"}, True),
        ({"email": "bob@team.example"}, True),
        ({"email": "bob@notteam.example"}, False),
        ({"email": "bob@team.example@evil.example"}, False),
        ({"email": "@team.example", "email_verified": "false"}, False),
        ({"email": "ann@lab.example", "email_verified": False}, False),
        ({"email": ""}, False),
        ({}, False),
    ],
)
def test_who_may_enter(user: dict[str, Any], enters: bool) -> None:
    assert Login(("default",), frozenset({"ann@lab.example", "@team.example"})).may_enter(user) is enters
