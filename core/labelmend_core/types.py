"""The words of the project as types: labels of N images and K classes, suggestions and decisions about one cell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from labelmend_core.errors import InputError
from labelmend_core.label_matrix import ABSENT, PRESENT, UNOBSERVED, Int8Array, IntArray, LabelMatrix

__all__ = [
    "ABSENT",
    "BULK_CLIENT",
    "PRESENT",
    "UNOBSERVED",
    "AnnotatedDataset",
    "Decision",
    "Dynamics",
    "Int8Array",
    "Int16Array",
    "IntArray",
    "Kind",
    "LabelMatrix",
    "Suggestion",
    "Verdict",
]

Int16Array = NDArray[np.int16]

BULK_CLIENT = "bulk-"  # so begins the client of one answer to many cells at once: nobody looked at each of them


class Kind(StrEnum):
    """The two kinds of label error."""

    MISSING = "missing"
    SPURIOUS = "spurious"

    @property
    def error_verdict(self) -> "Verdict":
        """What says that the label is wrong: the class of a missing label is present, that of a spurious one absent."""
        return Verdict.PRESENT if self is Kind.MISSING else Verdict.ABSENT

    @property
    def fine_verdict(self) -> "Verdict":
        """What says that the label is right."""
        return Verdict.ABSENT if self is Kind.MISSING else Verdict.PRESENT


class Verdict(StrEnum):
    """What a reviewer says of one (image, class) cell; `UNDO` takes an earlier decision back."""

    PRESENT = "present"
    ABSENT = "absent"
    UNSURE = "unsure"
    SKIP = "skip"
    UNDO = "undo"

    @property
    def is_definite(self) -> bool:
        """Whether it says what the label is: present or absent."""
        return self in (Verdict.PRESENT, Verdict.ABSENT)


@dataclass(frozen=True)
class AnnotatedDataset:
    """What an annotation file says: which images there are, which classes, and what each image was given.

    Attributes:
        image_ids: name of each image in the source, unique, length N.
        paths: where each image lies, relative to the image folder, with forward slashes, length N.
        class_names: length K; the position is the class index.
        given_labels: (N, K), 1 present, -1 absent, 0 unobserved.
    """

    image_ids: Sequence[str]
    paths: Sequence[str]
    class_names: Sequence[str]
    given_labels: LabelMatrix

    def __post_init__(self) -> None:
        expected = (len(self.image_ids), len(self.class_names))
        if self.given_labels.shape != expected or len(self.paths) != expected[0]:
            raise InputError(
                f"Expected given_labels of shape {expected} and {expected[0]} paths, "
                f"got {self.given_labels.shape} and {len(self.paths)}"
            )
        if len(set(self.image_ids)) != len(self.image_ids):
            raise InputError("Expected every image_id once; was an image listed twice?")
        if len(set(self.class_names)) != len(self.class_names):
            raise InputError("Expected every class name once; does the class file repeat a line?")


@dataclass(frozen=True, eq=False)
class Dynamics:
    """What was recorded of every cell while a network learned; arrays of shape (N, K).

    Attributes:
        mean, variance: of p over the epochs, NaN where an image was never seen.
        last: p of the last epoch, NaN likewise.
        flip_epoch: int16, first epoch (0-based) at which an unobserved cell had p > tau, -1 for never.
        flips: int16, how often the cell crossed tau between one epoch and the next.
    """

    mean: NDArray[np.floating]
    variance: NDArray[np.floating]
    last: NDArray[np.floating]
    flip_epoch: Int16Array
    flips: Int16Array


@dataclass(frozen=True)
class Suggestion:
    """One cell that looks wrong.

    Attributes:
        label_quality: in [0, 1], low = suspicious.
        error_probability: in [0, 1], with the interval low … high.
        rank: 1 is the most likely error of its kind.
        reason: what spoke for it, by name: out-of-sample p, mean p over epochs, flip epoch, …; `scores`, by name in
            turn, are what each score adds to the suspicion in log-odds.
    """

    suggestion_id: int
    run_id: str
    image: int
    class_index: int
    kind: Kind
    rank: int
    label_quality: float
    error_probability: float
    low: float
    high: float
    reason: Mapping[str, float | int | str | Mapping[str, float] | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Decision:
    """One event of the ledger: what a reviewer said of one cell, or that an earlier decision is taken back.

    Attributes:
        client, seq: who sent it and its running number there; together unique, so resending is harmless.
        undoes: for `Verdict.UNDO`, client and seq of the decision that no longer counts.
        adjudicates: it settles a cell on which others disagree, whatever the policy; only of a present or an absent.
    """

    client: str
    seq: int
    image: int
    class_index: int
    verdict: Verdict
    reviewer: str
    decided_at: datetime
    suggestion_id: int | None = None
    undoes: tuple[str, int] | None = None
    adjudicates: bool = False
