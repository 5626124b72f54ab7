"""The loop: one network, one loss, one stream of batches; probes and fine-tuning both run through here."""

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol, cast

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from labelmend_core.errors import LabelmendError
from labelmend_core.losses import MultiLabelLoss
from labelmend_core.metrics import Evaluation
from labelmend_core.training.batches import Batches
from labelmend_core.training.dynamics import Recorder
from labelmend_core.training.history import Epoch, FitState, rank
from labelmend_core.training.optim import build_optimiser, moving_average
from labelmend_core.training.parts import Batch, Part, parts_of
from labelmend_core.training.processes import Processes, own_part
from labelmend_core.training.progress import Progress, silent
from labelmend_core.training.schedule import Schedule
from labelmend_core.training.sharpness import ascended

Evaluate = Callable[[nn.Module], Evaluation]
OnEpoch = Callable[[FitState], None]


class Augment(Protocol):
    """Changes the inputs of a batch; see `Augmentation`."""

    def __call__(
        self, pixels: Tensor, epoch: int, batch: int, *, own: Tensor | None = None, of: int | None = None
    ) -> Tensor:
        """Return changed inputs."""


def fit(
    network: nn.Module,
    loss: MultiLabelLoss,
    batches: Batches,
    schedule: Schedule,
    *,
    accelerator: Accelerator,
    recorder: Recorder | None = None,
    augment: Augment | None = None,
    evaluate: Evaluate | None = None,
    on_epoch: OnEpoch | None = None,
    progress: Progress = silent,
    phase: str = "training",
    state: FitState | None = None,
    accumulate: int = 1,
    compiled: bool = False,
) -> FitState:
    """Train `network` in place, leave it with its best weights, and return the history.

    The best epoch is the one with the highest validation mAP; without `evaluate` it is the last one.

    Args:
        network: on `accelerator.device`, from inputs to what the loss takes, (B, K).
        loss: see `labelmend_core.losses`; one that remembers images has begun (`MultiLabelLoss.begin`).
        batches: yields each training image once an epoch; of several processes each has its part.
        schedule: how long and how fast.
        accelerator: device, precision, and which process this is.
        recorder: watches every batch; of several processes the first one's sees those of all.
        augment: called with a batch's inputs, the epoch and the batch's number.
        evaluate: returns the metrics of a network on validation data; called after each epoch, with
            the moving average as well where one is kept, and the better of the two counts.
        on_epoch: called after each epoch with the state that can be resumed from.
        progress: told how many batches are done; may raise `Stopped`.
        phase: what `progress` calls this.
        state: of a stopped fit, to go on from.
        accumulate: parts that a batch goes through the network in, one after another, which takes less memory. The
            step is that of the whole batch, except for losses that look at a whole batch: they see the parts.
        compiled: train the network under `torch.compile`.

    Raises:
        LabelmendError: the loss became infinite or NaN.
    """
    loop = _Loop(network, loss, batches, schedule, accelerator, recorder)
    loop.augment, loop.progress, loop.phase = augment, loop.processes.progress(progress), phase
    loop.accumulate = accumulate
    if compiled:
        loop.forward = cast(nn.Module, torch.compile(network))
    state = state or FitState()
    loop.load(state.parts)
    loop.equalise()
    for epoch in range(len(state.history), schedule.epochs):
        if state.is_exhausted(schedule.patience):
            break
        _keep_best(state, loop.train_epoch(epoch), loop, evaluate)
        state.parts = loop.state()
        if on_epoch is not None:
            on_epoch(state)
    network.load_state_dict(state.best)
    return state


