"""The server: Streamlit's screens and the review grid's own routes at one address, on this machine unless asked."""

import contextlib
import errno
import json
import os
import socket
import threading
import webbrowser
from collections.abc import Iterator
from pathlib import Path

import streamlit as st
import uvicorn
from rich.console import Console
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from labelmend_app.access.entry import entry_to
from labelmend_app.access.gate import Gate, Guard, OwnPagesOnly, SecurityHeaders
from labelmend_app.components.review_grid import FRONTEND, FRONTEND_URL
from labelmend_app.evidence.api import EvidenceApi
from labelmend_app.guidelines.api import GuidelinesApi
from labelmend_app.heat_maps.api import HeatMapApi
from labelmend_app.heat_maps.heat_maps import HeatMaps
from labelmend_app.jobs.job_queue import keep_going
from labelmend_app.review.api import ReviewApi, workspace_key
from labelmend_app.review.standing_api import StandingApi
from labelmend_app.screens.main import SCREENS
from labelmend_app.served import read_ahead, serve_from, serve_no_longer
from labelmend_core.errors import InputError
from labelmend_core.workspace import Workspace

WORKSPACE_VARIABLE = "LABELMEND_WORKSPACE"
SCRIPT = Path(__file__).parent / "screens" / "main.py"
_PORTS_TRIED = 50


def serve(
    workspace: Path,
    *,
    page: str = "review",
    host: str = "127.0.0.1",
    port: int = 8501,
    open_browser: bool = True,
    token: bool = False,
    token_file: Path | None = None,
) -> None:
    """Serve one workspace until Ctrl-C: to this machine's browser or, behind a token or a log-in, to others.

    Args:
        workspace: its folder.
        page: screen to open: overview, train, review, explore, conflicts, decisions, loss_lab, runs or export.
        host: where to listen; beyond the loopback addresses a token or a log-in is demanded.
        port: where to listen; the next free port is taken when it is in use.
        open_browser: open the page in the default browser.
        token: demand a token; one that is given in `LABELMEND_TOKEN` or a file is demanded anyway.
        token_file: holds the token.

    Raises:
        WorkspaceError: there is no usable workspace in the folder.
        InputError: other machines would reach the server without a token or log-in, there is no such page or address,
            no port is free, or listening there needs more rights.
    """
    if page not in SCREENS:
        raise InputError(f"Expected page to be one of {', '.join(SCREENS)}, got {page!r}.")
    st.App(SCRIPT)  # the first one says where options lie, which are read for good when somebody asks for a secret
    entry = entry_to(host, token=token, token_file=token_file)
    opened = Workspace.open(workspace)
    listening = _listen(host, port)
    try:
        port = listening.getsockname()[1]
        gate = entry.gate(name=f"{workspace_key(opened)} {port}")
        os.environ[WORKSPACE_VARIABLE] = str(opened.folder.resolve())
        said = f"labelmend is at [bold]{entry.address(port, page)}[/bold] (Ctrl-C ends it)"
        Console().print(said, highlight=False, soft_wrap=True)
        if entry.sentence:
            Console().print(entry.sentence, highlight=False, soft_wrap=True, markup=False)
        if open_browser:  # it waits in the socket's backlog until the app is up
            opening = entry.address_to_open(port, page, gate)
            threading.Thread(target=webbrowser.open, args=(opening,), daemon=True).start()
        serve_from(opened)
        with contextlib.closing(HeatMaps(opened)) as heat_maps, _beside(opened):
            _run(build_app(opened, heat_maps, gate), listening)
    finally:
        listening.close()
        serve_no_longer(opened)
        opened.close()


@contextlib.contextmanager
def _beside(workspace: Workspace) -> Iterator[None]:
    """While the block lasts, start the jobs that wait, one after another; at its beginning, read ahead."""
    ended = threading.Event()
    threads = [
        threading.Thread(target=keep_going, args=(workspace, ended), name="waiting-jobs", daemon=True),
        threading.Thread(target=read_ahead, args=(workspace,), name="read-ahead", daemon=True),
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def build_app(workspace: Workspace, heat_maps: HeatMaps, gate: Gate) -> st.App:
    """Return the ASGI app of one workspace behind a gate; its script reads which one from `LABELMEND_WORKSPACE`."""
    review = ReviewApi(workspace)
    return st.App(
        SCRIPT,
        routes=[
            *HeatMapApi(workspace, review, heat_maps).routes(),
            *EvidenceApi(workspace).routes(),
            *GuidelinesApi(workspace).routes(),
            *StandingApi(workspace).routes(),
            *review.routes(),
            Mount(FRONTEND_URL, StaticFiles(directory=FRONTEND)),
        ],
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(OwnPagesOnly),
            Middleware(Guard, gate=gate),
            Middleware(_NewModules),
            Middleware(_NoErrorDialogs),
        ],
    )


class _NewModules:
    """Has the browser ask again for the review grid's modules: a newer labelmend brings newer ones."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_uncached(message: Message) -> None:
            if message["type"] == "http.response.start" and scope["path"].startswith(FRONTEND_URL):
                MutableHeaders(scope=message)["Cache-Control"] = "no-cache"
            await send(message)

        await self._app(scope, receive, send_uncached)


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
        except OSError as error:
            listening.close()
            if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
                raise InputError(f"Expected host to be an IPv4 address of this machine, got {host!r}.") from error
            if error.errno == errno.EACCES and os.name != "nt":  # there a port in use may be refused like this
                raise InputError(
                    f"Expected a port that may be listened on, but the system refuses {candidate} on {host}; ports "
                    "below 1024 often need more rights: choose another with --port."
                ) from error
            continue
        return listening
    raise InputError(f"Expected a free port in {port}…{last} on {host}, found none; choose another with --port.")


def _run(app: st.App, listening: socket.socket) -> None:
    config = uvicorn.Config(
        app,
        lifespan="on",
        ws="websockets-sansio",
        access_log=False,
        log_config=None,
        log_level="error",
        timeout_graceful_shutdown=2,
    )
    # uvicorn has shut down when it hands the Ctrl-C on, and does not hand it on where SIGINT was ignored before (a
    # background job of a shell script).
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening])
    Console().print("labelmend has stopped; every acknowledged decision is saved.")
