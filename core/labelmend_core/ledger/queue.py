"""Suggestions in the database: what one run found suspicious, and what of it is still open."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
from sqlalchemy import Engine, Row, Select, bindparam, exists, func, or_, select, text

from labelmend_core.ledger import schema
from labelmend_core.ledger._rows import spelled
from labelmend_core.ledger.answers import Answers, count_saving, suggestions_saved
from labelmend_core.ledger.best import Now, best_open
from labelmend_core.ledger.by_image import images_of_run
from labelmend_core.ledger.double_review import Second, open_again
from labelmend_core.ledger.engine import writing
from labelmend_core.ledger.ranking import Ranking, read_ranking
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
_AUDITED = exists().where(
    schema.audit_cells.c.run_id == _SUGGESTED.run_id,
    schema.audit_cells.c.image_index == _SUGGESTED.image_index,
    schema.audit_cells.c.class_index == _SUGGESTED.class_index,
)
# Rows go to the driver as they are: SQLAlchemy's own handling of each took four times as long.
_SAVE = f"""
INSERT INTO suggestions (run_id, {", ".join(COLUMNS)}) VALUES (?, {", ".join("?" * len(COLUMNS))})
ON CONFLICT (run_id, image_index, class_index) DO UPDATE SET {", ".join(f"{c} = excluded.{c}" for c in COLUMNS[2:])}
"""
# From the answered cells, which are few, to their suggestions: SQLite keeps the order of a CROSS JOIN, and chooses
# the other one for a plain JOIN, which asks every suggestion.
_COUNT_ANSWERED = text("""
SELECT s.class_index, s.kind, count(*)
FROM (SELECT DISTINCT image_index, class_index FROM standing_decisions WHERE verdict <> 'skip') AS answered
CROSS JOIN suggestions AS s
WHERE s.run_id = :run_id AND s.image_index = answered.image_index AND s.class_index = answered.class_index
GROUP BY s.class_index, s.kind
""")
_IDS = 10_000  # of one query


class Queue:
    """The suggestions of every run, ranked within kind."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._ranking: tuple[object, Ranking] | None = None
        self._answers = Answers()

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
                connection.exec_driver_sql(spelled(_SAVE, connection.dialect.name), records)
            count_saving(connection)

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

        Columns class_index, kind, suggested, open.
        """
        group = (_SUGGESTED.class_index, _SUGGESTED.kind)
        suggested = select(*group, func.count()).where(_SUGGESTED.run_id == run_id).group_by(*group).order_by(*group)
        with self._engine.connect() as connection:
            rows = connection.execute(suggested).all()
            answered = {(k, kind): n for k, kind, n in connection.execute(_COUNT_ANSWERED, {"run_id": run_id})}
        counts = [(k, kind, n, n - answered.get((k, kind), 0)) for k, kind, n in rows]
        return pd.DataFrame(counts, columns=["class_index", "kind", "suggested", "open"])

    def n_new(self, run_id: str, before: str) -> int:
        """Return how many suggestions of a run are of cells that the run `before` did not suggest."""
        old = schema.suggestions.alias()
        same = exists().where(
            old.c.run_id == before,
            old.c.image_index == _SUGGESTED.image_index,
            old.c.class_index == _SUGGESTED.class_index,
        )
        with self._engine.connect() as connection:
            query = select(func.count()).select_from(schema.suggestions).where(_SUGGESTED.run_id == run_id, ~same)
            return int(connection.execute(query).scalar_one())

    def answered(self, run_id: str, *, until: int | None = None) -> pd.DataFrame:
        """Return the standing answers to suggestions of a run in the order of their commit; a skip is none.

        Columns `labelmend_core.ledger.answers.COLUMNS`; a suggestion that was answered twice has two rows.

        Args:
            run_id: whose suggestions.
            until: a decision_id; answers as they stood then, whatever was decided or undone later.
        """
        with self._engine.connect() as connection:
            return self._answers.read(connection, run_id, until)

    def ranking(self, run_id: str) -> Ranking:
        """Return all suggestions of a run as arrays; those of the run asked for last are kept while nothing changes."""
        with self._engine.connect() as connection:
            name = run_id, suggestions_saved(connection)
            known = self._ranking
            if known is None or known[0] != name:
                known = (name, read_ranking(connection, run_id))
                self._ranking = known
        return known[1]

    def best(self, run_id: str, n: int, now: Mapping[Kind, Now], skipped: pd.DataFrame) -> pd.DataFrame:
        """Return the likeliest suggestions of all classes by the probability now: `labelmend_core.ledger.best`."""
        with self._engine.connect() as connection:
            return best_open(connection, run_id, n, now, skipped)

    def open(
        self,
        run_id: str,
        *,
        kind: Kind,
        class_index: int | None = None,
        after_rank: int = 0,
        last_rank: int | None = None,
        limit: int = 100,
        audited: bool = True,
        second: Second | None = None,
    ) -> list[Suggestion]:
        """Return open suggestions of one kind, best first, of one class or of all, ranked above `after_rank`.

        `last_rank` is the last one that is returned. Without `audited`, cells of the audit sample are left out: the
        review asks them at places of their own. For a `second` reviewer cells are open, too, that one other answered.
        """
        table_ = schema.suggestions
        open_ = ~_ANSWERED if second is None else or_(~_ANSWERED, open_again(run_id, _SUGGESTED, second))
        query = select(table_).where(table_.c.run_id == run_id, table_.c.kind == kind.value, open_)
        if class_index is not None:
            query = query.where(table_.c.class_index == class_index)
        if last_rank is not None:
            query = query.where(table_.c.rank <= last_rank)
        if not audited:
            query = query.where(~_AUDITED)
        return list(self._read(query.where(table_.c.rank > after_rank).order_by(table_.c.rank).limit(limit)))

    def images(self, run_id: str) -> pd.DataFrame:
        """Return the images with suggestions, image_index and expected errors: `labelmend_core.ledger.by_image`."""
        return images_of_run(self._engine, run_id)

    def open_of(self, run_id: str, images: Sequence[int], *, second: Second | None = None) -> list[Suggestion]:
        """Return the open suggestions of some images but cells of the audit sample, by image and class.

        For a `second` reviewer cells are open, too, that one other answered.
        """
        table_ = schema.suggestions
        open_ = ~_ANSWERED if second is None else or_(~_ANSWERED, open_again(run_id, _SUGGESTED, second))
        query = select(table_).where(table_.c.run_id == run_id, table_.c.image_index.in_(images), open_, ~_AUDITED)
        return list(self._read(query.order_by(table_.c.image_index, table_.c.class_index)))

    def last_rank(self, run_id: str, *, kind: Kind, class_index: int, least: float) -> int:
        """Return the last rank in a queue with an error_probability, as ranked, of at least `least`; 0 without any."""
        queue = _SUGGESTED.run_id == run_id, _SUGGESTED.kind == kind.value, _SUGGESTED.class_index == class_index
        query = select(_SUGGESTED.rank).where(*queue, _SUGGESTED.error_probability >= least)
        with self._engine.connect() as connection:
            return int(connection.execute(query.order_by(_SUGGESTED.rank.desc()).limit(1)).scalar() or 0)

    def neighbour(self, run_id: str, *, kind: Kind, class_index: int, rank: int) -> Suggestion | None:
        """Return the suggestion, open or not, with the highest rank up to `rank`, else the first; None without any."""
        table_ = schema.suggestions
        queue = table_.c.run_id == run_id, table_.c.kind == kind.value, table_.c.class_index == class_index
        above = select(table_).where(*queue, table_.c.rank <= rank).order_by(table_.c.rank.desc()).limit(1)
        first = select(table_).where(*queue).order_by(table_.c.rank).limit(1)
        return next(self._read(above), None) or next(self._read(first), None)

    def of_run(self, run_id: str) -> list[Suggestion]:
        """Return all suggestions of a run, missing before spurious, best first.

        An object each, with its reason: half a minute for a million. `ranking` and `best` are there for large runs.
        """
        table_ = schema.suggestions
        return list(self._read(select(table_).where(table_.c.run_id == run_id).order_by(table_.c.kind, table_.c.rank)))

    def get(self, suggestion_id: int) -> Suggestion | None:
        """Return one suggestion, None when there is none of that id."""
        query = select(schema.suggestions).where(schema.suggestions.c.suggestion_id == suggestion_id)
        return next(self._read(query), None)

    def error_probabilities(self, suggestion_ids: Iterable[int]) -> dict[int, float]:
        """Return of suggestions of any run, by id, how likely they were errors when they were made, in [0, 1]."""
        columns, wanted = schema.suggestions.c, list(suggestion_ids)
        found: dict[int, float] = {}
        with self._engine.connect() as connection:
            for start in range(0, len(wanted), _IDS):
                some = columns.suggestion_id.in_(wanted[start : start + _IDS])
                query = select(columns.suggestion_id, columns.error_probability).where(some)
                found |= {row.suggestion_id: row.error_probability for row in connection.execute(query)}
        return found

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
