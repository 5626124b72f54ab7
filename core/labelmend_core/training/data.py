"""What a run trains on and is measured on."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from labelmend_core.types import LabelMatrix


@dataclass(frozen=True)
class TrainingData:
    """Images and labels of one run.

    Attributes:
        images: training images, then validation images; item i is uint8 (3, S, S).
        labels: (N, K), what is trained on: given or corrected.
        validation_labels: (V, K), None where there is no validation set.
        unreadable: indices into `images` that cannot be decoded, with the reason; they are neither trained on
            nor scored.
        class_names: length K.
    """

    images: Dataset[Tensor]
    labels: LabelMatrix
    validation_labels: LabelMatrix | None
    unreadable: Mapping[int, str]
    class_names: tuple[str, ...]

    @property
    def n_train(self) -> int:
        """N, unreadable images included."""
        return self.labels.shape[0]

    @property
    def n_images(self) -> int:
        """N + V."""
        return self.n_train + (0 if self.validation_labels is None else self.validation_labels.shape[0])

    def rows(self, *, validation: bool = False) -> NDArray[np.int64]:
        """Return the readable images of a split as indices into `images`."""
        start, end = (self.n_train, self.n_images) if validation else (0, self.n_train)
        return np.array([i for i in range(start, end) if i not in self.unreadable], dtype=np.int64)

    def validation_targets(self) -> NDArray[np.int8] | None:
        """Return int8 labels (V', K) of the readable validation images, None where there are none."""
        rows = self.rows(validation=True)
        if self.validation_labels is None or not len(rows):
            return None
        return self.validation_labels.dense(rows - self.n_train)

    def to_measure_on(self, held: NDArray[np.int64]) -> tuple[NDArray[np.int8] | None, NDArray[np.int64]]:
        """Return labels and rows of the images held out; without any, of the validation images; None without those."""
        if len(held):
            return self.labels.dense(held), held
        return self.validation_targets(), self.rows(validation=True)

    def frequency(self) -> Tensor:
        """Return how often each class is given, float (K,), in [0, 1]."""
        return torch.from_numpy(self.labels.positives_per_class() / max(self.n_train, 1)).float()
