"""What `record` gives: told of the batches of any training loop, it says which labels there is reason to doubt."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from labelmend_core.errors import InputError
from labelmend_core.training.dynamics import Recorder
from labelmend_core.training.history import Epoch
from labelmend_core.training.planting import chance_of_additions, chance_of_drops, plant_additions, plant_drops
from labelmend_core.training.recording.kept import KeptRun
from labelmend_core.types import Dynamics, LabelMatrix


@dataclass(frozen=True)
class Names:
    """What classes and images are called, None where they have no names."""

    classes: Sequence[str] | None
    images: Sequence[str] | None


@dataclass
class _EpochSoFar:
    """What happened since the last epoch ended."""

    images: int = 0
    recording: float = 0.0  # seconds
    begun: float = field(default_factory=time.perf_counter)


@dataclass
class _Batch:
    indices: Tensor
    logits: Tensor
    gradients: Tensor | None = None


class Recording:
    """What `record` gives: told of each batch and each epoch, it knows which labels look wrong.

    Attributes:
        labels: (N, K), as they were given.
        targets: int8 (N, K) on the CPU, what to train on: the labels, or with `planted` those in which some are
            hidden and a few wrong ones added.
        run_id: of the run in the workspace, None without one.
    """

    def __init__(
        self, labels: LabelMatrix, names: Names, *, planted: float, tau: float, seed: int, kept: KeptRun | None = None
    ) -> None:
        n, k = labels.shape
        for name, values, length in (("class_names", names.classes, k), ("image_ids", names.images, n)):
            if values is not None and len(values) != length:
                raise InputError(f"Expected {length} {name} to match the labels, got {len(values)}")
        for name, value, most in (("planted", planted, 0.5), ("tau", tau, 1.0)):
            if not 0 <= value <= most:
                raise InputError(f"Expected {name} in [0, {most}], got {value}")
        hidden, *dropped = plant_drops(labels, planted, chance_of_drops(seed))
        misled, *added = plant_additions(hidden, planted, chance_of_additions(seed))
        self.labels, self.targets = labels, torch.from_numpy(misled.dense())
        self._planted, self._added = (dropped[0], dropped[1]), (added[0], added[1])
        self._names, self._tau, self._kept = names, tau, kept
        self._recorder: Recorder | None = None
        self._batches: list[_Batch] = []
        self._so_far = _EpochSoFar()
        self._history: list[Epoch] = []
        self.run_id = None if kept is None else kept.start(self._planted, self._added)

    def batch(self, indices: Tensor, logits: Tensor, *, gradient_scale: float = 1.0) -> None:
        """Watch one training batch; call it after the network and before `loss.backward()`.

        Where the backward pass comes later, dL/dz is kept as well, for the curves of *Loss curves*; that takes the
        loss for a mean over the images of the batch.

        Args:
            indices: int (B,), rows of the labels.
            logits: (B, K) of the network while it trains, before the sigmoid.
            gradient_scale: what a gradient scaler multiplies the loss by.

        Raises:
            InputError: shapes that do not fit, an index that no image has, or a loop in several processes.
        """
        started = time.perf_counter()
        seen = _Batch(self._checked(indices, logits).to(logits.device), logits.detach())
        if logits.requires_grad:

            def keep(gradients: Tensor) -> None:
                seen.gradients = gradients.detach() / gradient_scale

            logits.register_hook(keep)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self._batches.append(seen)
        self._so_far.images += len(seen.indices)
        self._so_far.recording += time.perf_counter() - started

    def end_epoch(self, *, loss: float = math.nan) -> None:
        """Fold what the batches since the last epoch showed into the statistics.

        Args:
            loss: mean over the epoch, for the curve of the run.

        Raises:
            InputError: there was no batch since the last epoch.
        """
        if not self._batches:
            raise InputError(
                "Expected a batch before the end of an epoch, got none; call recording.batch(indices, logits) for "
                "each batch that the network trains on."
            )
        started = time.perf_counter()
        if self._recorder is None:
            device = self._batches[0].logits.device
            self._recorder = Recorder(self.targets.to(device), self._tau, self._planted, same_images=False)
        for one in self._batches:
            self._recorder.observe(one.indices, one.logits, one.gradients)
        self._batches.clear()
        self._recorder.end_epoch()
        self._history.append(self._measured(loss, time.perf_counter() - started))
        self._so_far = _EpochSoFar()
        if self._kept is not None:
            self._kept.write_epoch(self._history, self._recorder)

    def _measured(self, loss: float, folding: float) -> Epoch:
        """Return what is known of the epoch that ends; the recorder's time counts to its seconds."""
        seconds = max(time.perf_counter() - self._so_far.begun, 1e-9)
        share = min((self._so_far.recording + folding) / seconds, 1.0)
        return Epoch(len(self._history), loss, seconds, self._so_far.images / seconds, share, lr=math.nan)

    def dynamics(self) -> Dynamics:
        """Return what was recorded of every cell; NaN for images that were never shown.

        Raises:
            InputError: no epoch has ended.
        """
        return self._ended().dynamics()

    def gradients(self) -> pd.DataFrame:
        """Return the mean gradient by epoch, group and bin of p, as `Recorder.gradients` does.

        Raises:
            InputError: no epoch has ended.
        """
        return self._ended().gradients()

    def issues(self, *, min_probability: float = 0.5, embeddings: NDArray[np.floating] | None = None) -> pd.DataFrame:
        """Return the cells that look wrong, the likeliest error of each kind first, as `find_label_issues` does.

        Args:
            min_probability: least error_probability of a returned cell, in [0, 1]; 0 returns every cell.
            embeddings: (N, n_features) of the images, finite; then the images that look alike count, too.

        Raises:
            InputError: no epoch has ended, or embeddings that do not fit.
        """
        from labelmend_core.detection.recorded import issues_of_dynamics

        return issues_of_dynamics(
            self.labels,
            self.dynamics(),
            class_names=self._names.classes,
            image_ids=self._names.images,
            planted=self._planted,
            added=self._added,
            embeddings=embeddings,
            min_probability=min_probability,
        )

    def for_lightning(self, *, module: str = "", indices: Callable[[Any], Tensor] | None = None) -> Any:
        """Return a callback for Lightning's `Trainer` that records its training.

        Args:
            module: name of the submodule whose output is the logits, such as "model"; the LightningModule itself, as
                `self(images)` calls it, when empty.
            indices: takes the rows of the labels from a batch; by default its field `index`, or its last element.

        Raises:
            InputError: Lightning is not installed.
        """
        with _installed("lightning", "Lightning"):
            from labelmend_core.training.recording.lightning import LightningRecorder
        return LightningRecorder(self, module, indices)

    def for_hugging_face(self) -> Any:
        """Return a callback for Hugging Face's `Trainer` that records its training.

        Items of the dataset carry their row of the labels as `index`, and `TrainingArguments` has
        `remove_unused_columns=False`, so that it comes to the network; the callback takes it away there.

        Raises:
            InputError: transformers is not installed.
        """
        with _installed("transformers", "Hugging Face's Trainer"):
            from labelmend_core.training.recording.hugging_face import HuggingFaceRecorder
        return HuggingFaceRecorder(self)

    def close(self) -> None:
        """Check that the last epoch ended and, with a workspace, end its run and store its suggestions.

        Raises:
            InputError: batches came after the last epoch, or there was none.
        """
        if self._batches:
            raise InputError(
                "Expected recording.end_epoch() after the last batch of each epoch, but batches came after its last "
                f"call: {len(self._batches)}."
            )
        recorder = self._ended()
        if self._kept is not None:
            self._kept.done(self._history, recorder, self.labels)

    def _ended(self) -> Recorder:
        if self._recorder is None:
            raise InputError("Expected at least one recorded epoch, got none; call recording.end_epoch() after each.")
        return self._recorder

    def _checked(self, indices: Tensor, logits: Tensor) -> Tensor:
        n, k = self.labels.shape
        if (
            torch.distributed.is_available()
            and torch.distributed.is_initialized()
            and torch.distributed.get_world_size() > 1
        ):
            raise InputError(
                f"Expected a training loop in one process, got {torch.distributed.get_world_size()}, each of which "
                "sees a part of the images; record with one."
            )
        if logits.ndim != 2 or logits.shape[1] != k or indices.shape != logits.shape[:1]:
            raise InputError(
                f"Expected logits of shape (B, {k}) and B indices, got {tuple(logits.shape)} and "
                f"{tuple(indices.shape)}; does the network have an output a class?"
            )
        if indices.is_floating_point() or (len(indices) and not 0 <= int(indices.min()) <= int(indices.max()) < n):
            raise InputError(
                f"Expected indices of the {n} images as whole numbers from 0 to {n - 1}, got others; "
                "does the dataset return each item's row of the labels?"
            )
        return indices.long()


@contextmanager
def _installed(package: str, what: str) -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise InputError(f"Expected {what} to be installed, but {error.name} is not; pip install {package}") from error
