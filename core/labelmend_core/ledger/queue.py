"""Suggestions in the database: what one run found suspicious, and what of it is still open."""

import json
from collections.abc import Iterator
from typing import Any

import pandas as pd
from sqlalchemy import Engine, Row, Select, bindparam, exists, func, select, text

from labelmend_core.ledger import schema
from labelmend_core.ledger.engine import writing
from labelmend_core.types import Kind, Suggestion, Verdict

COLUMNS = ("image_index", "class_index", "kind", "rank", "label_quality", "error_probability", "low", "high", "reason")

_STANDING = schema.standing_decisions.c
_SUGGESTED = schema.suggestions.c
# A cell is answered by any standing decision but a skip: a skip only means "not now".
_ANSWERED = exists().where(
    _STANDING.image_index == _SUGGESTED.image_index,
    _STANDING.class_index == _SUGGESTED.class_index,
    _STANDING.verdict != Verdict.SKIP.value,
)
# Rows go to the driver as they are: SQLAlchemy's own handling of each took four times as long.
_SAVE = f"""
INSERT INTO suggestions (run_id, {", ".join(COLUMNS)}) VALUES (?, {", ".join("?" * len(COLUMNS))})
ON CONFLICT (run_id, image_index, class_index) DO UPDATE SET {", ".join(f"{c} = excluded.{c}" for c in COLUMNS[2:])}
"""
# From the answered cells, which are few, to their suggestions: SQLite keeps the order of a CROSS JOIN, and chooses
# the other one for a plain JOIN, which asks every suggestion.
_COUNT_ANSWERED = text("""
SELECT s.class_index, s.kind, count(*), sum(s.error_probability)
FROM (SELECT DISTINCT image_index, class_index FROM standing_decisions WHERE verdict <> 'skip') AS answered
CROSS JOIN suggestions AS s
WHERE s.run_id = :run_id AND s.image_index = answered.image_index AND s.class_index = answered.class_index
GROUP BY s.class_index, s.kind
""")


class Queue:
    """The suggestions of every run, ranked within kind."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def save(self, run_id: str, frame: pd.DataFrame) -> None:
        """Store a run's suggestions, columns `COLUMNS`, in place of those that it had.

        A cell that is suggested again keeps its suggestion's id, as does a suggestion that a decision was made on.
        """
        columns = [frame[name].tolist() for name in COLUMNS[:-1]]
        reasons = [json.dumps(reason, allow_nan=False) for reason in frame["reason"]]
        records = list(zip([run_id] * len(frame), *columns, reasons, strict=True))
        new = set(zip(columns[0], columns[1], strict=True))
        had = select(_SUGGESTED.suggestion_id, _SUGGESTED.image_index, _SUGGESTED.class_index)
        had = had.where(_SUGGESTED.run_id == run_id)
        used = exists().where(schema.decisions.c.suggestion_id == _SUGGESTED.suggestion_id)
        delete = schema.suggestions.delete().where(_SUGGESTED.suggestion_id == bindparam("gone"), ~used)
        with writing(self._engine).begin() as connection:
            gone = [{"gone": id_} for id_, *cell in connection.execute(had) if tuple(cell) not in new]
            if gone:
                connection.execute(delete, gone)
            if records:
                connection.exec_driver_sql(_SAVE, records)

    def latest_run(self) -> str | None:
        """Return the newest run that has suggestions, None when there is none."""
        query = (
            select(schema.runs.c.run_id)
            .where(exists().where(_SUGGESTED.run_id == schema.runs.c.run_id))
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
        group = (_SUGGESTED.class_index, _SUGGESTED.kind)
        suggested = select(*group, func.count(), func.sum(_SUGGESTED.error_probability))
        suggested = suggested.where(_SUGGESTED.run_id == run_id).group_by(*group).order_by(*group)
        with self._engine.connect() as connection:
            rows = connection.execute(suggested).all()
            answered = {(c, k): (n, p) for c, k, n, p in connection.execute(_COUNT_ANSWERED, {"run_id": run_id})}
        counts = []
        for class_index, kind, n, probability in rows:
            n_answered, of_answered = answered.get((class_index, kind), (0, 0.0))
            open_ = n - n_answered
            counts.append((class_index, kind, n, open_, max(0.0, probability - of_answered) if open_ else 0.0))
        return pd.DataFrame(counts, columns=["class_index", "kind", "suggested", "open", "expected"])

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
