"""What is measured, and in which words."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Figures:
    """The review of one workspace.

    Attributes:
        images, suggestions: how large it is.
        opened_ms: from the click on *Begin* until all pictures of the first page are painted, each time.
        painted_ms: from Enter until all pictures of the next page are painted.
        page_durable_ms: from Enter until all answers of that page are committed.
        durable_ms: from the key of one answer until it is committed.
        browser_mb, server_mb: memory of the tab's process and of the server at the end.
    """

    images: int
    suggestions: int
    opened_ms: tuple[float, ...]
    painted_ms: tuple[float, ...]
    page_durable_ms: tuple[float, ...]
    durable_ms: tuple[float, ...]
    browser_mb: float
    server_mb: float


@dataclass(frozen=True)
class Storm:
    """Keys pressed on and on while the server is killed and started again.

    Attributes:
        pressed: keys, those included that turn a page or come while a picture is on its way and answer nothing.
        sent: answers that the page took and sent, each counted once.
        stored: of these, how many the ledger has.
        doubled: events of the ledger that repeat another one, or that nobody sent.
        kills: how often the server was killed.
        unsaved: the most answers that waited for it.
    """

    pressed: int
    sent: int
    stored: int
    doubled: int
    kills: int
    unsaved: int


def summary(found: Sequence[Figures], storm: Storm | None) -> dict[str, float | int]:
    """Return the line of figures: of all workspaces the slowest median and the slowest 95th percentile, in ms."""
    line: dict[str, float | int] = {}
    for name in ("paint", "durable"):
        samples = [one.painted_ms if name == "paint" else one.durable_ms for one in found]
        for percentile in (50, 95):
            worst = max(float(np.percentile(sample, percentile)) for sample in samples)
            line[f"{name}_ms_p{percentile}"] = round(worst, 1)
    if storm is not None:
        line |= {"sent": storm.sent, "stored": storm.stored, "doubled": storm.doubled}
    return line
