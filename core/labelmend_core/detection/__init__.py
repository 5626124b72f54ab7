"""Detection: scores of every cell, combined, calibrated, and ranked as suggestions."""

from labelmend_core.detection.from_run import labels_of_run, rank_run, suggest
from labelmend_core.detection.suggest import find_label_issues

__all__ = ["find_label_issues", "labels_of_run", "rank_run", "suggest"]
