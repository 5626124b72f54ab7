"""Probe: the backbone stays as it is, a head learns in seconds; K folds give out-of-sample probabilities."""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from scipy.special import expit, logit
from torch import nn

from labelmend_core.losses import build_loss
from labelmend_core.models import build_backbone
from labelmend_core.models.backbone import RANDOM
from labelmend_core.models.heads import HEADS, Head
from labelmend_core.run_folder import OUT_OF_SAMPLE, RunFolder
from labelmend_core.training.assembly import head_of, loss_of, probabilities
from labelmend_core.training.batches import FeatureBatches
from labelmend_core.training.checkpoint import save_model
from labelmend_core.training.crossval import fold_of
from labelmend_core.training.data import TrainingData
from labelmend_core.training.dynamics import Recorder
from labelmend_core.training.features import embeddings_of, extract_features
from labelmend_core.training.fit import Evaluate, fit
from labelmend_core.training.held_out import hold_out, with_held_out
from labelmend_core.training.history import FitState
from labelmend_core.training.outcome import Outcome, chosen_on, write_history
from labelmend_core.training.processes import Processes
from labelmend_core.training.progress import Progress, part_of
from labelmend_core.training.settings import RunSettings
from labelmend_core.training.tracking import log_epoch
from labelmend_core.types import LabelMatrix

_BLOCK_NUMBERS = 2**24  # of features that a head is asked about at a time
_EDGE = np.float32(1e-6)  # p that log-odds are taken of keeps this far from 0 and 1


def train_probe(
    run: RunFolder,
    settings: RunSettings,
    data: TrainingData,
    *,
    hidden: LabelMatrix,
    features_folder: Path,
    accelerator: Accelerator,
    progress: Progress,
) -> Outcome | None:
    """Train one head a fold and one on all images.

    Of several processes, the first one writes and returns what was found, the others return nothing.

    Args:
        run: where tables and the model go.
        settings: mode "probe".
        data: what to train and measure on.
        hidden: its labels without those that are hidden from the last head, the one that is recorded and kept. The
            heads of the folds see them all: none judges an image that it has seen.
        features_folder: keeps features of every backbone that was used, one folder each.
        accelerator: device and precision.
        progress: told how far it is; may raise `Stopped`.
    """
    torch.manual_seed(settings.seed)  # a random backbone is the same one when the run is repeated
    takes = HEADS[settings.head].takes
    backbone = build_backbone(settings.backbone, takes=takes)
    # A random backbone is another one with every seed.
    seeded = f"-{settings.seed}" if settings.backbone.weights == RANDOM else ""
    folder = features_folder / f"{settings.backbone.fingerprint(takes)}{seeded}"
    processes = Processes(accelerator)
    features = extract_features(
        backbone,
        data.images,
        folder,
        n_images=data.n_images,
        device=accelerator.device,
        progress=processes.progress(progress),
        processes=processes,
    )
    if processes.is_main:
        run.link_embeddings(embeddings_of(folder))
    heads = _Heads(features, settings, data, accelerator)
    companions = [name for name in settings.companions if name != settings.loss]
    of_losses = [heads, *(heads.of_loss(name) for name in companions)]
    fits = settings.folds * len(of_losses) + 1
    parts = [part_of(progress, number, fits) for number in range(fits)]
    of_each = [
        _out_of_sample(one, settings, parts[number * settings.folds : (number + 1) * settings.folds])
        for number, one in enumerate(of_losses)
    ]
    pred_probs = _average(of_each)
    heads = heads.on(hidden)
    recorder = Recorder(heads.targets, tau=settings.tau, planted=run.planted()) if processes.is_main else None
    kept, held = hold_out(heads.rows, settings.hold_out, settings.seed)

    def keep(state: FitState) -> None:
        if recorder is None:
            return
        write_history(run, state.history, recorder)
        log_epoch(accelerator, state.history[-1])

    head, state = heads.train(
        kept, progress=parts[-1], recorder=recorder, evaluate=data.measure(held, heads.predict), on_epoch=keep
    )
    of_held, measure = heads.predict(head, held), data.measure(held[:0], heads.predict)
    measured = None if measure is None else measure(head)
    if recorder is None:
        return None
    info = {"mode": "probe", "settings": settings.to_dict(), "class_names": list(data.class_names)}
    save_model(run.model, head.state_dict(), info)
    return Outcome(
        state,
        recorder,
        with_held_out(recorder.dynamics(), held, of_held),
        measured,
        chosen_on(held, measured=measure is not None),
        pred_probs,
        OUT_OF_SAMPLE,
    )


