"""How long work will still take, from what of it is done."""

import time
from collections.abc import Callable


class TimeLeft:
    """The seconds that a count will still take, at the pace so far.

    A count begins anew when it goes back or counts to another total, not when its steps have other names: many tell
    each step by a name of its own and go on counting. What came before the first call is not counted.

    Args:
        clock: the seconds now, from any moment on.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._since = clock, 0.0
        self._first, self._done, self._total = 0, 0, -1

    def __call__(self, done: int, total: int) -> float | None:
        """Return the seconds left when `done` of `total` steps are done, None while none was seen to be done."""
        now = self._clock()
        if total != self._total or done < self._done:
            self._since, self._first, self._total = now, done, total
        self._done = done
        steps = done - self._first
        return (now - self._since) / steps * (total - done) if steps > 0 else None
