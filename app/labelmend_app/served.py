"""The workspace that this process serves: one object for screens and routes, since each keeps what it has read."""

from labelmend_core.detection import outlook
from labelmend_core.workspace import Workspace

_SERVED: dict[str, Workspace] = {}


def serve_from(workspace: Workspace) -> None:
    """Let the screens have this workspace."""
    _SERVED[str(workspace.folder.resolve())] = workspace


def serve_no_longer(workspace: Workspace) -> None:
    """Forget it; it is about to be closed."""
    _SERVED.pop(str(workspace.folder.resolve()), None)


def served(folder: str) -> Workspace | None:
    """Return the workspace in a folder if this process serves it."""
    return _SERVED.get(folder)


def read_ahead(workspace: Workspace) -> None:
    """Read what the review begins with: of a million suggestions it takes seconds, which the browser needs as well."""
    run_id = workspace.queue.latest_run()
    if run_id is not None:
        outlook(workspace, run_id)
