"""Fine-tuning: the whole network learns; stopped or killed, it goes on after the last whole epoch."""

from dataclasses import dataclass

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import nn

from labelmend_core.losses import build_loss
from labelmend_core.run_folder import DYNAMICS, OUT_OF_SAMPLE, RunFolder, write_array
from labelmend_core.training.assembly import augmentation_of, loss_of, network_of, probabilities, with_shared_norms
from labelmend_core.training.batches import ImageBatches
from labelmend_core.training.checkpoint import load_state, save_model, save_state
from labelmend_core.training.crossval import fold_of
from labelmend_core.training.data import TrainingData
from labelmend_core.training.dynamics import Recorder
from labelmend_core.training.fit import Evaluate, fit
from labelmend_core.training.held_out import hold_out, with_held_out
from labelmend_core.training.history import FitState
from labelmend_core.training.loading import loaded
from labelmend_core.training.outcome import Outcome, chosen_on, write_history
from labelmend_core.training.processes import Processes
from labelmend_core.training.progress import Progress, part_of
from labelmend_core.training.settings import RunSettings
from labelmend_core.training.tracking import log_epoch


def finetune(
    run: RunFolder,
    settings: RunSettings,
    data: TrainingData,
    *,
    accelerator: Accelerator,
    progress: Progress,
    workers: int = 0,
) -> Outcome | None:
    """Train one network a fold (where there are folds) and one on all images.

    With `folds=1` there is only the last; the suggestions then rest on its recorded dynamics. Of several processes, the
    first one writes and returns what was found, the others return nothing.

    Args:
        run: where tables, states and the model go; a state found there is gone on from.
        settings: mode "finetune".
        data: what to train and measure on.
        accelerator: device and precision.
        progress: told how far it is; may raise `Stopped`.
        workers: processes that decode images.
    """
    processes = Processes(accelerator)
    saved = load_state(run.state) if processes.told(run.state.exists()) else None
    tuner = _Tuner(run, settings, data, accelerator, processes, workers)
    rows = data.rows()
    folds = settings.folds if settings.folds > 1 else 0
    fold = fold_of(len(rows), settings.folds, np.random.default_rng(settings.seed))
    pred_probs = np.full(data.labels.shape, np.nan, dtype=np.float32)
    for k in range(folds):
        held_out = rows[fold == k]
        part = run.parts / f"fold_{k}.npy"
        if not processes.told(part.exists()):
            network, _ = tuner.train(k, rows[fold != k], part_of(progress, k, folds + 1), saved=saved)
            found = tuner.predict(network, held_out)
            if processes.is_main:
                write_array(part, found)
            pred_probs[held_out] = found
        else:
            pred_probs[held_out] = np.load(part)
    recorder = Recorder(tuner.targets, tau=settings.tau, planted=run.planted()) if processes.is_main else None
    kept, held = hold_out(rows, settings.hold_out, settings.seed)
    network, state = tuner.train(
        folds, kept, part_of(progress, folds, folds + 1), recorder, data.measure(held, tuner.predict), saved=saved
    )
    of_held, measure = tuner.predict(network, held), data.measure(held[:0], tuner.predict)
    measured = None if measure is None else measure(network)
    if recorder is None:
        return None
    info = {"mode": "finetune", "settings": settings.to_dict(), "class_names": list(data.class_names)}
    save_model(run.model, network.state_dict(), info)
    dynamics = with_held_out(recorder.dynamics(), held, of_held)
    return Outcome(
        state,
        recorder,
        dynamics,
        measured,
        chosen_on(held, measured=measure is not None),
        pred_probs if folds else dynamics.mean,
        OUT_OF_SAMPLE if folds else DYNAMICS,
    )


@dataclass(frozen=True)
class _Tuner:
    """Trains and asks whole networks."""

    run: RunFolder
    settings: RunSettings
    data: TrainingData
    accelerator: Accelerator
    processes: Processes
    workers: int

    @property
    def targets(self) -> torch.Tensor:
        """What is trained on, int8 (N, K), on the device."""
        return torch.from_numpy(self.data.labels.dense()).to(self.accelerator.device)

    def train(
        self,
        part: int,
        rows: NDArray[np.int64],
        progress: Progress,
        recorder: Recorder | None = None,
        evaluate: Evaluate | None = None,
        *,
        saved: tuple[int, FitState] | None = None,
    ) -> tuple[nn.Module, FitState]:
        """Return a network trained on the given rows; its state is written after every epoch."""
        settings, run, processes = self.settings, self.run, self.processes
        torch.manual_seed(settings.seed * 1_009 + part)
        network = network_of(settings, self.data.labels, self.data.class_names).to(self.accelerator.device)
        # Convolutions run 1.3 to 2 times as fast on channels-last tensors, on a CPU and on a GPU.
        network = network.to(memory_format=torch.channels_last)
        if settings.sync_norms:
            network = with_shared_norms(network, self.accelerator)

        def keep(state: FitState) -> None:
            if not processes.is_main:
                return
            if recorder is not None:
                # Before the state: an epoch that counts as done is one of which nothing is missing.
                write_history(run, state.history, recorder)
            save_state(run.state, part, state)
            if recorder is not None:
                log_epoch(self.accelerator, state.history[-1])

        state = fit(
            network,
            loss_of(settings, self.targets),
            ImageBatches(
                self.data.images,
                self.targets,
                rows,
                batch_size=settings.batch_size,
                seed=settings.seed,
                workers=self.workers,
                rank=processes.rank,
                of=processes.n,
            ),
            settings.schedule,
            accelerator=self.accelerator,
            recorder=recorder,
            augment=augmentation_of(settings),
            evaluate=evaluate,
            on_epoch=keep,
            progress=progress,
            state=saved[1] if saved is not None and saved[0] == part else None,
            accumulate=settings.accumulate,
            compiled=settings.compiled,
        )
        return network, state

    def predict(self, network: nn.Module, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return p of the given images, (M, K); of several processes each looks at a part of them."""
        network.eval()
        return self.processes.ask(rows, lambda own: self._predict_own(network, own))

    def _predict_own(self, network: nn.Module, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        loss = build_loss(self.settings.loss, reduction="batch", **self.settings.hyperparameters)
        size, device = self.settings.batch_size, self.accelerator.device
        batches = [rows[start : start + size].tolist() for start in range(0, len(rows), size)]
        found = np.empty((len(rows), self.data.labels.shape[1]), dtype=np.float32)
        done = 0
        for pixels in loaded(self.data.images, batches, workers=self.workers, pinned=device.type == "cuda"):
            with self.accelerator.autocast():
                block = probabilities(network, loss, pixels.to(device, non_blocking=True))
            found[done : done + len(block)] = block.numpy()
            done += len(block)
        return found
