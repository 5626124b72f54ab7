"""A token that is demanded of everybody: whence it comes, and the gate that asks for it."""

import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode

from starlette.datastructures import QueryParams
from starlette.requests import HTTPConnection
from starlette.responses import Response

from labelmend_app.access.entrance import entrance, onward
from labelmend_app.access.gate import refused
from labelmend_core.errors import InputError

TOKEN_VARIABLE: Final = "LABELMEND_TOKEN"
PARAMETER: Final = "token"
SHORTEST = 16
_LONGEST = 512


def made_token() -> str:
    """Return a token that nobody can guess: 32 random bytes as 43 letters, digits, `-` and `_`."""
    return secrets.token_urlsafe(32)


def given_token(file: Path | None) -> str | None:
    """Return the token that a person gave in a file or in `LABELMEND_TOKEN`, None if in neither.

    The variable is taken out of the environment, so that the jobs that the server starts do not inherit it.

    Raises:
        InputError: the file cannot be read, or the token is too short to be safe or no plain text.
    """
    from_variable = os.environ.pop(TOKEN_VARIABLE, None)
    if file is None:
        return None if from_variable is None else _checked(from_variable, TOKEN_VARIABLE)
    try:
        text = file.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"Expected a token in {file}, could not read one: {error}.") from error
    return _checked(text, str(file))


def _checked(text: str, source: str) -> str:
    token = text.strip()
    if not SHORTEST <= len(token) <= _LONGEST or not (token.isascii() and token.isprintable()) or " " in token:
        raise InputError(
            f"Expected a token of {SHORTEST} to {_LONGEST} ASCII characters without spaces in {source}, got "
            f"{len(token)} characters; `openssl rand -hex 32` makes one."
        )
    return token


class TokenGate:
    """Lets in who brings the token: once in the address, then as a cookie; programs as `Authorization: Bearer`.

    The cookie holds a keyed hash of the token, which is good for this server and no way back to the token. It is
    neither sent with what other sites ask (SameSite=Strict) nor readable by scripts (HttpOnly).

    Args:
        token: that is demanded.
        name: tells this server's cookie from those of others on the same host, whose cookies a port does not part.
    """

    def __init__(self, token: str, name: str) -> None:
        self._token = token.encode()
        self._cookie = f"labelmend-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
        self._pass = hmac.digest(self._token, b"labelmend cookie", "sha256").hex()
        self._once: str | None = None

    def once(self) -> str:
        """Return a token that lets in one browser, once: others see what a browser is started with."""
        self._once = made_token()
        return self._once

    def refusal(self, connection: HTTPConnection) -> Response | None:
        """Return what to answer instead of the app, None when the request may pass."""
        if _same(connection.cookies.get(self._cookie, ""), self._pass):
            return None
        scheme, _, bearer = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._is_token(bearer.strip()):
            return None
        if connection.scope["type"] == "http" and connection.scope["method"] == "GET":
            return self._ask(connection)
        return refused(401, "Expected the token of this labelmend; open the address that it printed.", as_json=True)

    def _ask(self, connection: HTTPConnection) -> Response:
        """Take the token out of the address into a cookie, or ask for it."""
        path, query = connection.scope["path"], connection.query_params
        offered = query.get(PARAMETER)
        if offered is not None and (self._is_token(offered) or self._is_once(offered)):
            return self._let_in(connection, _without_token(path, query))
        if path.startswith("/api/"):
            sentence = "Expected the token of this labelmend; open the address that it printed."
            return refused(401, sentence, as_json=True, headers={"WWW-Authenticate": "Bearer"})
        return entrance(
            "Token",
            "This labelmend asks for the token that stands in the address which `labelmend review` printed.",
            path=quote(path),
            kept=[(name, value) for name, value in query.multi_items() if name != PARAMETER],
            refused="" if offered is None else "This is not the token of this labelmend.",
        )

    def _let_in(self, connection: HTTPConnection, target: str) -> Response:
        answer = onward(target)
        secure = connection.scope["scheme"] == "https"
        answer.set_cookie(self._cookie, self._pass, httponly=True, samesite="strict", secure=secure)
        return answer

    def _is_token(self, offered: str) -> bool:
        return hmac.compare_digest(offered.encode(), self._token)

    def _is_once(self, offered: str) -> bool:
        fits = self._once is not None and _same(offered, self._once)
        if fits:
            self._once = None
        return fits


def _same(offered: str, expected: str) -> bool:
    return hmac.compare_digest(offered.encode(), expected.encode())


def _without_token(path: str, query: QueryParams) -> str:
    rest = urlencode([(name, value) for name, value in query.multi_items() if name != PARAMETER])
    return f"{quote(path)}?{rest}" if rest else quote(path)
