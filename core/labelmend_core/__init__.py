"""What labelmend knows: labels, losses, models, training, detection, the ledger and the workspace."""

from typing import TYPE_CHECKING, Any

from labelmend_core.types import AnnotatedDataset, Decision, Dynamics, Kind, LabelMatrix, Suggestion, Verdict

if TYPE_CHECKING:
    from labelmend_core.detection import find_label_issues
    from labelmend_core.training.recording import record

__all__ = [
    "AnnotatedDataset",
    "Decision",
    "Dynamics",
    "Kind",
    "LabelMatrix",
    "Suggestion",
    "Verdict",
    "find_label_issues",
    "record",
]


def __getattr__(name: str) -> Any:
    # Detection brings pandas and the database along, the recorder torch: only who asks for them waits.
    if name == "find_label_issues":
        from labelmend_core.detection import find_label_issues

        return find_label_issues
    if name == "record":
        from labelmend_core.training.recording import record

        return record
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
