"""The measurements of `labelmend bench web`, on a server of their own."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from labelmend_app.benchmarks.review import Server, make_workspace
from labelmend_app.benchmarks.web._hostile_paths import hostile_targets, leaked, set_trap
from labelmend_app.benchmarks.web._load import Load, decide_at_once
from labelmend_app.review.api import workspace_key

Show = Callable[[str, int, int], None]
_IMAGES, _CLASSES = 2_000, 20
_IN_TURN = 100  # hostile paths between two words to the bar


@dataclass(frozen=True)
class Figures:
    """What was measured: of the load, and of the hostile paths tried how many answers leaked something."""

    load: Load
    hostile_paths: int
    leaked: int


def measure(
    folder: Path, *, reviewers: int, decisions: int, per_second: float | None, paths: int, show: Show
) -> Figures:
    """Return how a server of a made-up workspace bears the load, and what it hands out to hostile addresses.

    Args:
        folder: for what is made up.
        reviewers: at once.
        decisions: of each.
        per_second: decisions of each, None for as many as the server takes.
        paths: hostile ones, each asked for once.
        show: told what is done.
    """
    workspace = make_workspace(folder, folder / "images", _pictures(folder / "images"), _CLASSES * _IMAGES)
    trap = set_trap(workspace.folder)
    targets = hostile_targets(workspace.folder, trap, paths)
    server = Server(workspace.folder)
    server.start()
    try:
        found: list[bytes] = []
        for start in range(0, len(targets), _IN_TURN):
            show("hostile paths", start, len(targets))
            found += leaked(server.port, targets[start : start + _IN_TURN])
        many = {"reviewers": reviewers, "decisions": decisions}
        key = workspace_key(workspace)
        load = decide_at_once(workspace, key, server.port, **many, per_second=per_second, show=show)
    finally:
        server.kill()
        workspace.close()
    return Figures(load, len(targets), len(found))


def _pictures(folder: Path) -> list[str]:
    """Make as many names of one picture, which nobody looks at here, and return them."""
    folder.mkdir()
    names = [f"{i:05d}.png" for i in range(_IMAGES)]
    Image.new("RGB", (64, 64)).save(folder / names[0])
    for name in names[1:]:
        (folder / name).hardlink_to(folder / names[0])
    return names
