"""Time and memory of every loss: forward and backward, against PyTorch's BCE and a transcription of its formula."""

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from labelmend_app.benchmarks.transcriptions import TRANSCRIPTIONS
from labelmend_core.losses import LOSSES, build_loss

SHAPES = ((256, 80), (128, 1_000), (64, 9_600))
EPOCH = 1  # where SPLC relabels and the large-loss family modifies
_FREQUENCY = 0.04
Call = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Row:
    """One loss at one shape; the times are medians of forward and backward in microseconds.

    Attributes:
        bce: of `torch.nn.BCEWithLogitsLoss`, eager.
        ours: as `build_loss` gives it; `compiled` the same under `torch.compile`, None where it was not asked for.
        transcribed: of the formula in plain tensor operations.
        memory, memory_transcribed: peak of what one forward and backward allocates, in bytes of the CPU or GPU.
    """

    loss: str
    images: int
    classes: int
    bce: float
    ours: float
    compiled: float | None
    transcribed: float
    memory: int
    memory_transcribed: int


def run(*, device: str = "cpu", compiled: bool = False, repeats: int = 30) -> Iterator[Row]:
    """Yield a row for each shape and loss.

    Args:
        device: "cpu" or "cuda".
        compiled: measure under `torch.compile`, too; each loss compiles for some seconds.
        repeats: of each measurement; one round measures every variant, so that a noisy machine is noisy for all.
    """
    for shape in SHAPES:
        logits, targets = _batch(shape, device)
        for name in sorted(LOSSES):
            own_logits, own_targets = suited(name, logits, targets)
            ours, transcription = begun(name, own_targets), TRANSCRIPTIONS[name]
            calls: list[Call] = [torch.nn.BCEWithLogitsLoss(reduction="sum"), ours, transcription]
            if compiled:
                # Every loss comes through the same function: what was compiled of the ones before would count
                # against its limit of recompilations, past which it runs uncompiled without a word.
                torch.compiler.reset()
                calls.append(torch.compile(ours, fullgraph=True, dynamic=False))
            bce, own, transcribed, *rest = _medians(calls, own_logits, own_targets, repeats)
            memory, plain = (_peak(call, own_logits, own_targets) for call in (ours, transcription))
            yield Row(name, *shape, bce, own, rest[0] if rest else None, transcribed, memory, plain)


def begun(name: str, targets: Tensor) -> Call:
    """Return the loss of that name in its second epoch, reduction "sum", on images that it was told of."""
    loss = build_loss(name, reduction="sum").to(targets.device)
    indices = None
    if loss.needs_indices:
        loss.begin(targets)
        indices = torch.arange(len(targets), device=targets.device)
    return lambda logits, targets: loss(logits, targets, EPOCH, indices=indices)


def _batch(shape: tuple[int, int], device: str) -> tuple[Tensor, Tensor]:
    """Return logits as a half-trained network gives them, and targets of 0 and 1 in the logits' dtype."""
    rng = torch.Generator().manual_seed(0)
    targets = (torch.rand(shape, generator=rng) < _FREQUENCY).float()
    logits = 2 * torch.randn(shape, generator=rng) - 3 + 3 * targets
    return logits.to(device).requires_grad_(), targets.to(device)


def suited(name: str, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return what the loss of that name takes: cosines, or one present class an image, where it does."""
    if LOSSES[name].input_kind == "cosines":
        return torch.tanh(logits.detach() / 4).requires_grad_(), targets
    if name == "asl_single_label":
        return logits, torch.zeros_like(targets).scatter_(1, targets.argmax(dim=1, keepdim=True), 1)
    return logits, targets


def _medians(calls: list[Call], logits: Tensor, targets: Tensor, repeats: int) -> list[float]:
    times: list[list[float]] = [[] for _ in calls]
    for number in range(repeats + 3):  # three rounds to warm up
        for call, seconds in zip(calls, times, strict=True):
            _wait(logits.device)
            begun = time.perf_counter()
            _step(call, logits, targets)
            _wait(logits.device)
            if number >= 3:
                seconds.append(time.perf_counter() - begun)
    return [statistics.median(seconds) * 1e6 for seconds in times]


def _step(call: Call, logits: Tensor, targets: Tensor) -> None:
    torch.autograd.grad(call(logits, targets), logits)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _peak(call: Call, logits: Tensor, targets: Tensor) -> int:
    """Return the most bytes that one forward and backward hold at a time."""
    if logits.device.type == "cuda":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        _step(call, logits, targets)
        return torch.cuda.max_memory_allocated() - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        _step(call, logits, targets)
    # The sums of the profiler hide the peak; its single events, in their order, show it.
    assert recorded.profiler is not None
    events = [event for event in recorded.profiler.kineto_results.events() if event.name() == "[memory]"]
    held = most = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        most = max(most, held)
    return most
