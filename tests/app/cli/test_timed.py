"""The bar of commands that have several phases."""

from labelmend_app.cli._common import Bar
from labelmend_app.cli._timed import Timed


class Told(Bar):
    """Keeps the time left that it is told."""

    def __init__(self) -> None:
        self.left: list[float | None] = []

    def __call__(self, phase: str, done: int, total: int, eta_seconds: float | None) -> None:
        """Keep it."""
        self.left.append(eta_seconds)


def test_a_phase_is_not_charged_for_the_one_before() -> None:
    bar = Told()
    timed = Timed(bar)
    for phase, done in [("scoring", 0), ("scoring", 2), ("finding", 1), ("finding", 2)]:
        timed(phase, done, 2)
    assert [left is None for left in bar.left] == [True, False, True, False]


def test_steps_with_names_of_their_own_are_one_count() -> None:
    bar = Told()
    timed = Timed(bar)
    for done, table in enumerate(["images", "classes", "decisions"]):
        timed(table, done, 3)
    assert [left is None for left in bar.left] == [True, False, False]
