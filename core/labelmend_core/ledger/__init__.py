"""The database of a workspace: images, given labels, runs, suggestions, and the append-only decisions."""

from labelmend_core.ledger.catalog import TRAIN, VALIDATION, Catalog
from labelmend_core.ledger.engine import open_engine
from labelmend_core.ledger.queue import Queue
from labelmend_core.ledger.replay import Policy, decided_by, replay
from labelmend_core.ledger.runs import RunRecord, Runs, Status
from labelmend_core.ledger.store import Ledger, standing

__all__ = [
    "TRAIN",
    "VALIDATION",
    "Catalog",
    "Ledger",
    "Policy",
    "Queue",
    "RunRecord",
    "Runs",
    "Status",
    "decided_by",
    "open_engine",
    "replay",
    "standing",
]
