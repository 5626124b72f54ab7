"""Suggestions in the database: what one run found suspicious, and what of it is still open."""

from collections.abc import Iterator
from typing import Any

import pandas as pd
from sqlalchemy import Engine, Row, Select, case, exists, func, select
from sqlalchemy.dialects.sqlite import insert

from labelmend_core.ledger import schema
from labelmend_core.ledger.engine import writing
from labelmend_core.types import Kind, Suggestion, Verdict

COLUMNS = ("image_index", "class_index", "kind", "rank", "label_quality", "error_probability", "low", "high", "reason")
_BLOCK = 20_000

# A cell is answered by any standing decision but a skip: a skip only means "not now".
_ANSWERED = exists().where(
    schema.standing_decisions.c.image_index == schema.suggestions.c.image_index,
    schema.standing_decisions.c.class_index == schema.suggestions.c.class_index,
    schema.standing_decisions.c.verdict != Verdict.SKIP.value,
)


class Queue:
    """The suggestions of every run, ranked within kind."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def save(self, run_id: str, frame: pd.DataFrame) -> None:
        """Store a run's suggestions, columns `COLUMNS`, in place of those that it had.

        A suggestion that a decision was made on keeps its id, so that the evidence stays.
        """
        of_run = schema.suggestions.c.run_id == run_id
        used = select(schema.decisions.c.suggestion_id).where(schema.decisions.c.suggestion_id.is_not(None))
        statement = insert(schema.suggestions)
        changed = {name: statement.excluded[name] for name in COLUMNS if name not in ("image_index", "class_index")}
        statement = statement.on_conflict_do_update(
            index_elements=["run_id", "image_index", "class_index"], set_=changed
        )
        with writing(self._engine).begin() as connection:
            unused = schema.suggestions.c.suggestion_id.not_in(used)
            connection.execute(schema.suggestions.delete().where(of_run, unused))
            for start in range(0, len(frame), _BLOCK):
                records: Any = frame.iloc[start : start + _BLOCK].loc[:, list(COLUMNS)].to_dict("records")
                connection.execute(statement, [{"run_id": run_id, **record} for record in records])

    def latest_run(self) -> str | None:
        """Return the newest run that has suggestions, None when there is none."""
        query = (
            select(schema.runs.c.run_id)
            .where(schema.runs.c.run_id.in_(select(schema.suggestions.c.run_id)))
            .order_by(schema.runs.c.created_at.desc(), schema.runs.c.run_id.desc())
            .limit(1)
        )
        with self._engine.connect() as connection:
            run_id: str | None = connection.execute(query).scalar()
            return run_id

    def counts(self, run_id: str) -> pd.DataFrame:
        """Return per class and kind how many suggestions there are and how many are open.

        Columns class_index, kind, suggested, open, expected (sum of error_probability of the open ones).
        """
        table_ = schema.suggestions
        open_ = func.sum(case((_ANSWERED, 0), else_=1))
        expected = func.sum(case((_ANSWERED, 0.0), else_=table_.c.error_probability))
        query = (
            select(table_.c.class_index, table_.c.kind, func.count(), open_, expected)
            .where(table_.c.run_id == run_id)
            .group_by(table_.c.class_index, table_.c.kind)
            .order_by(table_.c.class_index, table_.c.kind)
        )
        with self._engine.connect() as connection:
            rows = connection.execute(query).all()
        return pd.DataFrame(rows, columns=["class_index", "kind", "suggested", "open", "expected"])

    def open(
        self, run_id: str, *, kind: Kind, class_index: int | None = None, after_rank: int = 0, limit: int = 100
    ) -> list[Suggestion]:
        """Return open suggestions of one kind, best first, of one class or of all, with rank above `after_rank`."""
        table_ = schema.suggestions
        query = select(table_).where(table_.c.run_id == run_id, table_.c.kind == kind.value, ~_ANSWERED)
        if class_index is not None:
            query = query.where(table_.c.class_index == class_index)
        return list(self._read(query.where(table_.c.rank > after_rank).order_by(table_.c.rank).limit(limit)))

    def of_run(self, run_id: str) -> list[Suggestion]:
        """Return all suggestions of a run, missing before spurious, best first."""
        table_ = schema.suggestions
        return list(self._read(select(table_).where(table_.c.run_id == run_id).order_by(table_.c.kind, table_.c.rank)))

    def get(self, suggestion_id: int) -> Suggestion | None:
        """Return one suggestion, None when there is none of that id."""
        query = select(schema.suggestions).where(schema.suggestions.c.suggestion_id == suggestion_id)
        return next(self._read(query), None)

    def _read(self, query: Select[Any]) -> Iterator[Suggestion]:
        with self._engine.connect() as connection:
            for row in connection.execute(query):
                yield _as_suggestion(row)


def _as_suggestion(row: Row[Any]) -> Suggestion:
    return Suggestion(
        suggestion_id=row.suggestion_id,
        run_id=row.run_id,
        image=row.image_index,
        class_index=row.class_index,
        kind=Kind(row.kind),
        rank=row.rank,
        label_quality=row.label_quality,
        error_probability=row.error_probability,
        low=row.low,
        high=row.high,
        reason=row.reason,
    )
