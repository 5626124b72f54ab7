"""What a format is: a reader and a writer that agree, and what a person needs to choose between them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from labelmend_core.types import AnnotatedDataset, LabelMatrix


class Reader(Protocol):
    """Returns the dataset that `source` describes; `classes` names a side file with one class name a line."""

    def __call__(self, source: Path, *, classes: Path | None = None) -> AnnotatedDataset: ...


class Writer(Protocol):
    """Writes `source` with the corrected labels to `destination` and returns the paths written, that one first.

    `dataset` is what the reader gave for `source`. Whatever the correction did not change is kept.
    """

    def __call__(
        self, source: Path, destination: Path, dataset: AnnotatedDataset, corrected: LabelMatrix
    ) -> list[Path]: ...


class Creator(Protocol):
    """Writes a dataset to a new file, without a source whose other content would be kept."""

    def __call__(self, destination: Path, dataset: AnnotatedDataset) -> None: ...


def never(source: Path) -> bool:
    """Return False: no file of the format can say that a class is absent."""
    return False


def always(source: Path) -> bool:
    """Return True: every file of the format can say that a class is absent."""
    return True


@dataclass(frozen=True)
class AnnotationFormat:
    """One annotation format.

    Attributes:
        name: how the command line and the registry call it.
        title: how a person calls it.
        description: one sentence: what a record looks like.
        read: source to dataset.
        write: source, destination, dataset and corrected labels to the paths written.
        suffix: of a written file, such as ".txt"; empty for a folder.
        is_folder: whether source and destination are folders.
        boxes: whether a label is a box, so that an added class goes to `labelmend_additions.json` instead.
        holds_absent: whether a source can hold verified negatives (-1); what cannot writes them as no label.
        create: dataset to new file with all that the dataset says; None where that cannot be.
        written_as: the format that `write` writes, where it is another one.
    """

    name: str
    title: str
    description: str
    read: Reader
    write: Writer
    suffix: str
    is_folder: bool = False
    boxes: bool = False
    holds_absent: Callable[[Path], bool] = never
    create: Creator | None = None
    written_as: str = ""
