"""What stands before every route: who is let in, from which page, and what an answer forbids the browser.

It is made of ASGI middleware, so that Streamlit's pages, their files and their websocket pass it like our own routes.
"""

from collections.abc import Mapping
from typing import Protocol
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from labelmend_app.access.policy import content_security_policy
from labelmend_app.review.requests import NEVER

_READING = ("GET", "HEAD", "OPTIONS")

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Gate(Protocol):
    """Decides about each request before anything else of the server sees it."""

    def refusal(self, connection: HTTPConnection) -> Response | None:
        """Return what to answer instead of the app, None when the request may pass."""


class Guard:
    """Lets through what the gate lets through; a websocket that it does not is closed before it is open."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app, self._gate = app, gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask the gate, then the app or the refusal."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        refusal = self._gate.refusal(HTTPConnection(scope))
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await _refuse(refusal, scope, receive, send)


class OwnPagesOnly:
    """Refuses what another site's page asks of us: to write, to open the websocket, to read `/api/`.

    A browser says which page asks, in Origin, in Sec-Fetch-Site or in both; programs say neither and are let through,
    since they do not carry somebody's cookies. The routes that write demand an Origin besides.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask the app, unless another site's page asks."""
        if scope["type"] == "lifespan" or not _matters(scope) or _is_own(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        sentence = "Expected a request from labelmend's own page, got one from another site."
        await _refuse(refused(403, sentence, as_json=True), scope, receive, send)


class SecurityHeaders:
    """Adds the security headers to every answer that does not set its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._headers = {**_HEADERS, "Content-Security-Policy": content_security_policy()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask the app and add to its answer."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def refused(status: int, sentence: str, *, as_json: bool, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer of one sentence, for our own modules as JSON."""
    headers = {**NEVER, **(headers or {})}
    if as_json:
        return JSONResponse({"error": sentence}, status_code=status, headers=headers)
    return PlainTextResponse(sentence, status_code=status, headers=headers)


def _matters(scope: Scope) -> bool:
    return scope["type"] == "websocket" or scope["method"] not in _READING or scope["path"].startswith("/api/")


def _is_own(headers: Headers) -> bool:
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != headers.get("host", ""):
        return False
    return headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")


async def _refuse(refusal: Response, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
    else:
        await refusal(scope, receive, send)
