"""Every event of the ledger with what it was about: who decided what, when, on which evidence, and does it stand."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import Engine

from labelmend_core.ledger._rows import driver_cursor
from labelmend_core.ledger.agreement import agreement_of_reviewers
from labelmend_core.ledger.verdicts import calls_wrong
from labelmend_core.types import BULK_CLIENT, Verdict

COLUMNS = [
    "decision_id",
    "decided_at",
    "reviewer",
    "image_index",
    "image",
    "class",
    "verdict",
    "asked",
    "run",
    "error_probability",
    "rank",
    "state",
    "adjudicates",
]
BY_REVIEWER = ["reviewer", "answered", "unsure", "accepted", "hours", "per_hour", "agreement", "shared", "last"]
_IDLE_SECONDS = 60  # a longer pause between two answers is not counted as work, as on the review screen
_BLOCK = 20_000
# The newest audit cell that a decision without a suggestion may have answered.
_AUDIT = f"""(SELECT a.{{}} FROM audit_cells AS a
    WHERE d.suggestion_id IS NULL AND NOT d.adjudicates AND d.client NOT LIKE '{BULK_CLIENT}%'
    AND a.image_index = d.image_index AND a.class_index = d.class_index ORDER BY a.audit_id DESC LIMIT 1)"""
_FROM = """
FROM decisions AS d JOIN images AS i ON i.image_index = d.image_index
JOIN classes AS c ON c.class_index = d.class_index
LEFT JOIN suggestions AS s ON s.suggestion_id = d.suggestion_id
"""
_SELECT = f"""
SELECT d.decision_id, d.decided_at, d.reviewer, d.image_index, i.image_id, c.name, d.verdict,
    coalesce(s.kind, 'audit: ' || {_AUDIT.format("kind")}, ''),
    coalesce(s.run_id, {_AUDIT.format("run_id")}, ''),
    coalesce(s.error_probability, {_AUDIT.format("error_probability")}), s.rank,
    CASE WHEN d.verdict = 'undo' THEN 'takes back'
         WHEN EXISTS (SELECT 1 FROM decisions AS u WHERE u.undoes_client = d.client AND u.undoes_seq = d.seq)
         THEN 'undone' ELSE 'stands' END,
    d.adjudicates
{_FROM}
"""
_ANSWERS = f"""
SELECT d.reviewer, d.decided_at, d.verdict, coalesce(s.kind, {_AUDIT.format("kind")}), d.client LIKE '{BULK_CLIENT}%'
FROM standing_decisions AS d LEFT JOIN suggestions AS s ON s.suggestion_id = d.suggestion_id
WHERE d.verdict <> 'skip' AND NOT d.adjudicates
"""


@dataclass(frozen=True)
class Wanted:
    """Which events; None and "" ask for any.

    Attributes:
        name: part of the image's name, in small or large letters.
        since, until: days in UTC, both included.
    """

    class_index: int | None = None
    reviewer: str = ""
    verdict: Verdict | None = None
    run_id: str = ""
    name: str = ""
    since: date | None = None
    until: date | None = None


class Trail:
    """The events of one workspace, newest first."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def count(self, wanted: Wanted) -> int:
        """Return how many events there are."""
        where, values = _where(wanted)
        with self._engine.connect() as connection, driver_cursor(connection) as cursor:
            return int(cursor.execute(f"SELECT count(*) {_FROM} {where}", values).fetchone()[0])

    def page(self, wanted: Wanted, *, offset: int = 0, limit: int = 100) -> pd.DataFrame:
        """Return so many events from the `offset`-th on, newest first, columns `COLUMNS`.

        `asked` is the kind of the suggestion, or of the audited cell with "audit: " before it, "" for neither;
        `error_probability` as it was ranked; `state` is "stands", "undone", or "takes back" for an undo itself.
        """
        where, values = _where(wanted)
        query = f"{_SELECT} {where} ORDER BY d.decision_id DESC LIMIT :limit OFFSET :offset"
        return self._read(query, values | {"limit": limit, "offset": offset})

    def blocks(self, wanted: Wanted) -> Iterator[pd.DataFrame]:
        """Give all events, newest first, in blocks as `page` returns them; at least one, which may be empty."""
        where, values = _where(wanted)
        query = f"{_SELECT} {where} AND d.decision_id < :before ORDER BY d.decision_id DESC LIMIT {_BLOCK}"
        before = 2**62
        while True:
            block = self._read(query, values | {"before": before})
            yield block
            if len(block) < _BLOCK:
                return
            before = int(block["decision_id"].iloc[-1])

    def reviewers(self, shared: pd.DataFrame) -> pd.DataFrame:
        """Return a row a reviewer, who answered most first, columns `BY_REVIEWER`.

        What they answered counts as it stands: `accepted` is the share of the suggestions and audited cells that they
        called errors, in [0, 1]; `hours` the time between answers, without pauses; `agreement` the share of the others'
        answers to the same cells that agree, in [0, 1], and `shared` the number of these cells; `last` when.

        Args:
            shared: of `Ledger.shared_answers`.
        """
        with self._engine.connect() as connection, driver_cursor(connection) as cursor:
            rows = cursor.execute(_ANSWERS).fetchall()
        said = pd.DataFrame(rows, columns=["reviewer", "decided_at", "verdict", "kind", "of_many"])
        said["decided_at"] = pd.to_datetime(said["decided_at"], utc=True, format="ISO8601")
        agrees = agreement_of_reviewers(shared)
        found = [
            _of_reviewer(str(name), own, *agrees.get(str(name), (None, 0))) for name, own in said.groupby("reviewer")
        ]
        frame = pd.DataFrame(found, columns=BY_REVIEWER)
        return frame.sort_values(["answered", "reviewer"], ascending=[False, True], ignore_index=True)

    def _read(self, query: str, values: dict[str, Any]) -> pd.DataFrame:
        with self._engine.connect() as connection, driver_cursor(connection) as cursor:
            found = pd.DataFrame(cursor.execute(query, values).fetchall(), columns=COLUMNS)
        return found.assign(
            decided_at=pd.to_datetime(found["decided_at"], utc=True, format="ISO8601"),
            adjudicates=found["adjudicates"].astype(bool),
            rank=found["rank"].astype("Int64"),
            error_probability=found["error_probability"].astype(float).round(6),
        )


