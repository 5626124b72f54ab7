"""The FiftyOne App on the mirror of a workspace, for as long as somebody wants it."""

import http.client
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, ModuleType
from typing import Any
from urllib.parse import quote

import psutil

from labelmend_app.fiftyone_bridge import layout
from labelmend_app.fiftyone_bridge.beside import ADDRESS, is_free, note_address
from labelmend_app.fiftyone_bridge.connection import connect
from labelmend_core.errors import InputError, WorkspaceError
from labelmend_core.system_processes import end
from labelmend_core.workspace import Workspace

PANEL = "labelmend_progress"  # of the plugin
_LAYOUT = "labelmend"
_SECONDS_TO_START, _SECONDS_TO_END, _LOOK_SECONDS = 120.0, 10.0, 0.2


def serve(workspace: Workspace, *, port: int, ready: Callable[[str], None], panel: bool = False) -> None:
    """Serve the App on this machine until Ctrl-C or SIGTERM.

    Args:
        workspace: that was pushed.
        port: to listen on.
        ready: called with the address once the App answers.
        panel: whether the plugin's panel lies beside the grid; it must be installed.

    Raises:
        WorkspaceError: there is no database for FiftyOne, or the App does not start.
        InputError: nothing was pushed yet, or the port is taken.
    """
    _require_free(port)
    fiftyone = connect(workspace.folder)
    dataset = layout.existing(fiftyone, workspace)
    before = set(psutil.Process().children(recursive=True))
    ended = threading.Event()
    previous = {number: signal.signal(number, _setting(ended)) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        # Without a session of Python's: it connects ten seconds late, and resets the view that somebody has chosen.
        service = fiftyone.core.service.ServerService(port, address=ADDRESS, do_not_track=True)
        _wait_for_answer(port)
        address = f"http://{ADDRESS}:{port}/datasets/{quote(dataset.name)}"
        if panel:
            dataset.save_workspace(_LAYOUT, _beside_grid(fiftyone), overwrite=True)
            address += f"?workspace={_LAYOUT}"
        note_address(workspace, address)
        ready(address)
        while not ended.wait(1) and service.child.poll() is None:
            pass
    finally:
        # It would outlive its service for a while, and keep the port.
        end(set(psutil.Process().children(recursive=True)) - before, _SECONDS_TO_END)
        for number, handler in previous.items():
            signal.signal(number, handler)


def _beside_grid(fiftyone: ModuleType) -> Any:
    """Return the grid with the plugin's panel beside it."""

    def alone(of: Any) -> Any:
        return fiftyone.Space(children=[of], active_child=of.component_id)

    grid, panel = fiftyone.Panel(type="Samples", pinned=True), fiftyone.Panel(type=PANEL)
    return fiftyone.Space(children=[alone(grid), alone(panel)], orientation="horizontal", sizes=[0.64, 0.36])


def _wait_for_answer(port: int) -> None:
    until = time.monotonic() + _SECONDS_TO_START
    while True:
        connection = http.client.HTTPConnection(ADDRESS, port, timeout=_SECONDS_TO_START)
        try:
            connection.request("GET", "/fiftyone")
            if connection.getresponse().status == http.HTTPStatus.OK:
                return
        except (OSError, http.client.HTTPException):
            pass  # not yet
        finally:
            connection.close()
        if time.monotonic() > until:
            raise WorkspaceError("Expected the FiftyOne App to start, but it does not answer; try again.")
        time.sleep(_LOOK_SECONDS)


def _setting(ended: threading.Event) -> Callable[[int, FrameType | None], None]:
    def end(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    return end


def _require_free(port: int) -> None:
    if not is_free(port):
        raise InputError(
            f"Expected port {port} to be free for the FiftyOne App, but something listens there; "
            "choose another one with --port."
        )