def _out_of_sample(heads: "_Heads", settings: RunSettings, parts: list[Progress]) -> NDArray[np.float32]:
    """Return p of every image from a head that has not seen it, (N, K); NaN rows of images that cannot be read.

    Each fold tells one of `parts` how far it is.
    """
    fold = fold_of(len(heads.rows), settings.folds, np.random.default_rng(settings.seed))
    pred_probs = np.full(heads.targets.shape, np.nan, dtype=np.float32)
    for k in range(settings.folds):
        head, _ = heads.train(heads.rows[fold != k], progress=parts[k])
        pred_probs[heads.rows[fold == k]] = heads.predict(head, heads.rows[fold == k])
    return pred_probs


def _average(of_losses: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return the mean of probabilities in log-odds; that of one alone is untouched."""
    if len(of_losses) == 1:
        return of_losses[0]
    bounded = [np.clip(p, _EDGE, 1 - _EDGE) for p in of_losses]
    average: NDArray[np.float32] = expit(np.mean([logit(p) for p in bounded], axis=0)).astype(np.float32)
    return average


class _Heads:
    """Trains and asks heads on cached features."""

    def __init__(
        self, features: NDArray[np.float16], settings: RunSettings, data: TrainingData, accelerator: Accelerator
    ) -> None:
        self.rows = data.rows()
        self.targets = torch.from_numpy(data.labels.dense()).to(accelerator.device)
        self._features = torch.from_numpy(np.array(features)).to(accelerator.device)
        self._settings, self._data, self._accelerator = settings, data, accelerator
        self._processes = Processes(accelerator)
        self._loss = build_loss(settings.loss, reduction="batch", **settings.hyperparameters)

    def of_loss(self, name: str) -> "_Heads":
        """Return the same for another loss with its defaults; the features are shared."""
        other = copy.copy(self)
        other._settings = replace(self._settings, loss=name, hyperparameters={})
        other._loss = build_loss(name, reduction="batch")
        return other

    def on(self, labels: LabelMatrix) -> "_Heads":
        """Return the same for other labels; the features are shared."""
        other = copy.copy(self)
        other._data = replace(self._data, labels=labels)
        other.targets = torch.from_numpy(labels.dense()).to(self.targets.device)
        return other

    def train(
        self,
        rows: NDArray[np.int64],
        *,
        progress: Progress,
        recorder: Recorder | None = None,
        evaluate: Evaluate | None = None,
        on_epoch: Callable[[FitState], None] | None = None,
    ) -> tuple[Head, FitState]:
        """Return a head trained on the given rows."""
        settings = self._settings
        chosen = torch.from_numpy(rows).to(self._features.device)
        torch.manual_seed(settings.seed)
        head = head_of(settings, self._features.shape[-1], self._data.labels, self._data.class_names)
        head = head.to(self._features.device)
        if head.takes == "vectors":
            head.fit_scale(self._features[chosen])
        batches = FeatureBatches(
            self._features,
            self.targets,
            chosen,
            batch_size=settings.batch_size,
            seed=settings.seed,
            rank=self._processes.rank,
            of=self._processes.n,
        )
        state = fit(
            head,
            loss_of(settings, self.targets),
            batches,
            settings.schedule,
            accelerator=self._accelerator,
            recorder=recorder,
            evaluate=evaluate,
            on_epoch=on_epoch,
            progress=progress,
            accumulate=settings.accumulate,
        )
        return head, state

    def predict(self, head: nn.Module, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return p of the given images, training or validation, float32 (M, K)."""
        head.eval()
        return self._processes.ask(rows, lambda own: self._predict_own(head, own))

    def _predict_own(self, head: nn.Module, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        step = max(1, _BLOCK_NUMBERS // self._features[0].numel())
        blocks = [
            probabilities(head, self._loss, self._features[block])
            for block in torch.split(torch.from_numpy(rows).to(self._features.device), step)
        ]
        found: NDArray[np.float32] = torch.cat(blocks).numpy()
        return found
