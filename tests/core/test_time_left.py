"""The time that is left, on a clock that the test turns."""

import pytest

from labelmend_core.time_left import TimeLeft


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the seconds now."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_rest_takes_as_long_a_step_as_the_steps_that_were_seen(clock: Clock) -> None:
    left = TimeLeft(clock)
    assert left(20, 100) is None  # done before, by somebody else
    clock.now += 30
    assert left(30, 100) == 30 / 10 * 70
    clock.now += 30
    assert left(50, 100) == 60 / 30 * 50


def test_a_count_that_begins_anew_forgets_how_fast_the_one_before_was(clock: Clock) -> None:
    left = TimeLeft(clock)
    left(0, 100)
    clock.now += 500
    left(100, 100)
    assert left(0, 100) is None
    clock.now += 10
    assert left(10, 100) == 90
    clock.now += 500
    assert left(10, 40) is None  # another total
    clock.now += 10
    assert left(20, 40) == 20


def test_it_says_nothing_before_a_step_is_done_and_nought_at_the_end(clock: Clock) -> None:
    left = TimeLeft(clock)
    assert left(0, 0) is None
    assert left(0, 2) is None
    clock.now += 5
    assert left(0, 2) is None
    assert left(2, 2) == 0
