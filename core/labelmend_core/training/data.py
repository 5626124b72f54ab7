"""What a run trains on and is measured on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import Dataset

from labelmend_core.metrics import Evaluation, Unobserved, evaluate
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
        unobserved, validation_unobserved: what an unobserved cell of the labels is where they measure.
    """

    images: Dataset[Tensor]
    labels: LabelMatrix
    validation_labels: LabelMatrix | None
    unreadable: Mapping[int, str]
    class_names: tuple[str, ...]
    unobserved: Unobserved = "absent"
    validation_unobserved: Unobserved = "absent"

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

    def measure(
        self, held: NDArray[np.int64], predict: Callable[[nn.Module, NDArray[np.int64]], NDArray[np.float32]]
    ) -> Callable[[nn.Module], Evaluation] | None:
        """Return what measures a network on the images held out; without any, on the validation images; else None.

        Args:
            held: training rows.
            predict: returns p, (M, K), of the images of given rows.
        """
        targets, rows, unobserved = self.validation_targets(), self.rows(validation=True), self.validation_unobserved
        if len(held):
            targets, rows, unobserved = self.labels.dense(held), held, self.unobserved
        if targets is None:
            return None
        return lambda network: evaluate(targets, predict(network, rows), unobserved=unobserved)
