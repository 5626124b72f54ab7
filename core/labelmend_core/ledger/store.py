"""The append-only record of decisions: resending is harmless, undo is an event, nothing is updated or deleted."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import pandas as pd
from sqlalchemy import Connection, Engine, Row, func, or_, select, text
from sqlalchemy.exc import IntegrityError

from labelmend_core.errors import InputError
from labelmend_core.ledger import schema
from labelmend_core.ledger.agreement import COLUMNS
from labelmend_core.ledger.catalog import TRAIN
from labelmend_core.ledger.engine import insert_into, writing
from labelmend_core.ledger.verdicts import CELL, DEFINITE
from labelmend_core.types import Decision, Verdict

# The cells first, from the index alone; SQLite keeps the order of a CROSS JOIN.
_SHARED = f"""
SELECT {", ".join(f"d.{name}" for name in COLUMNS)}
FROM (
    SELECT class_index AS k, image_index AS i FROM decisions
    GROUP BY class_index, image_index HAVING min(reviewer) <> max(reviewer)
) AS cells CROSS JOIN standing_decisions AS d WHERE d.class_index = k AND d.image_index = i
ORDER BY d.decision_id
"""
_ANSWERED = text("""
SELECT count(*) FROM decisions AS new WHERE new.decision_id > :after AND EXISTS (
    SELECT 1 FROM standing_decisions AS d
    WHERE d.class_index = new.class_index AND d.image_index = new.image_index
        AND d.decision_id <= :after AND d.verdict <> 'skip'
)
""")
_BLOCK = 500  # keys a query, well under SQLite's limit of variables


class Ledger:
    """Decisions of one workspace, in the order in which they were committed."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def append(self, decisions: Sequence[Decision], *, unanswered: bool = False) -> int:
        """Commit decisions and return how many were new; when this returns they survive a crash.

        A decision whose (client, seq) is already there is skipped, so a client may resend its log.

        Args:
            decisions: in the order in which they were made.
            unanswered: whether those that are new must be on cells without an answer; a skip is none.

        Raises:
            InputError: an unknown image, class or suggestion, an image that is no training image, an undo of
                nothing or of an undo, a (client, seq) that is already there with another content, or an answered
                cell where there must be none; then none of the decisions is stored.
        """
        if not decisions:
            return 0
        _refuse_malformed(decisions)
        table = schema.decisions
        try:
            with writing(self._engine).begin() as connection:
                now = datetime.now(UTC).replace(tzinfo=None)
                names = [{"name": name, "created_at": now} for name in sorted({d.reviewer for d in decisions})]
                connection.execute(insert_into(self._engine, schema.reviewers).on_conflict_do_nothing(), names)
                last = connection.execute(select(func.max(table.c.decision_id))).scalar() or 0
                statement = insert_into(self._engine, table).on_conflict_do_nothing(index_elements=["client", "seq"])
                connection.execute(statement, [_as_row(decision) for decision in decisions])
                count = select(func.count()).select_from(table).where(table.c.decision_id > last)
                added = int(connection.execute(count).scalar_one())
                if added < len(decisions):  # else none was there before, and none can differ
                    _refuse_rewriting(connection, decisions)
                _refuse_undo_of_nothing(connection, decisions)
                _refuse_elsewhere(connection, after=last)
                if unanswered:
                    _refuse_answered(connection, after=last)
                return added
        except IntegrityError as error:
            raise InputError(
                "Expected decisions on images, classes and suggestions of this workspace, got one on an unknown cell; "
                "was the page opened on another workspace or before the suggestions were made anew?"
            ) from error

    def decisions(self, *, after: int = 0) -> list[Decision]:
        """Return all events in the order of their commit, undo events included; `after` skips that many."""
        query = select(schema.decisions).order_by(schema.decisions.c.decision_id).offset(after)
        with self._engine.connect() as connection:
            return [_as_decision(row) for row in connection.execute(query)]

    def count(self) -> int:
        """Return the number of events."""
        with self._engine.connect() as connection:
            return int(connection.execute(select(func.count()).select_from(schema.decisions)).scalar_one())

    def newest(self, n: int | None = None) -> int:
        """Return the decision_id of the newest event, or of the newest of the first `n`; 0 when there is none.

        It is no count: events that were sent twice leave gaps between the ids.
        """
        query = select(schema.decisions.c.decision_id)
        if n is None:
            query = query.order_by(schema.decisions.c.decision_id.desc()).limit(1)
        elif n:
            query = query.order_by(schema.decisions.c.decision_id).offset(n - 1).limit(1)
        else:
            return 0
        with self._engine.connect() as connection:
            return int(connection.execute(query).scalar() or 0)

    def verdicts(self) -> pd.DataFrame:
        """Return the last standing present or absent of each cell: image_index, class_index, verdict.

        An adjudication counts before whatever else was said.
        """
        table = schema.standing_decisions.c
        query = select(table.image_index, table.class_index, table.verdict).order_by(
            table.adjudicates, table.decision_id
        )
        query = query.where(table.verdict.in_(DEFINITE))
        with self._engine.connect() as connection:
            rows = connection.execute(query).all()
        found = pd.DataFrame(rows, columns=["image_index", "class_index", "verdict"])
        return found.drop_duplicates(CELL, keep="last", ignore_index=True)

    def shared_answers(self) -> pd.DataFrame:
        """Return the standing decisions on cells that more than one reviewer decided, in the order of their commit.

        Columns `labelmend_core.ledger.agreement.COLUMNS`; what `agreements` and `conflicts` are worked out from.
        """
        with self._engine.connect() as connection:
            found = pd.DataFrame(connection.execute(text(_SHARED)).all(), columns=COLUMNS)
        return found.assign(decided_at=pd.to_datetime(found["decided_at"], utc=True, format="ISO8601"))

    def reviewers(self) -> list[str]:
        """Return the names under which something was ever decided."""
        with self._engine.connect() as connection:
            return list(connection.execute(select(schema.reviewers.c.name)).scalars())

    def acknowledged(self, client: str) -> int:
        """Return the highest seq of a client that is committed, 0 when there is none."""
        query = select(func.max(schema.decisions.c.seq)).where(schema.decisions.c.client == client)
        with self._engine.connect() as connection:
            return int(connection.execute(query).scalar() or 0)


