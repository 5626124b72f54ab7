"""The audit sample in the database: which cells were drawn, where the review shows them, what was answered."""

from dataclasses import dataclass
from typing import Any

import pandas as pd
from sqlalchemy import ColumnElement, Engine, ScalarSelect, Select, and_, case, exists, func, select

from labelmend_core.ledger import schema
from labelmend_core.ledger._rows import read_columns
from labelmend_core.ledger.double_review import Second, open_again
from labelmend_core.ledger.engine import writing
from labelmend_core.ledger.verdicts import DEFINITE
from labelmend_core.types import BULK_CLIENT, Kind, Verdict

COLUMNS = (
    "image_index",
    "class_index",
    "kind",
    "inclusion_probability",
    "error_probability",
    "place",
    "again",
)

_CELLS = schema.audit_cells.c
_SUGGESTED = schema.suggestions.c
_STANDING = schema.standing_decisions.c


# From the cells of the sample, which are few, to what was said of them; as it stood at a decision.
_ANSWERED_UNTIL = """
SELECT d.decision_id, d.verdict, d.image_index, d.class_index, a.kind, a.error_probability, d.adjudicates
FROM audit_cells AS a CROSS JOIN decisions AS d
WHERE a.run_id = :run_id AND d.image_index = a.image_index AND d.class_index = a.class_index
AND d.decision_id <= :until AND d.verdict NOT IN ('undo', 'skip') AND NOT EXISTS (
    SELECT 1 FROM decisions AS u
    WHERE u.undoes_client = d.client AND u.undoes_seq = d.seq AND u.decision_id <= :until
)
ORDER BY d.decision_id
"""
_NEWEST = 2**62  # above every decision_id
ANSWERED = ["decision_id", "verdict", "image_index", "class_index", "kind", "error_probability", "adjudicates"]


@dataclass(frozen=True)
class AuditCell:
    """One cell of a sample, with the standing decisions on it that answered no suggestion.

    One answer to many cells at once is none of the sample: nobody looked at the cell, and which cells are answered so
    depends on what they seem to be. The cell stays to be asked by itself, or the rest of the sample would be no random
    one.

    Attributes:
        inclusion_probability, error_probability: when it was drawn.
        place, again: rank of the suggestion after which the review asks it, for the first time and after that.
        said_error, said_fine, unsure: how many decisions call it an error of its kind, no error, or unsure.
        decided, mended: whether anything was said of it, on a suggestion or not, and whether the last present or absent
            mends the label, or else what settles it.
        looked_at: whether anything was said of it by itself, and not only of many cells at once.
        again_for_second: whether it is open for the second reviewer who asks, although somebody has answered.
        rank: that of its suggestion where it is a suggestion of the run, too, else None.
    """

    audit_id: int
    image_index: int
    class_index: int
    kind: Kind
    inclusion_probability: float
    error_probability: float
    place: int
    again: int
    said_error: int
    said_fine: int
    unsure: int
    decided: bool
    looked_at: bool
    mended: bool
    rank: int | None
    again_for_second: bool = False

    @property
    def answers(self) -> int:
        """How often somebody said that it is an error or that it is none."""
        return self.said_error + self.said_fine


class Audits:
    """The audit samples of every run; a run's is drawn once, before anybody answers, and never changed."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def save(self, run_id: str, frame: pd.DataFrame) -> bool:
        """Store a run's sample, columns `COLUMNS`, and return whether it was: one that is there already stays."""
        records = [{"run_id": run_id, **row} for row in frame[list(COLUMNS)].to_dict("records")]
        with writing(self._engine).begin() as connection:
            if not records or connection.execute(select(exists().where(_CELLS.run_id == run_id))).scalar():
                return False
            connection.execute(schema.audit_cells.insert(), records)
        return True

    def has(self, run_id: str) -> bool:
        """Return whether a sample was drawn for a run."""
        with self._engine.connect() as connection:
            return bool(connection.execute(select(exists().where(_CELLS.run_id == run_id))).scalar())

    def cells(
        self,
        run_id: str,
        *,
        kind: Kind | None = None,
        class_index: int | None = None,
        second: Second | None = None,
    ) -> list[AuditCell]:
        """Return a run's sample, of one queue or of all, with what was answered, in the order of place.

        `second` says who asks, where some cells are asked of two reviewers.
        """
        query = _with_answers(run_id, kind, class_index)
        if second is not None:
            query = query.add_columns(open_again(run_id, _CELLS, second).label("again_for_second"))
        with self._engine.connect() as connection:
            rows = connection.execute(query).all()
        return [AuditCell(**{**row._mapping, "kind": Kind(row.kind)}) for row in rows]

    def answered(self, run_id: str, *, until: int | None = None) -> pd.DataFrame:
        """Return the standing answers on a run's sample in the order of their commit, columns `ANSWERED`.

        `until` is a decision_id: answers as they stood then. An answer on a suggestion counts as well; a skip is none.
        """
        asked = {"run_id": run_id, "until": _NEWEST if until is None else until}
        return pd.DataFrame(read_columns(self._engine, _ANSWERED_UNTIL, asked, ANSWERED))


def _with_answers(run_id: str, kind: Kind | None, class_index: int | None) -> Select[Any]:
    same_cell = and_(_STANDING.image_index == _CELLS.image_index, _STANDING.class_index == _CELLS.class_index)
    verdict = _STANDING.verdict
    definite = verdict.in_(DEFINITE)
    # A subquery a column: SQLite finds each by the cell, while a join would first list all decisions of the view.
    last = (
        select(verdict)
        .where(same_cell, definite)
        .order_by(_STANDING.adjudicates.desc(), _STANDING.decision_id.desc())
        .limit(1)
    )

    by_itself = ~_STANDING.client.startswith(BULK_CLIENT)

    def said(what: ColumnElement[bool]) -> ScalarSelect[int]:
        asked = select(func.count()).select_from(schema.standing_decisions)
        own = _STANDING.suggestion_id.is_(None), ~_STANDING.adjudicates, by_itself
        return asked.where(same_cell, *own, what).scalar_subquery()

    missing = _CELLS.kind == Kind.MISSING.value
    error = case((missing, Kind.MISSING.error_verdict.value), else_=Kind.SPURIOUS.error_verdict.value)
    rank = select(_SUGGESTED.rank).where(
        _SUGGESTED.run_id == _CELLS.run_id,
        _SUGGESTED.image_index == _CELLS.image_index,
        _SUGGESTED.class_index == _CELLS.class_index,
    )
    query = select(
        _CELLS.audit_id,
        *(_CELLS[name] for name in COLUMNS),
        said(verdict == error).label("said_error"),
        said(and_(definite, verdict != error)).label("said_fine"),
        said(verdict == Verdict.UNSURE.value).label("unsure"),
        exists().where(same_cell, verdict != Verdict.SKIP.value).label("decided"),
        exists().where(same_cell, verdict != Verdict.SKIP.value, by_itself).label("looked_at"),
        func.coalesce(last.scalar_subquery() == error, False).label("mended"),
        rank.scalar_subquery().label("rank"),
    ).where(_CELLS.run_id == run_id)
    if kind is not None:
        query = query.where(_CELLS.kind == kind.value)
    if class_index is not None:
        query = query.where(_CELLS.class_index == class_index)
    return query.order_by(_CELLS.place, _CELLS.audit_id)
