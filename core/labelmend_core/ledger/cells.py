"""Cells of images and classes as arrays: where suggestions lie, and what was decided of each cell.

For what is asked of all cells at once; the queue answers for the next page.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import Engine, bindparam, select, text

from labelmend_core.ledger import schema
from labelmend_core.ledger._rows import driver_cursor, read_columns
from labelmend_core.ledger.double_review import Second, asked_again
from labelmend_core.ledger.ranking import Ranking
from labelmend_core.types import BULK_CLIENT, IntArray

_IMAGES = 2**32
_PLACES = """
SELECT image_index, rank FROM suggestions WHERE run_id = ? ORDER BY class_index, kind, rank
"""
_DECIDED = """
SELECT decision_id, image_index, class_index, verdict, reviewer, adjudicates FROM standing_decisions
ORDER BY decision_id
"""
_DECIDED_COLUMNS = ["decision_id", "image_index", "class_index", "verdict", "reviewer", "adjudicates"]
# Both go by an index, so that a page of a selection costs the same however many decisions there are.
_OF_CLASS = """
SELECT image_index, class_index, reviewer, adjudicates FROM standing_decisions
WHERE class_index = :class_index AND verdict <> 'skip'
"""
_OF_CLASS_COLUMNS = ["image_index", "class_index", "reviewer", "adjudicates"]
_AUDITED = text("SELECT image_index, audit_id FROM audit_cells WHERE run_id = :run_id AND class_index = :class_index")
_SUGGESTED = text("""
SELECT image_index, suggestion_id FROM suggestions
WHERE run_id = :run_id AND class_index = :class_index AND image_index IN :images
""").bindparams(bindparam("images", expanding=True))
_OF_CLIENT = """
SELECT seq, image_index, class_index, verdict, reviewer FROM standing_decisions WHERE client = :client ORDER BY seq
"""
_OF_CLIENT_COLUMNS = ["seq", "image_index", "class_index", "verdict", "reviewer"]
# By the index over client and seq; "." comes right after "-".
_OF_MANY = text("SELECT coalesce(max(decision_id), 0) FROM decisions WHERE client >= :first AND client < :behind")
_BLOCK = 10_000  # images a query, under SQLite's limit of variables


@dataclass(frozen=True, eq=False)
class Places:
    """Where the M suggestions of a `Ranking` lie, in its order.

    Attributes:
        image: int64 (M,), the image of each.
        class_index: int64 (M,).
    """

    image: IntArray
    class_index: IntArray

    def of(self, images: IntArray, classes: IntArray) -> IntArray:
        """Return the place of the suggestion of each cell, -1 where nothing is suggested, (len(images),)."""
        if not len(self.image):
            return np.full(len(images), -1, dtype=np.int64)
        keys, order = self._sorted
        wanted = classes * _IMAGES + images
        found = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return np.where(keys[found] == wanted, order[found], -1)

    @cached_property
    def _sorted(self) -> tuple[IntArray, IntArray]:
        keys = self.class_index * _IMAGES + self.image
        order = np.argsort(keys)
        return keys[order], order


class Cells:
    """The cells of one workspace, for screens that look at all of them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._places: tuple[Ranking, Places] | None = None

    def places(self, run_id: str, ranking: Ranking) -> Places | None:
        """Return where the suggestions of a run lie; None when they were made anew since the ranking was read."""
        known = self._places
        if known is not None and known[0] is ranking:
            return known[1]
        row = [("image", np.int64), ("rank", np.int64)]
        with self._engine.connect() as connection, driver_cursor(connection) as cursor:
            rows = np.fromiter(cursor.execute(_PLACES, (run_id,)), dtype=row)
        if not np.array_equal(rows["rank"], ranking.rank):
            return None
        found = Places(np.ascontiguousarray(rows["image"]), ranking.classes[ranking.queue])
        self._places = (ranking, found)
        return found

    def decided(self) -> pd.DataFrame:
        """Return all standing decisions, skips too, in the order of their commit.

        Columns decision_id, image_index, class_index, verdict, reviewer and adjudicates.
        """
        return pd.DataFrame(read_columns(self._engine, _DECIDED, {}, _DECIDED_COLUMNS))

    def answered_images(self, class_index: int, run_id: str = "", second: Second | None = None) -> IntArray:
        """Return the images that have an answer for a class; a skip is none.

        For a `second` reviewer without those that they are still to be asked, by the share of the run.
        """
        found = read_columns(self._engine, _OF_CLASS, {"class_index": class_index}, _OF_CLASS_COLUMNS)
        images = np.array(found["image_index"], dtype=np.int64)
        return images if second is None else images[~asked_again(run_id, pd.DataFrame(found), second)]

    def audited(self, run_id: str, class_index: int) -> dict[int, int]:
        """Return the audit_id of each image that a run's audit sample holds for a class."""
        with self._engine.connect() as connection:
            rows = connection.execute(_AUDITED, {"run_id": run_id, "class_index": class_index})
            return {int(image): int(audit_id) for image, audit_id in rows}

    def suggestion_ids(self, run_id: str, class_index: int, images: IntArray) -> dict[int, int]:
        """Return the suggestion_id of each of the images for which a run suggests something about a class."""
        found: dict[int, int] = {}
        with self._engine.connect() as connection:
            for start in range(0, len(images), _BLOCK):
                asked: dict[str, Any] = {"run_id": run_id, "class_index": class_index}
                asked["images"] = images[start : start + _BLOCK].tolist()
                found |= {int(image): int(id_) for image, id_ in connection.execute(_SUGGESTED, asked)}
        return found

    def standing_of(self, client: str) -> pd.DataFrame:
        """Return what stands of a client's decisions: seq, rising, image_index, class_index, verdict and reviewer."""
        return pd.DataFrame(read_columns(self._engine, _OF_CLIENT, {"client": client}, _OF_CLIENT_COLUMNS))

    def newest_of_many(self) -> int:
        """Return the decision_id of the newest event of one answer to many cells at once, 0 when there is none."""
        asked = {"first": BULK_CLIENT, "behind": BULK_CLIENT[:-1] + "."}
        with self._engine.connect() as connection:
            return int(connection.execute(_OF_MANY, asked).scalar_one())

    def runs_with_suggestions(self) -> list[str]:
        """Return the runs that suggest something, the newest first."""
        runs, suggestions = schema.runs.c, schema.suggestions.c
        some = select(suggestions.run_id).where(suggestions.run_id == runs.run_id).exists()
        query = select(runs.run_id).where(some).order_by(runs.created_at.desc(), runs.run_id.desc())
        with self._engine.connect() as connection:
            return [str(run_id) for run_id in connection.execute(query).scalars()]
