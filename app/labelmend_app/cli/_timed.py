"""A bar that knows how long the rest takes."""

from labelmend_app.cli._common import Bar
from labelmend_core.time_left import TimeLeft


class Timed:
    """Follows the bar with the time that is left, from the steps done so far of what is counted now."""

    def __init__(self, bar: Bar) -> None:
        self._bar, self._left = bar, TimeLeft()

    def __call__(self, phase: str, done: int, total: int) -> None:
        """Show that `done` of `total` steps are done."""
        self._bar(phase, done, total, self._left(done, total))
