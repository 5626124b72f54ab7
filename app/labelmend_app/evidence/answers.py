"""What stands in the ledger, by image, kept up with it: each look reads only what was decided since the last one."""

from threading import Lock

from labelmend_core.ledger import Ledger, decided_by
from labelmend_core.types import Decision, Verdict


class Answers:
    """The answers of one workspace; safe to ask from several threads.

    Args:
        ledger: where they are.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger, self._lock = ledger, Lock()
        self._seen = 0
        self._by_image: dict[int, list[Decision]] = {}

    def refresh(self) -> None:
        """Read what was decided since the last time."""
        with self._lock:
            new = self._ledger.decisions(after=self._seen)
            self._seen += len(new)
            for event in new:
                self._by_image.setdefault(event.image, []).append(event)

    def of_image(self, image: int) -> dict[int, Verdict]:
        """Return the last standing present or absent of each class of an image, as of the last refresh."""
        with self._lock:
            events = list(self._by_image.get(image, ()))
        return {class_index: decision.verdict for (_, class_index), decision in decided_by(events).items()}
