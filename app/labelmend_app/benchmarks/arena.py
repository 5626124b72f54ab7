"""One problem on which losses and heads compete: inputs, labels with planted errors, and images to judge by."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor

from labelmend_core.losses import LOSSES, build_loss
from labelmend_core.metrics import Evaluation, evaluate
from labelmend_core.models.heads import HEADS
from labelmend_core.training import RunSettings, fit
from labelmend_core.training.assembly import augmentation_of, head_of, loss_of, network_of, probabilities
from labelmend_core.training.batches import FeatureBatches
from labelmend_core.types import LabelMatrix

# What the papers' own configurations have instead of the defaults.
RELEASED: dict[str, dict[str, float]] = {"aam": {"scale": 23.0, "margin": 0.0, "balance": 0.7}}
_BLOCK_NUMBERS = 2**24  # of inputs that a network is asked about at a time


@dataclass(frozen=True)
class Arena:
    """A problem.

    Attributes:
        name: in tables and files.
        inputs: training, then validation images: features (N, F), tokens (N, T, F), or uint8 pixels (N, 3, S, S).
        labels: by kind of noise, what is trained on.
        validation: int8 (V, K), complete.
        class_names: length K.
        settings: of a run; mode "probe" for features, "finetune" for pixels.
        rates: learning rates that each loss may choose from.
    """

    name: str
    inputs: Tensor
    labels: dict[str, LabelMatrix]
    validation: NDArray[np.int8]
    class_names: tuple[str, ...]
    settings: RunSettings
    rates: tuple[float, ...]

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits that change with images and labels."""
        digest = hashlib.sha256(self.inputs.numpy().tobytes())
        for kind in sorted(self.labels):
            digest.update(kind.encode())
            for array in self.labels[kind].cells():
                digest.update(array.tobytes())
        digest.update(self.validation.tobytes())
        return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Result:
    """One training.

    Attributes:
        chosen: best mAP of any epoch on the half of the validation images that chooses.
        measured: mAP of that epoch's network on the other half.
        train_speed, predict_speed: images a second.
    """

    chosen: float
    measured: float
    train_speed: float
    predict_speed: float


def compete(arena: Arena, noise: str, settings: RunSettings) -> Result:
    """Train once and return how good it was; validation images of even rows choose the epoch, the others measure."""
    labels = arena.labels[noise]
    network = _network(arena, labels, settings)
    rows = torch.arange(labels.shape[0])
    targets = torch.from_numpy(labels.dense())
    batches = FeatureBatches(arena.inputs, targets, rows, batch_size=settings.batch_size, seed=settings.seed)
    judge = _judge(arena, settings)
    state = fit(
        network,
        loss_of(settings, targets),
        batches,
        settings.schedule,
        accelerator=Accelerator(),
        augment=augmentation_of(settings) if settings.mode == "finetune" else None,
        evaluate=lambda network: judge(network, 0),
    )
    started = time.perf_counter()
    measured = judge(network, 1)
    seconds = time.perf_counter() - started
    return Result(
        chosen=max(_map(epoch.evaluation) for epoch in state.history),
        measured=_map(measured),
        train_speed=float(np.median([epoch.images_per_second for epoch in state.history])),
        predict_speed=len(arena.validation[1::2]) / seconds,
    )


def settings_for(arena: Arena, loss: str, **changes: object) -> RunSettings:
    """Return the arena's settings with a loss, and a head that gives what it takes."""
    head = "cosine" if LOSSES[loss].input_kind == "cosines" else "linear"
    return replace(arena.settings, **{"loss": loss, "head": head, **changes})  # type: ignore[arg-type]


def with_fewer(arena: Arena, images: int) -> Arena:
    """Return the arena with its first training images only."""
    n = len(arena.inputs) - len(arena.validation)
    kept = np.arange(min(images, n))
    inputs = torch.cat([arena.inputs[: len(kept)], arena.inputs[n:]])
    labels = {name: LabelMatrix.from_dense(given.dense(kept)) for name, given in arena.labels.items()}
    return replace(arena, inputs=inputs, labels=labels)


def _network(arena: Arena, labels: LabelMatrix, settings: RunSettings) -> torch.nn.Module:
    torch.manual_seed(settings.seed)
    if settings.mode == "finetune":
        return network_of(settings, labels, arena.class_names)
    head = head_of(settings, arena.inputs.shape[-1], labels, arena.class_names)
    if HEADS[settings.head].takes == "vectors":
        head.fit_scale(arena.inputs[: labels.shape[0]])
    return head


def _judge(arena: Arena, settings: RunSettings) -> Callable[[torch.nn.Module, int], Evaluation]:
    loss = build_loss(settings.loss, reduction="batch", **settings.hyperparameters)
    held = arena.inputs[-len(arena.validation) :]

    def judge(network: torch.nn.Module, half: int) -> Evaluation:
        network.eval()
        inputs = held[half::2]
        step = max(1, _BLOCK_NUMBERS // inputs[0].numel())
        found = torch.cat([probabilities(network, loss, block) for block in torch.split(inputs, step)])
        return evaluate(arena.validation[half::2], found.numpy())

    return judge


def _map(evaluation: Evaluation | None) -> float:
    return float("nan") if evaluation is None else evaluation.mean_average_precision
