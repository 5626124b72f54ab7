"""Detection: scores of every cell, combined, calibrated, and ranked as suggestions."""

from labelmend_core.detection.find import find_label_issues
from labelmend_core.detection.from_run import labels_of_run, rank_run, suggest
from labelmend_core.detection.learning import Outlook, best_now, learn, outlook, recalibrations
from labelmend_core.detection.remaining import Left, remaining_errors

__all__ = [
    "Left",
    "Outlook",
    "best_now",
    "find_label_issues",
    "labels_of_run",
    "learn",
    "outlook",
    "rank_run",
    "recalibrations",
    "remaining_errors",
    "suggest",
]