def _of_reviewer(name: str, own: pd.DataFrame, agreement: float | None, shared: int) -> tuple[Any, ...]:
    asked = own[own["kind"].notna() & (own["verdict"] != Verdict.UNSURE.value)]
    accepted = float(calls_wrong(asked).mean()) if len(asked) else None
    one_by_one = own.loc[own["of_many"] == 0, "decided_at"]  # one answer for many takes no time for each
    pauses = one_by_one.sort_values().diff().dt.total_seconds().iloc[1:]
    hours = float(np.minimum(pauses, _IDLE_SECONDS).sum()) / 3600
    per_hour = len(pauses) / hours if hours else None
    unsure = int((own["verdict"] == Verdict.UNSURE.value).sum())
    return name, len(own), unsure, accepted, hours, per_hour, agreement, shared, own["decided_at"].max()


def _where(wanted: Wanted) -> tuple[str, dict[str, Any]]:
    run = f"coalesce(s.run_id, {_AUDIT.format('run_id')})"
    until = None if wanted.until is None else wanted.until + timedelta(days=1)
    conditions = {
        "d.class_index = :class_index": wanted.class_index,
        "d.reviewer = :reviewer": wanted.reviewer or None,
        "d.verdict = :verdict": None if wanted.verdict is None else wanted.verdict.value,
        f"{run} = :run_id": wanted.run_id or None,
        "instr(lower(i.image_id), :name) > 0": _small(wanted.name) or None,
        "d.decided_at >= :since": _midnight(wanted.since),
        "d.decided_at < :until": _midnight(until),
    }
    asked = {condition: value for condition, value in conditions.items() if value is not None}
    values = {condition.rsplit(":", 1)[1].split(")")[0]: value for condition, value in asked.items()}
    return " AND ".join(["WHERE 1 = 1", *asked]), values


def _small(name: str) -> str:
    """Return a name in small letters as the database makes them: A to Z only."""
    return "".join(letter.lower() if letter.isascii() else letter for letter in name)


def _midnight(day: date | None) -> str | None:
    """Return the start of a day as SQLAlchemy writes times into SQLite."""
    return None if day is None else f"{datetime.combine(day, time(), UTC):%Y-%m-%d %H:%M:%S.%f}"
