"""Probe: the backbone stays as it is, a head learns in seconds; K folds give out-of-sample probabilities."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import nn

from labelmend_core.losses import build_loss
from labelmend_core.models import build_backbone
from labelmend_core.models.backbone import RANDOM
from labelmend_core.models.heads import HEADS, Head
from labelmend_core.run_folder import RunFolder
from labelmend_core.training.assembly import head_of, loss_of, probabilities
from labelmend_core.training.batches import FeatureBatches
from labelmend_core.training.checkpoint import save_model
from labelmend_core.training.crossval import fold_of
from labelmend_core.training.data import TrainingData
from labelmend_core.training.dynamics import Recorder
from labelmend_core.training.features import embeddings_of, extract_features
from labelmend_core.training.fit import Evaluate, FitState, fit
from labelmend_core.training.held_out import hold_out, with_held_out
from labelmend_core.training.outcome import OUT_OF_SAMPLE, Outcome, chosen_on, write_history
from labelmend_core.training.progress import Progress, part_of
from labelmend_core.training.settings import RunSettings

_BLOCK_NUMBERS = 2**24  # of features that a head is asked about at a time


def train_probe(
    run: RunFolder,
    settings: RunSettings,
    data: TrainingData,
    *,
    features_folder: Path,
    accelerator: Accelerator,
    progress: Progress,
) -> Outcome:
    """Train one head a fold and one on all images.

    Args:
        run: where tables and the model go.
        settings: mode "probe".
        data: what to train and measure on.
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
    features = extract_features(
        backbone,
        data.images,
        folder,
        n_images=data.n_images,
        device=accelerator.device,
        progress=progress,
    )
    run.link_embeddings(embeddings_of(folder))
    heads = _Heads(features, settings, data, accelerator)
    fold = fold_of(len(heads.rows), settings.folds, np.random.default_rng(settings.seed))
    pred_probs = np.full(data.labels.shape, np.nan, dtype=np.float32)
    for k in range(settings.folds):
        head, _ = heads.train(heads.rows[fold != k], progress=part_of(progress, k, settings.folds + 1))
        pred_probs[heads.rows[fold == k]] = heads.predict(head, heads.rows[fold == k])
    recorder = Recorder(heads.targets, tau=settings.tau, planted=run.planted())
    kept, held = hold_out(heads.rows, settings.hold_out, settings.seed)
    head, state = heads.train(
        kept,
        progress=part_of(progress, settings.folds, settings.folds + 1),
        recorder=recorder,
        evaluate=data.measure(held, heads.predict),
        on_epoch=lambda state: write_history(run, state.history, recorder),
    )
    info = {"mode": "probe", "settings": settings.to_dict(), "class_names": list(data.class_names)}
    save_model(run.model, head.state_dict(), info)
    measure = data.measure(held[:0], heads.predict)
    return Outcome(
        state,
        recorder,
        with_held_out(recorder.dynamics(), held, heads.predict(head, held)),
        None if measure is None else measure(head),
        chosen_on(held, measured=measure is not None),
        pred_probs,
        OUT_OF_SAMPLE,
    )


class _Heads:
    """Trains and asks heads on cached features."""

    def __init__(
        self, features: NDArray[np.float16], settings: RunSettings, data: TrainingData, accelerator: Accelerator
    ) -> None:
        self.rows = data.rows()
        self.targets = torch.from_numpy(data.labels.dense()).to(accelerator.device)
        self._features = torch.from_numpy(np.array(features)).to(accelerator.device)
        self._settings, self._data, self._accelerator = settings, data, accelerator
        self._loss = build_loss(settings.loss, reduction="batch", **settings.hyperparameters)

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
            self._features, self.targets, chosen, batch_size=settings.batch_size, seed=settings.seed
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
        )
        return head, state

    def predict(self, head: nn.Module, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return p of the given images, training or validation, float32 (M, K)."""
        head.eval()
        step = max(1, _BLOCK_NUMBERS // self._features[0].numel())
        blocks = [
            probabilities(head, self._loss, self._features[block])
            for block in torch.split(torch.from_numpy(rows).to(self._features.device), step)
        ]
        found: NDArray[np.float32] = torch.cat(blocks).numpy()
        return found
