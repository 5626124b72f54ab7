"""The append-only record of decisions: resending is harmless, undo is an event, nothing is updated or deleted."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, Row, func, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import IntegrityError

from labelmend_core.errors import InputError
from labelmend_core.ledger import schema
from labelmend_core.ledger.engine import writing
from labelmend_core.types import Decision, Verdict

_INSERT = {"sqlite": sqlite_insert, "postgresql": postgresql_insert}
_BLOCK = 500  # keys a query, well under SQLite's limit of variables


class Ledger:
    """Decisions of one workspace, in the order in which they were committed."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def append(self, decisions: Sequence[Decision]) -> int:
        """Commit decisions and return how many were new; when this returns they survive a crash.

        A decision whose (client, seq) is already there is skipped, so a client may resend its log.

        Raises:
            InputError: an unknown image or class, an undo of nothing, or a (client, seq) that is
                already there with another content; then none of the decisions is stored.
        """
        if not decisions:
            return 0
        rows = [_as_row(decision) for decision in decisions]
        insert = _INSERT[self._engine.dialect.name]
        try:
            with writing(self._engine).begin() as connection:
                now = datetime.now(UTC).replace(tzinfo=None)
                names = [{"name": name, "created_at": now} for name in sorted({d.reviewer for d in decisions})]
                connection.execute(insert(schema.reviewers).on_conflict_do_nothing(), names)
                before = connection.execute(select(func.count()).select_from(schema.decisions)).scalar_one()
                statement = insert(schema.decisions).on_conflict_do_nothing(index_elements=["client", "seq"])
                connection.execute(statement, rows)
                after = connection.execute(select(func.count()).select_from(schema.decisions)).scalar_one()
                self._refuse_rewriting(connection, rows)
                self._refuse_undo_of_nothing(connection, decisions)
        except IntegrityError as error:
            raise InputError(
                "Expected decisions on images, classes and suggestions of this workspace, got one on an unknown cell; "
                "was the page opened on another workspace?"
            ) from error
        return int(after - before)

    def decisions(self, *, after: int = 0) -> list[Decision]:
        """Return all events in the order of their commit, undo events included; `after` skips that many."""
        query = select(schema.decisions).order_by(schema.decisions.c.decision_id).offset(after)
        with self._engine.connect() as connection:
            return [_as_decision(row) for row in connection.execute(query)]

    def count(self) -> int:
        """Return the number of events."""
        with self._engine.connect() as connection:
            return int(connection.execute(select(func.count()).select_from(schema.decisions)).scalar_one())

    def acknowledged(self, client: str) -> int:
        """Return the highest seq of a client that is committed, 0 when there is none."""
        query = select(func.max(schema.decisions.c.seq)).where(schema.decisions.c.client == client)
        with self._engine.connect() as connection:
            return int(connection.execute(query).scalar() or 0)

    @staticmethod
    def _refuse_rewriting(connection: Any, rows: list[dict[str, Any]]) -> None:
        """A known (client, seq) must carry what it carried the first time."""
        sent = {(row["client"], row["seq"]): row for row in rows}
        for found in _fetch(connection, list(sent)):
            row = sent[found.client, found.seq]
            for name in ("image_index", "class_index", "verdict", "reviewer", "undoes_client", "undoes_seq"):
                if getattr(found, name) != row[name]:
                    raise InputError(
                        f"Expected decision {found.seq} of client {found.client} to stay {name} "
                        f"{getattr(found, name)!r}, got {row[name]!r}; does another tab use this client id?"
                    )

    @staticmethod
    def _refuse_undo_of_nothing(connection: Any, decisions: Sequence[Decision]) -> None:
        wanted = {d.undoes: d for d in decisions if d.undoes is not None}
        found = {(row.client, row.seq): row for row in _fetch(connection, list(wanted))}
        for key, undo in wanted.items():
            row = found.get(key)
            if row is None or (row.image_index, row.class_index) != (undo.image, undo.class_index):
                raise InputError(
                    f"Expected an undo to name a decision on the same cell, got client {key[0]} seq {key[1]}; "
                    "was that decision never saved?"
                )


def standing(events: Iterable[Decision]) -> list[Decision]:
    """Return the decisions that no undo has taken back, in their order."""
    events = list(events)
    undone = {event.undoes for event in events if event.undoes is not None}
    return [e for e in events if e.verdict is not Verdict.UNDO and (e.client, e.seq) not in undone]


def _fetch(connection: Any, keys: list[tuple[str, int]]) -> Iterable[Row[Any]]:
    table = schema.decisions
    by_client: dict[str, list[int]] = {}
    for client, seq in keys:
        by_client.setdefault(client, []).append(seq)
    for client, numbers in by_client.items():
        for start in range(0, len(numbers), _BLOCK):
            block = numbers[start : start + _BLOCK]
            yield from connection.execute(select(table).where(table.c.client == client, table.c.seq.in_(block)))


def _as_row(decision: Decision) -> dict[str, Any]:
    undoes_client, undoes_seq = decision.undoes or (None, None)
    return {
        "client": decision.client,
        "seq": decision.seq,
        "image_index": decision.image,
        "class_index": decision.class_index,
        "verdict": decision.verdict.value,
        "reviewer": decision.reviewer,
        "decided_at": decision.decided_at.astimezone(UTC).replace(tzinfo=None),
        "suggestion_id": decision.suggestion_id,
        "undoes_client": undoes_client,
        "undoes_seq": undoes_seq,
    }


def _as_decision(row: Row[Any]) -> Decision:
    return Decision(
        client=row.client,
        seq=row.seq,
        image=row.image_index,
        class_index=row.class_index,
        verdict=Verdict(row.verdict),
        reviewer=row.reviewer,
        decided_at=row.decided_at.replace(tzinfo=UTC),
        suggestion_id=row.suggestion_id,
        undoes=None if row.undoes_client is None else (row.undoes_client, row.undoes_seq),
    )
