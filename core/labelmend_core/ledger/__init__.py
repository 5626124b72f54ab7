"""The database of a workspace: images, given labels, runs, suggestions, and the append-only decisions."""

from labelmend_core.ledger.agreement import Agreement, Answer, Conflict, agreements, conflicts
from labelmend_core.ledger.audits import AuditCell, Audits
from labelmend_core.ledger.catalog import TRAIN, VALIDATION, Catalog
from labelmend_core.ledger.double_review import DoubleReview, Second
from labelmend_core.ledger.engine import Database, change_stamp, open_engine
from labelmend_core.ledger.postgresql import ServerDatabase
from labelmend_core.ledger.queue import Queue
from labelmend_core.ledger.replay import Policy, decided_by, replay
from labelmend_core.ledger.runs import RunRecord, Runs, Status
from labelmend_core.ledger.store import Ledger, standing
from labelmend_core.ledger.trail import Trail, Wanted

__all__ = [
    "TRAIN",
    "VALIDATION",
    "Agreement",
    "Answer",
    "AuditCell",
    "Audits",
    "Catalog",
    "Conflict",
    "Database",
    "DoubleReview",
    "Ledger",
    "Policy",
    "Queue",
    "RunRecord",
    "Runs",
    "Second",
    "ServerDatabase",
    "Status",
    "Trail",
    "Wanted",
    "agreements",
    "change_stamp",
    "conflicts",
    "decided_by",
    "open_engine",
    "replay",
    "standing",
]
