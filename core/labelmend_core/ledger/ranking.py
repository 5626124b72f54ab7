"""Every suggestion of a run in the order of its queues, as arrays: for what is asked of all of them at once."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from labelmend_core.ledger._rows import driver_cursor
from labelmend_core.types import IntArray, Kind

_KINDS = list(Kind)
_RANKS = 2**32
# The covering index holds all of it, in this order.
_GROUPS = text("""
SELECT class_index, kind, count(*) FROM suggestions
WHERE run_id = :run_id GROUP BY class_index, kind ORDER BY class_index, kind
""")
_ROWS = "SELECT rank, error_probability FROM suggestions WHERE run_id = ? ORDER BY class_index, kind, rank"


@dataclass(frozen=True, eq=False)
class Ranking:
    """M suggestions in Q queues, a queue being those of one class and kind, best first.

    Attributes:
        classes: int64 (Q,), class of each queue.
        kinds: (Q,), of each queue.
        queue: int64 (M,), the queue that each suggestion stands in, rising.
        rank: int64 (M,), rising within a queue.
        probability: float64 (M,), error_probability as it was ranked.
    """

    classes: IntArray
    kinds: tuple[Kind, ...]
    queue: IntArray
    rank: IntArray
    probability: NDArray[np.float64]

    def places(self, rows: pd.DataFrame) -> IntArray:
        """Return where the suggestions of these class_index, kind and rank stand in the arrays, (len(rows),).

        -1 where there is none.
        """
        if not len(self.rank):
            return np.full(len(rows), -1, dtype=np.int64)
        wanted = self.queues(rows) * _RANKS + rows["rank"].to_numpy(np.int64)
        found = np.minimum(np.searchsorted(self._keys, wanted), len(self._keys) - 1)
        return np.where(self._keys[found] == wanted, found, -1)

    def queues(self, rows: pd.DataFrame) -> IntArray:
        """Return the queue of each class_index and kind, (len(rows),), -1 where nothing is suggested."""
        number = {queue: place for place, queue in enumerate(zip(self.classes.tolist(), self.kinds, strict=True))}
        named = zip(rows["class_index"].tolist(), rows["kind"].tolist(), strict=True)
        return np.array([number.get(queue, -1) for queue in named], dtype=np.int64)

    @cached_property
    def _keys(self) -> IntArray:
        return self.queue * _RANKS + self.rank


def read_ranking(connection: Connection, run_id: str) -> Ranking:
    """Return the ranking of a run."""
    groups = connection.execute(_GROUPS, {"run_id": run_id}).all()
    sizes = np.array([n for _, _, n in groups], dtype=np.int64)
    with driver_cursor(connection) as cursor:
        found = cursor.execute(_ROWS, (run_id,))
        rows = np.fromiter(found, dtype=[("rank", np.int64), ("probability", np.float64)], count=int(sizes.sum()))
    return Ranking(
        classes=np.array([k for k, _, _ in groups], dtype=np.int64),
        kinds=tuple(Kind(kind) for _, kind, _ in groups),
        queue=np.repeat(np.arange(len(groups)), sizes),
        rank=np.ascontiguousarray(rows["rank"]),
        probability=np.ascontiguousarray(rows["probability"]),
    )