class _Loop:
    """What one fit holds between batches."""

    augment: Augment | None = None
    progress: Progress = staticmethod(silent)
    phase: str
    accumulate = 1

    def __init__(
        self,
        network: nn.Module,
        loss: MultiLabelLoss,
        batches: Batches,
        schedule: Schedule,
        accelerator: Accelerator,
        recorder: Recorder | None,
    ) -> None:
        self.network, self.loss, self.batches, self.recorder = network, loss, batches, recorder
        self.accelerator, self.processes, self.forward = accelerator, Processes(accelerator), network
        self.total_steps = schedule.epochs * len(batches)
        self.sam = schedule.sam
        self.optimiser, self.rate = build_optimiser(
            network,
            loss,
            name=schedule.optimiser,
            lr=schedule.lr,
            weight_decay=schedule.weight_decay,
            warm_up=schedule.warm_up,
            total_steps=(schedule.cycle or schedule.epochs) * len(batches),
        )
        self.average = None if schedule.ema_decay is None else moving_average(network, schedule.ema_decay)

    def train_epoch(self, epoch: int) -> Epoch:
        """Train on every batch once."""
        self.network.train()
        self.loss.train()
        # Dropout and stochastic depth draw from the global generator: tied to the epoch, for resuming.
        torch.manual_seed(epoch + 1_000_003 * self.processes.rank)
        started, recording = time.perf_counter(), 0.0
        total, images = torch.zeros((), device=self.accelerator.device), 0
        for number, (inputs, targets, indices) in enumerate(self.batches.epoch(epoch)):
            batch = Batch(self._augmented(inputs, epoch, number, len(indices)), targets, indices, epoch, number)
            value, seconds = self._step(batch)
            recording += seconds
            total += value * len(indices)
            images += len(indices)
            self.progress(self.phase, epoch * len(self.batches) + number + 1, self.total_steps)
        self.loss.end_epoch(epoch)
        self.equalise()
        recording += self._recorded(Recorder.end_epoch)
        seconds = time.perf_counter() - started
        mean_loss = float(total) / max(images, 1)
        if not math.isfinite(mean_loss):
            raise LabelmendError(
                f"Expected a finite loss, got {mean_loss} in epoch {epoch + 1}; lower --lr and try again."
            )
        rate = float(self.rate.get_last_lr()[0])
        return Epoch(epoch, mean_loss, seconds, images / seconds, recording / seconds, rate)

    def _augmented(self, inputs: Tensor, epoch: int, number: int, n: int) -> Tensor:
        if self.augment is None:
            return inputs
        if self.processes.n == 1:
            return self.augment(inputs, epoch, number)
        return self.augment(inputs, epoch, number, own=own_part(n, self.processes.rank, self.processes.n), of=n)

    def _step(self, batch: Batch) -> tuple[Tensor, float]:
        """Train on one batch; return its loss and the seconds that the recorder took."""
        value, seconds = self._gradients(batch, record=self.recorder is not None)
        if self.sam > 0:
            self._look_around(batch)
        self.optimiser.step()
        self.rate.step()
        if self.average is not None:
            self.average.update_parameters(self.network)
        return value, seconds

    def _gradients(self, batch: Batch, *, record: bool) -> tuple[Tensor, float]:
        """Compute the gradients of a batch; return its loss and the seconds that the recorder took."""
        self.optimiser.zero_grad(set_to_none=True)
        value, seconds = torch.zeros((), device=batch.targets.device), 0.0
        for part in parts_of(batch, self.processes, self.accumulate):
            own = self._outputs(part.inputs)
            outputs = part.of_all(self.processes.outputs(own))
            if record:
                outputs.retain_grad()
            of_part = self._objective(batch, part, own, outputs)
            self.accelerator.backward(of_part)
            value += of_part.detach()
            if record:
                seconds += self._observe(part, outputs)
        self.processes.sum_gradients(self.network)
        return value, seconds

    def _observe(self, part: Part, outputs: Tensor) -> float:
        assert outputs.grad is not None  # it was retained
        logits, gradients = self.loss.as_logits(outputs.detach()), self.loss.in_logits(outputs.grad)
        gradients = gradients if part.share == 1 else gradients / part.share  # of a mean over the part's images
        return self._recorded(Recorder.observe, part.indices, logits, gradients)

    def _outputs(self, inputs: Tensor) -> Tensor:
        with self.accelerator.autocast():
            outputs: Tensor = self.forward(inputs)
        return outputs

    def _objective(self, batch: Batch, part: Part, own: Tensor, outputs: Tensor) -> Tensor:
        """Return a part's share of the loss of the whole batch."""
        value: Tensor = self.loss(outputs, part.targets, epoch=batch.epoch, indices=part.indices)
        value = value if part.share == 1 else value * part.share
        generator = torch.Generator().manual_seed(batch.epoch * 1_000_003 + batch.number)
        with self.accelerator.autocast():
            more = self.loss.regulariser(self.network, part.inputs, own, part.own_targets, generator)
        if more is None:
            return value
        return value + (more if part.own_share == 1 else more * part.own_share)

    def _look_around(self, batch: Batch) -> None:
        """Replace the gradients by those of the point uphill; a loss does not remember the batch a second time."""
        self.loss.eval()
        with ascended(self.network, self.sam):
            self._gradients(batch, record=False)
        self.loss.train()

    def equalise(self) -> None:
        """Give every process the first one's weights, which only rounding moves apart, and what batch norms counted."""
        for part in (self.network, self.loss, self.average):
            if part is not None:
                self.processes.equalise(part.state_dict().values())

    def _recorded(self, method: Callable[..., None], *arguments: Any) -> float:
        if self.recorder is None:
            return 0.0
        begun = time.perf_counter()
        method(self.recorder, *arguments)
        return time.perf_counter() - begun

    def candidates(self) -> list[tuple[nn.Module, bool]]:
        """Return the networks that may be kept: the trained one and, where there is one, its moving average."""
        average = [] if self.average is None else [(self.average.module, True)]
        return [(self.network, False), *average]

    def _parts(self) -> dict[str, Any]:
        parts = {name: getattr(self, name) for name in ("network", "loss", "optimiser", "rate", "average", "recorder")}
        return {name: part for name, part in parts.items() if part is not None}

    def state(self) -> dict[str, Any]:
        """Return the state of every part, to resume from."""
        return {name: part.state_dict() for name, part in self._parts().items()}

    def load(self, states: dict[str, Any]) -> None:
        """Go on from what `state` returned."""
        for name, part in self._parts().items():
            if name in states:  # the recorder is the first process's alone
                part.load_state_dict(states[name])


def _keep_best(state: FitState, epoch: Epoch, loop: _Loop, evaluate: Evaluate | None) -> None:
    """Add an epoch to the history and keep its weights when they are the best so far."""
    network, averaged = loop.candidates()[-1]
    if evaluate is not None:
        found = [(evaluate(network), network, averaged) for network, averaged in loop.candidates()]
        evaluation, network, averaged = max(found, key=lambda entry: rank(entry[0]))
        epoch = replace(epoch, evaluation=evaluation, averaged=averaged)
    state.add(epoch, network)
