"""The local server: Streamlit's screens, the review grid's own routes, one address on this machine only."""

import contextlib
import json
import os
import socket
import threading
import webbrowser
from pathlib import Path

import streamlit as st
import uvicorn
from rich.console import Console
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from labelmend_app.api import ReviewApi
from labelmend_app.components.review_grid import FRONTEND, FRONTEND_URL
from labelmend_app.screens.main import SCREENS
from labelmend_core.errors import InputError
from labelmend_core.workspace import Workspace

WORKSPACE_VARIABLE = "LABELMEND_WORKSPACE"
SCRIPT = Path(__file__).parent / "screens" / "main.py"
_PORTS_TRIED = 50
_LOOPBACK = ("127.0.0.1", "localhost")

# Streamlit's own bundle needs inline styles, blob modules and (for its charts) eval; nothing may be loaded from or
# sent to another machine, and no other site may frame the app.
_SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self' 'unsafe-inline' 'unsafe-eval' blob: data:; "
        "connect-src 'self' ws://127.0.0.1:* ws://localhost:* blob: data:; object-src 'none'; "
        "base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def serve(
    workspace: Path,
    *,
    page: str = "review",
    host: str = "127.0.0.1",
    port: int = 8501,
    open_browser: bool = True,
) -> None:
    """Serve one workspace to this machine's browser until Ctrl-C.

    Args:
        workspace: its folder.
        page: screen to open: overview, train, review, loss_lab, runs or export.
        host: a loopback address; anybody who reaches the server can read the images and decide.
        port: where to listen; the next free port is taken when it is in use.
        open_browser: open the page in the default browser.

    Raises:
        WorkspaceError: there is no usable workspace in the folder.
        InputError: `host` is not this machine alone, there is no such page, or no port is free.
    """
    if page not in SCREENS:
        raise InputError(f"Expected page to be one of {', '.join(SCREENS)}, got {page!r}.")
    if host not in _LOOPBACK:
        raise InputError(f"Expected host to be one of {', '.join(_LOOPBACK)}, got {host!r}; labelmend has no log-in.")
    opened = Workspace.open(workspace)
    listening = _listen(host, port)
    try:
        url = f"http://{host}:{listening.getsockname()[1]}/{page}"
        os.environ[WORKSPACE_VARIABLE] = str(opened.folder.resolve())
        Console().print(f"labelmend is at [bold]{url}[/bold] (Ctrl-C ends it)", highlight=False, soft_wrap=True)
        if open_browser:  # it waits in the socket's backlog until the app is up
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
        _run(build_app(opened), listening)
    finally:
        listening.close()
        opened.close()


def build_app(workspace: Workspace) -> st.App:
    """Return the ASGI app of one workspace; its script reads which one from `LABELMEND_WORKSPACE`."""
    return st.App(
        SCRIPT,
        routes=[*ReviewApi(workspace).routes(), Mount(FRONTEND_URL, StaticFiles(directory=FRONTEND))],
        middleware=[
            # A name that only resolves to this machine (DNS rebinding) must not reach the workspace.
            Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"], www_redirect=False),
            Middleware(_SecurityHeaders),
            Middleware(_NoErrorDialogs),
        ],
    )


class _SecurityHeaders:
    """Adds the security headers to every answer that does not set its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                if scope["path"].startswith(FRONTEND_URL):
                    headers["Cache-Control"] = "no-cache"  # a newer labelmend brings newer modules
            await send(message)

        await self._app(scope, receive, send_with_headers)


class _NoErrorDialogs:
    """Tells Streamlit's page not to lay a dialog over the screen when the server is away.

    It would take the keys from a reviewer, whose answers the browser keeps until the server is back. The notice of
    `labelmend_app.components.connection` says what has happened instead.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") != "/_stcore/host-config":
            await self._app(scope, receive, send)
            return

        async def send_changed(message: Message) -> None:
            if message["type"] == "http.response.body":
                message["body"] = json.dumps({**json.loads(message["body"]), "blockErrorDialogs": True}).encode()
            else:
                del MutableHeaders(scope=message)["content-length"]
            await send(message)

        headers = MutableHeaders(scope=scope)
        headers["Accept-Encoding"] = "identity"
        await self._app(scope, receive, send_changed)


def _listen(host: str, port: int) -> socket.socket:
    """Return a listening socket on the first free port from `port` on."""
    last = port if port == 0 else min(port + _PORTS_TRIED, 65535)
    for candidate in range(port, last + 1):
        listening = socket.socket()
        if os.name != "nt":  # there it would let two servers share one port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, candidate))
            listening.listen(128)
        except OSError:
            listening.close()
            continue
        return listening
    raise InputError(f"Expected a free port in {port}…{last} on {host}, found none; choose another with --port.")


def _run(app: st.App, listening: socket.socket) -> None:
    config = uvicorn.Config(
        app, lifespan="on", ws="websockets-sansio", access_log=False, log_config=None, timeout_graceful_shutdown=2
    )
    # uvicorn has shut down when it hands the Ctrl-C on, and does not hand it on where SIGINT was ignored before (a
    # background job of a shell script).
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening])
    Console().print("labelmend has stopped; every acknowledged decision is saved.")
