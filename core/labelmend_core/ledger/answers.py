"""Standing answers to a run's suggestions: all are read once, and from then on only what was decided since.

A review asks for them at every page, and there may be tens of thousands.
"""

from typing import NamedTuple

import pandas as pd
from sqlalchemy import Connection, text

from labelmend_core.ledger._rows import read_rows

COLUMNS = [
    "decision_id",
    "verdict",
    "image_index",
    "class_index",
    "kind",
    "rank",
    "error_probability",
    "reviewer",
    "adjudicates",
]
# As it stood at a decision: what came later is as if it had not happened, the undoing of earlier ones, too.
_SAID = """
SELECT d.decision_id, d.verdict, d.image_index, d.class_index, s.kind, s.rank, s.error_probability,
    d.reviewer, d.adjudicates
FROM decisions AS d CROSS JOIN suggestions AS s
WHERE d.decision_id > :since AND d.decision_id <= :until AND d.verdict NOT IN ('undo', 'skip') AND NOT EXISTS (
    SELECT 1 FROM decisions AS u
    WHERE u.undoes_client = d.client AND u.undoes_seq = d.seq AND u.decision_id <= :until
) AND s.run_id = :run_id AND s.image_index = d.image_index AND s.class_index = d.class_index
ORDER BY d.decision_id
"""
_TAKEN_BACK = """
SELECT d.decision_id FROM decisions AS u CROSS JOIN decisions AS d
WHERE u.decision_id > :since AND u.decision_id <= :until AND u.verdict = 'undo'
    AND d.client = u.undoes_client AND d.seq = u.undoes_seq AND d.decision_id <= :since
"""
_NEWEST = text("SELECT coalesce(max(decision_id), 0) FROM decisions")
_SAVED = text("SELECT value FROM preferences WHERE name = 'suggestions_saved'")
_SAVE = text("""
INSERT INTO preferences (name, value) VALUES ('suggestions_saved', '1')
ON CONFLICT (name) DO UPDATE
SET value = CAST(CAST(CAST(CAST(preferences.value AS TEXT) AS INTEGER) + 1 AS TEXT) AS JSON)
""")


def suggestions_saved(connection: Connection) -> int:
    """Return how often suggestions were saved: as long as it is the same, so are all of them."""
    return int(connection.execute(_SAVED).scalar() or 0)


def count_saving(connection: Connection) -> None:
    """Note in the transaction that saves suggestions that they were."""
    connection.execute(_SAVE)


class _Known(NamedTuple):
    run_id: str
    saved: int
    until: int
    frame: pd.DataFrame


class Answers:
    """The standing answers of the run that was asked for last."""

    def __init__(self) -> None:
        self._known: _Known | None = None

    def read(self, connection: Connection, run_id: str, until: int | None) -> pd.DataFrame:
        """Return a row an answer, columns `COLUMNS`, in the order of their commit.

        Args:
            connection: in a transaction.
            run_id: whose suggestions.
            until: a decision_id; answers as they stood then. None: as they stand.
        """
        saved, newest = suggestions_saved(connection), int(connection.execute(_NEWEST).scalar_one())
        until = newest if until is None else min(until, newest)
        known = self._known
        if known is None or (known.run_id, known.saved) != (run_id, saved) or known.until > until:
            known = _Known(run_id, saved, 0, pd.DataFrame(columns=COLUMNS))
        found = _later(connection, known, until)
        if until == newest:
            self._known = found
        return found.frame.copy(deep=False)  # nobody may change a column of what is kept


def _later(connection: Connection, known: _Known, until: int) -> _Known:
    """Return the same at a later decision."""
    if known.until == until:
        return known
    asked = {"run_id": known.run_id, "since": known.until, "until": until}
    new = pd.DataFrame(read_rows(connection, _SAID, asked, COLUMNS))
    if known.frame.empty:
        return known._replace(until=until, frame=new)
    gone = [row[0] for row in connection.execute(text(_TAKEN_BACK), asked)]
    kept = known.frame[~known.frame["decision_id"].isin(gone)]
    return known._replace(until=until, frame=pd.concat([kept, new] if len(new) else [kept], ignore_index=True))
