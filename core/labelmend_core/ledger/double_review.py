"""A share of the cells is asked of a second reviewer, who cannot tell that somebody has answered already.

Which cells these are is a hash of run, image and class: the same in every browser tab and after every restart, and
nothing that the answers or the error probabilities have a part in.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import BigInteger, ColumnElement, Engine, ScalarSelect, and_, case, func, literal, or_, select

from labelmend_core.errors import InputError
from labelmend_core.ledger import schema
from labelmend_core.ledger._share import PLACE_IN_SHARE, place_in_share, salt
from labelmend_core.ledger.engine import insert_into, writing
from labelmend_core.types import Verdict

_PREFERENCE = "double_review_percent"


@dataclass(frozen=True)
class Second:
    """For whom a queue is read when some cells are asked twice.

    Attributes:
        reviewer: who asks; a cell of the share that exactly one other has answered is open for them.
        percent: share of cells that are asked twice, 0 to 100.
    """

    reviewer: str
    percent: int


class DoubleReview:
    """The share of cells of a workspace that two reviewers answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def percent(self) -> int:
        """The share in percent, 0 when nobody has set one."""
        query = select(schema.preferences.c.value).where(schema.preferences.c.name == _PREFERENCE)
        with self._engine.connect() as connection:
            return int(connection.execute(query).scalar() or 0)

    def set(self, percent: int) -> None:
        """Set the share in percent; it counts for whatever is asked from now on.

        Raises:
            InputError: it is not in 0 to 100.
        """
        if not 0 <= percent <= 100:
            raise InputError(f"Expected a share of 0 to 100 % of the cells for double review, got {percent}.")
        row = insert_into(self._engine, schema.preferences).values(name=_PREFERENCE, value=percent)
        with writing(self._engine).begin() as connection:
            connection.execute(row.on_conflict_do_update(index_elements=["name"], set_={"value": percent}))

    def of(self, reviewer: str | None) -> Second | None:
        """Return what the queue of a reviewer needs to know, None where every cell is asked once."""
        percent = 0 if reviewer is None else self.percent
        return Second(reviewer, percent) if reviewer is not None and percent else None


def asked_again(run_id: str, answered: pd.DataFrame, second: Second) -> NDArray[np.bool_]:
    """Return which rows belong to cells that are open for a second reviewer although somebody has answered, (M,).

    Args:
        run_id: of the run that suggested the cells.
        answered: a row a standing answer: image_index, class_index, reviewer and adjudicates.
        second: who asks.
    """
    images, classes = (answered[name].to_numpy(np.uint64) for name in ("image_index", "class_index"))
    twice = place_in_share(run_id, images, classes) < second.percent
    open_ = np.zeros(len(answered), dtype=bool)
    if not twice.any():
        return open_
    cells = answered.loc[twice, ["image_index", "class_index", "reviewer", "adjudicates"]]
    cells = cells.assign(closed=(cells["reviewer"] == second.reviewer) | cells["adjudicates"].astype(bool))
    cells["code"] = pd.factorize(cells["reviewer"])[0]
    groups = cells.groupby(["image_index", "class_index"])
    one = groups["code"].transform("min") == groups["code"].transform("max")
    open_[twice] = one & ~groups["closed"].transform("max")
    return open_


def open_again(run_id: str, cell: Any, second: Second) -> ColumnElement[bool]:
    """Return the condition that a cell is open for a second reviewer although somebody has answered.

    Args:
        run_id: of the run that suggested the cells.
        cell: the columns of a table with image_index and class_index.
        second: who asks.
    """
    said = schema.standing_decisions.c
    closing = case((or_(said.reviewer == second.reviewer, said.adjudicates), 1), else_=0)
    one_other = and_(func.min(said.reviewer) == func.max(said.reviewer), func.max(closing) == 0)
    by_one_other: ScalarSelect[Any] = (
        select(case((one_other, 1), else_=0))
        .where(
            said.image_index == cell.image_index,
            said.class_index == cell.class_index,
            said.verdict != Verdict.SKIP.value,
        )
        .scalar_subquery()
    )
    of_run = literal(salt(run_id), BigInteger)
    place = getattr(func, PLACE_IN_SHARE)(of_run, cell.image_index, cell.class_index)
    return and_(place < second.percent, by_one_other == 1)
