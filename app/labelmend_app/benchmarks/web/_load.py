"""Reviewers who all decide at once, over HTTP, each decision a request of its own as the review page sends it."""

import http.client
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

from labelmend_core.workspace import Workspace

Show = Callable[[str, int, int], None]
_PATIENCE = 120  # s


@dataclass(frozen=True)
class Load:
    """What became of the decisions.

    Attributes:
        milliseconds: until each was acknowledged.
        seconds: until all were.
        acknowledged: how many the server said that it has.
        stored: of these, how many the ledger has, once.
        doubled: how many it has more than once.
    """

    milliseconds: tuple[float, ...]
    seconds: float
    acknowledged: int
    stored: int
    doubled: int

    @property
    def lost(self) -> int:
        """How many were acknowledged and are not stored."""
        return self.acknowledged - self.stored


def decide_at_once(
    workspace: Workspace, key: str, port: int, *, reviewers: int, decisions: int, per_second: float | None, show: Show
) -> Load:
    """Return how the server on a port of this machine bears reviewers who each send so many decisions.

    Args:
        workspace: that it serves.
        key: by which a page says for which workspace its decisions are.
        port: where it listens.
        reviewers: at once, each over a connection of its own.
        decisions: of each.
        per_second: decisions of each, None for one as soon as the last is acknowledged.
        show: told how many reviewers have ended.
    """
    ended = 0
    n_images, n_classes = workspace.dataset.given_labels.shape

    def work(reviewer: int) -> tuple[str, int, list[float]]:
        nonlocal ended
        client = f"bench-reviewer-{reviewer:03d}"
        cells = [divmod((reviewer * decisions + i) % (n_images * n_classes), n_classes) for i in range(decisions)]
        acknowledged, spent = _review(port, key, client, cells, per_second)
        ended += 1
        show(f"{reviewers} reviewers decide", ended, reviewers)
        return client, acknowledged, spent

    began = time.perf_counter()
    with ThreadPoolExecutor(reviewers) as pool:
        answers = list(pool.map(work, range(reviewers)))
    seconds = time.perf_counter() - began
    stored = [(event.client, event.seq) for event in workspace.ledger.decisions()]
    expected = {(client, seq) for client, acknowledged, _ in answers for seq in range(1, acknowledged + 1)}
    times = tuple(one for _, _, spent in answers for one in spent)
    return Load(times, seconds, len(expected), len(expected & set(stored)), len(stored) - len(set(stored)))


def _review(
    port: int, key: str, client: str, cells: list[tuple[int, int]], per_second: float | None
) -> tuple[int, list[float]]:
    """Send a decision on each cell; return up to which number they were acknowledged, and the time of each."""
    spent: list[float] = []
    acknowledged = 0
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)) as connection:
        headers = {"Content-Type": "application/json", "Origin": f"http://127.0.0.1:{port}"}
        due = time.perf_counter()
        for seq, (image, class_index) in enumerate(cells, start=1):
            event = {"seq": seq, "image": image, "class_index": class_index, "verdict": "present"}
            event["decided_at"] = datetime.now(UTC).isoformat()
            message = {"workspace": key, "client": client, "reviewer": client, "decisions": [event]}
            sent = time.perf_counter()
            connection.request("POST", "/api/decisions", json.dumps(message), headers)
            answer = connection.getresponse()
            body = answer.read()
            spent.append(1000 * (time.perf_counter() - sent))
            if answer.status == http.client.OK:
                acknowledged = json.loads(body)["acknowledged"]
            if per_second is not None:
                due += 1 / per_second
                time.sleep(max(0.0, due - time.perf_counter()))
    return acknowledged, spent
