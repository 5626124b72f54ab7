"""The best open suggestions of all classes by a probability that is not in the database.

The order within a class and kind is that of the rank whatever is learned, so only the heads of the queues are read, a
few rows at a time, and merged. The index that is read holds all that it takes, in the order of the ranks.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from labelmend_core.ledger import schema
from labelmend_core.ledger._rows import driver_cursor
from labelmend_core.types import IntArray, Kind

# Class indices and error probabilities as ranked, (M,) each, to how likely an error is now; (3, M) or more, the
# probability first. Rises with the probability within a class.
Now = Callable[[IntArray, NDArray[np.float64]], NDArray[np.float64]]

COLUMNS = ["suggestion_id", "image_index", "class_index", "kind", "rank", "error_probability", "now"]
_FIRST = 4  # rows of each queue to begin with
_HEAD = """
SELECT rank, error_probability, suggestion_id FROM suggestions
WHERE run_id = ? AND class_index = ? AND kind = ? AND rank > ? ORDER BY rank LIMIT ?
"""
_IMAGE = "SELECT image_index FROM suggestions WHERE suggestion_id = ?"


@dataclass
class _Queue:
    """One class and kind, as far as it was read."""

    class_index: int
    kind: Kind
    skipped: Collection[int]  # ranks
    size: int
    last: int = 0
    ended: bool = False
    new: list[tuple[int, float, int]] = field(default_factory=list)
    worst: tuple[float, int] = (np.inf, 0)  # of the open ones that were read: probability now, rank


def best_open(
    connection: Connection, run_id: str, n: int, now: Mapping[Kind, Now], skipped: pd.DataFrame
) -> pd.DataFrame:
    """Return the `n` likeliest suggestions of the kinds of `now`, columns `COLUMNS`, likeliest first.

    Args:
        connection: in a transaction.
        run_id: a run with suggestions.
        n: how many; fewer where there are fewer.
        now: of each kind that is asked for.
        skipped: class_index, kind and rank of suggestions to leave out, the answered ones for instance.
    """
    reading = _queues(connection, now, skipped)
    found: list[tuple[float, int, float, int, _Queue]] = []  # -now, rank, error_probability, id, queue
    with driver_cursor(connection) as cursor:
        while reading:
            for queue in reading:
                head = run_id, queue.class_index, queue.kind.value, queue.last, queue.size
                _take(queue, cursor.execute(_HEAD, head).fetchall())
            found += _valued(reading, now)
            found.sort(key=lambda row: row[:2])
            del found[n:]
            bar = (-found[-1][0], found[-1][1]) if len(found) == n and n else None
            reading = [queue for queue in reading if n and not queue.ended and _may_have_more(queue, bar)]
        images = [cursor.execute(_IMAGE, (row[3],)).fetchone()[0] for row in found]
    rows = [
        (id_, image, queue.class_index, queue.kind.value, rank, p, -minus)
        for image, (minus, rank, p, id_, queue) in zip(images, found, strict=True)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _queues(connection: Connection, kinds: Iterable[Kind], skipped: pd.DataFrame) -> list[_Queue]:
    ranks = {queue: set(rows["rank"].tolist()) for queue, rows in skipped.groupby(["class_index", "kind"])}
    classes = connection.execute(select(schema.classes.c.class_index)).scalars().all()
    queues = [_Queue(k, kind, ranks.get((k, kind.value), ()), _FIRST) for k in classes for kind in kinds]
    for queue in queues:  # what is answered stands mostly at the head: read past it at once
        queue.size += len(queue.skipped)
    return queues


def _take(queue: _Queue, rows: list[tuple[int, float, int]]) -> None:
    queue.ended = len(rows) < queue.size
    queue.last = rows[-1][0] if rows else queue.last
    queue.new = [row for row in rows if row[0] not in queue.skipped]
    queue.size *= 2


def _valued(queues: list[_Queue], now: Mapping[Kind, Now]) -> list[tuple[float, int, float, int, _Queue]]:
    """Return what was read anew with its probability now, and note it of the last of each queue."""
    found = []
    for kind, probability_now in now.items():
        rows = [(queue, row) for queue in queues if queue.kind is kind for row in queue.new]
        classes = np.array([queue.class_index for queue, _ in rows], dtype=np.int64)
        ranked = np.array([p for _, (_, p, _) in rows], dtype=np.float64)
        for (queue, (rank, p, id_)), value in zip(rows, probability_now(classes, ranked)[0].tolist(), strict=True):
            found.append((-value, rank, p, id_, queue))
            queue.worst = (value, rank)
    return found


def _may_have_more(queue: _Queue, bar: tuple[float, int] | None) -> bool:
    """Whether the next of a queue may be better than the worst of those that are kept."""
    return bar is None or queue.worst[0] > bar[0] or (queue.worst[0] == bar[0] and queue.worst[1] < bar[1])
