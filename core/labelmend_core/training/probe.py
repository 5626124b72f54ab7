"""Probe: the backbone stays as it is, a head learns in seconds; K folds give out-of-sample probabilities."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor

from labelmend_core.losses import build_loss
from labelmend_core.metrics import Evaluation, evaluate
from labelmend_core.models import LinearHead, build_backbone
from labelmend_core.run_folder import RunFolder
from labelmend_core.training.batches import FeatureBatches
from labelmend_core.training.checkpoint import save_model
from labelmend_core.training.crossval import fold_of
from labelmend_core.training.data import TrainingData
from labelmend_core.training.dynamics import Recorder
from labelmend_core.training.features import FEATURES_FILE, extract_features
from labelmend_core.training.fit import Evaluate, FitState, fit
from labelmend_core.training.outcome import OUT_OF_SAMPLE, Outcome, write_history
from labelmend_core.training.progress import Progress, part_of
from labelmend_core.training.settings import RunSettings


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
    backbone = build_backbone(settings.backbone)
    folder = features_folder / settings.backbone.fingerprint()
    features = extract_features(
        backbone,
        data.images,
        folder,
        n_images=data.n_images,
        device=accelerator.device,
        progress=progress,
    )
    run.link_embeddings(folder / FEATURES_FILE)
    heads = _Heads(features, settings, data, accelerator)
    fold = fold_of(len(heads.rows), settings.folds, np.random.default_rng(settings.seed))
    pred_probs = np.full(data.labels.shape, np.nan, dtype=np.float32)
    for k in range(settings.folds):
        head, _ = heads.train(heads.rows[fold != k], progress=part_of(progress, k, settings.folds + 1))
        pred_probs[heads.rows[fold == k]] = heads.predict(head, heads.rows[fold == k])
    recorder = Recorder(heads.targets, tau=settings.tau)
    head, state = heads.train(
        heads.rows,
        progress=part_of(progress, settings.folds, settings.folds + 1),
        recorder=recorder,
        evaluate=heads.evaluator(),
        on_epoch=lambda state: write_history(run, state.history, recorder),
    )
    info = {"mode": "probe", "settings": settings.to_dict(), "class_names": list(data.class_names)}
    save_model(run.model, head.state_dict(), info)
    return Outcome(state, recorder, pred_probs, OUT_OF_SAMPLE)


class _Heads:
    """Trains and asks linear heads on cached features."""

    def __init__(
        self, features: NDArray[np.float16], settings: RunSettings, data: TrainingData, accelerator: Accelerator
    ) -> None:
        self.rows = data.rows()
        self.targets = torch.from_numpy(data.labels.dense()).to(accelerator.device)
        self._features = torch.from_numpy(np.array(features[: data.n_train])).to(accelerator.device)
        self._validation_targets = data.validation_targets()
        self._validation_features = torch.from_numpy(features[data.rows(validation=True)]).to(accelerator.device)
        self._settings, self._accelerator, self._frequency = settings, accelerator, data.frequency()

    def train(
        self,
        rows: NDArray[np.int64],
        *,
        progress: Progress,
        recorder: Recorder | None = None,
        evaluate: Evaluate | None = None,
        on_epoch: Callable[[FitState], None] | None = None,
    ) -> tuple[LinearHead, FitState]:
        """Return a head trained on the given rows."""
        settings = self._settings
        chosen = torch.from_numpy(rows).to(self._features.device)
        torch.manual_seed(settings.seed)
        head = LinearHead(self._features.shape[1], self._frequency).to(self._features.device)
        head.fit_scale(self._features[chosen])
        batches = FeatureBatches(
            self._features, self.targets, chosen, batch_size=settings.batch_size, seed=settings.seed
        )
        state = fit(
            head,
            build_loss(settings.loss, reduction="batch", **settings.hyperparameters).to(self._features.device),
            batches,
            settings.schedule,
            accelerator=self._accelerator,
            recorder=recorder,
            evaluate=evaluate,
            on_epoch=on_epoch,
            progress=progress,
        )
        return head, state

    def predict(self, head: LinearHead, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return p of the given rows, (M, K)."""
        return _probabilities(head, self._features[torch.from_numpy(rows).to(self._features.device)])

    def evaluator(self) -> Evaluate | None:
        """Return what measures a head on the validation images, None without any."""
        targets = self._validation_targets
        if targets is None:
            return None

        def measure(head: torch.nn.Module) -> Evaluation:
            return evaluate(targets, _probabilities(head, self._validation_features))

        return measure


@torch.no_grad()
def _probabilities(head: torch.nn.Module, features: Tensor) -> NDArray[np.float32]:
    head.eval()
    blocks = [head(block).float().sigmoid().cpu() for block in torch.split(features, 65_536)]
    probabilities: NDArray[np.float32] = torch.cat(blocks).numpy()
    return probabilities