def standing(events: Iterable[Decision]) -> list[Decision]:
    """Return the decisions that no undo has taken back, in their order."""
    events = list(events)
    undone = {event.undoes for event in events if event.undoes is not None}
    return [e for e in events if e.verdict is not Verdict.UNDO and (e.client, e.seq) not in undone]


def _refuse_malformed(decisions: Sequence[Decision]) -> None:
    for decision in decisions:
        where = f"decision {decision.seq} of client {decision.client}"
        if decision.seq < 1:
            raise InputError(f"Expected the decisions of client {decision.client} to count from 1, got {decision.seq}.")
        if (decision.verdict is Verdict.UNDO) != (decision.undoes is not None):
            raise InputError(f"Expected an undo, and nothing else, to name a decision that it takes back, got {where}.")
        if decision.adjudicates and not decision.verdict.is_definite:
            raise InputError(f"Expected an adjudication to say present or absent, got {decision.verdict} in {where}.")
        if decision.decided_at.tzinfo is None:
            raise InputError(f"Expected decided_at to have a time zone, got {decision.decided_at} for {where}.")


def _refuse_rewriting(connection: Connection, decisions: Sequence[Decision]) -> None:
    """A known (client, seq) must carry what it carried the first time."""
    found = _fetch(connection, [(d.client, d.seq) for d in decisions])
    for sent in decisions:
        stored = found[sent.client, sent.seq]
        for name in ("image", "class_index", "verdict", "reviewer", "suggestion_id", "undoes", "adjudicates"):
            before, now = getattr(stored, name), getattr(sent, name)
            if before != now:
                raise InputError(
                    f"Expected decision {sent.seq} of client {sent.client} to stay as it was sent first, with {name} "
                    f"{before}, got {now}; does another tab use this client id?"
                )


def _refuse_undo_of_nothing(connection: Connection, decisions: Sequence[Decision]) -> None:
    found = _fetch(connection, [d.undoes for d in decisions if d.undoes is not None])
    for undo in decisions:
        if undo.undoes is None:
            continue
        undone = found.get(undo.undoes)
        client, seq = undo.undoes
        if undone is None or (undone.image, undone.class_index) != (undo.image, undo.class_index):
            raise InputError(
                f"Expected an undo to name a decision on the same cell, got client {client} seq {seq}; "
                "was that decision never saved?"
            )
        if undone.verdict is Verdict.UNDO:
            raise InputError(
                f"Expected an undo to name a decision, got the undo of client {client} seq {seq}; "
                "to take an undo back, decide the cell again."
            )


def _refuse_elsewhere(connection: Connection, after: int) -> None:
    """A new decision must be on a training image, and on the cell of the suggestion that it answers."""
    decisions, images, suggestions = schema.decisions.c, schema.images.c, schema.suggestions.c
    joined = schema.decisions.join(schema.images).outerjoin(
        schema.suggestions, suggestions.suggestion_id == decisions.suggestion_id
    )
    other_cell = or_(suggestions.image_index != decisions.image_index, suggestions.class_index != decisions.class_index)
    query = select(decisions.client, decisions.seq, decisions.image_index, images.split).select_from(joined)
    query = query.where(decisions.decision_id > after, or_(images.split != TRAIN, other_cell))
    wrong = connection.execute(query.limit(1)).first()
    if wrong is None:
        return
    where = f"decision {wrong.seq} of client {wrong.client}"
    if wrong.split != TRAIN:
        raise InputError(f"Expected decisions on training images, got {where} on validation image {wrong.image_index}.")
    raise InputError(
        f"Expected a decision to be on the cell of its suggestion, got {where} on another; "
        "was the page opened before the suggestions were made anew?"
    )


def _refuse_answered(connection: Connection, after: int) -> None:
    """A new decision must be on a cell that nobody had answered."""
    meanwhile = int(connection.execute(_ANSWERED, {"after": after}).scalar_one())
    if meanwhile:
        raise InputError(f"Expected cells without an answer, but {meanwhile:,} got one meanwhile; look at them again.")


def _fetch(connection: Connection, keys: list[tuple[str, int]]) -> dict[tuple[str, int], Decision]:
    """Return the stored decisions of the given (client, seq)."""
    table = schema.decisions
    by_client: dict[str, list[int]] = {}
    for client, seq in keys:
        by_client.setdefault(client, []).append(seq)
    found = {}
    for client, numbers in by_client.items():
        for start in range(0, len(numbers), _BLOCK):
            block = numbers[start : start + _BLOCK]
            for row in connection.execute(select(table).where(table.c.client == client, table.c.seq.in_(block))):
                found[row.client, row.seq] = _as_decision(row)
    return found


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
        "adjudicates": decision.adjudicates,
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
        adjudicates=bool(row.adjudicates),
    )
