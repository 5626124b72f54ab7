"""A bar that knows how long the rest takes."""

import time

from labelmend_app.cli._common import Bar


class Timed:
    """Follows the bar with the time that is left, from the steps done so far."""

    def __init__(self, bar: Bar) -> None:
        self._bar, self._started = bar, time.perf_counter()

    def __call__(self, phase: str, done: int, total: int) -> None:
        """Show that `done` of `total` steps are done."""
        spent = time.perf_counter() - self._started
        self._bar(phase, done, total, spent / done * (total - done) if done else None)
