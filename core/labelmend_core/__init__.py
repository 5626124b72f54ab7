"""What labelmend knows: labels, losses, models, training, detection, the ledger and the workspace."""

from labelmend_core.types import AnnotatedDataset, Decision, Kind, LabelMatrix, Suggestion, Verdict

__all__ = ["AnnotatedDataset", "Decision", "Kind", "LabelMatrix", "Suggestion", "Verdict"]
