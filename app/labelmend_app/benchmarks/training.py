"""How fast we train: our loop, one that somebody would write by hand, the network alone, and one that reads files."""

import multiprocessing
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from accelerate import Accelerator
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from labelmend_core.cores import cores
from labelmend_core.errors import LabelmendError
from labelmend_core.models import BackboneSpec
from labelmend_core.training import Augment, FitState, Recorder, RunSettings, Schedule, fit
from labelmend_core.training.assembly import augmentation_of, loss_of, network_of
from labelmend_core.training.batches import ImageBatches
from labelmend_core.types import AnnotatedDataset
from labelmend_datasets.images import ImageTensors

ARMS = ("ours", "bare", "pure", "files")
_LR = 1e-4
Show = Callable[[str, int, int], None]


@dataclass
class Speed:
    """Seconds of each arm in each round, over the same images, and the most memory that a process of it took.

    Attributes:
        ours: our loop, with the recorder.
        bare: timm's network and PyTorch's parts in a loop by hand, on the same batches and augmentation.
        pure: forward and backward of that network alone, on one batch that is in memory.
        files: the loop by hand on files that are read, decoded and resized in each epoch, as in the released training
            of ASL and SPLC.
        cpu: the same of ours, bare and pure in seconds of all cores, which other work on the machine changes less.
        peak_bytes: of our loop and of the one by hand.
    """

    images: int
    ours: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    pure: list[float] = field(default_factory=list)
    files: list[float] = field(default_factory=list)
    cpu: dict[str, list[float]] = field(default_factory=lambda: {arm: [] for arm in ARMS[:3]})
    peak_bytes: dict[str, int] = field(default_factory=dict)

    def images_per_second(self, arm: str) -> float:
        """Return the median over the rounds; higher is faster."""
        return self.images / float(np.median(getattr(self, arm)))

    def ratio_to(self, arm: str) -> float:
        """Return how fast ours is against another arm, the median over the rounds; higher is better."""
        return float(np.median(np.array(getattr(self, arm)) / np.array(self.ours)))

    def cpu_ratio_to(self, arm: str) -> float:
        """Return the same by the time of all cores; NaN of files, which other processes read."""
        return float(np.median(np.array(self.cpu[arm]) / np.array(self.cpu["ours"]))) if arm in self.cpu else np.nan


def run(
    dataset: AnnotatedDataset,
    folder: Path,
    cache: Path,
    spec: BackboneSpec,
    *,
    batch_size: int,
    rounds: int,
    memory: bool,
    show: Show,
) -> Speed:
    """Return the speed of each arm: all have their turn in every round, since machines are noisy.

    Args:
        dataset: what is trained on.
        folder: of its images.
        cache: where the decoded images are kept.
        spec: the network.
        batch_size: images a step.
        rounds: passes of each arm over the images, after one that does not count.
        memory: measure that, too, in processes of their own.
        show: told phase, rounds done and rounds in all.
    """
    paths = [folder / path for path in dataset.paths]
    peaks = {arm: _peak(arm, dataset, paths, cache, spec, batch_size) for arm in ARMS[:2]} if memory else {}
    arms = _Arms(dataset, paths, cache, spec, batch_size)
    speed = Speed(len(paths), peak_bytes=peaks)

    before = time.process_time()

    def others(state: FitState) -> None:
        nonlocal before
        own = time.process_time() - before
        number = state.history[-1].epoch
        show("training", number, rounds)
        found = {arm: arms.seconds(arm, number) for arm in ARMS[1:]}
        if number > 0:  # what is slow only once is over
            speed.ours.append(state.history[-1].seconds)
            speed.cpu["ours"].append(own)
            for arm, (seconds, cpu) in found.items():
                getattr(speed, arm).append(seconds)
                if arm in speed.cpu:
                    speed.cpu[arm].append(cpu)
        arms.warm(number)
        before = time.process_time()

    arms.ours(rounds + 1, others)
    return speed


class _Arms:
    def __init__(
        self, dataset: AnnotatedDataset, paths: list[Path], cache: Path, spec: BackboneSpec, batch_size: int
    ) -> None:
        self._accelerator = Accelerator()
        self._device = self._accelerator.device
        self._dataset, self._paths, self._spec, self._size = dataset, paths, spec, batch_size
        self._targets = torch.from_numpy(dataset.given_labels.dense()).to(self._device)
        images = ImageTensors(paths, spec.image_size, cache)
        images.check(range(len(paths)))
        self._batches = ImageBatches(images, self._targets, np.arange(len(paths)), batch_size=batch_size, seed=0)
        self._settings = RunSettings(
            "finetune", "bce", spec, Schedule(1, _LR), batch_size=batch_size, folds=1, augment=Augment()
        )
        self._augment = augmentation_of(self._settings)
        self._by_hand: dict[str, _ByHand] = {}

    def ours(self, epochs: int, on_epoch: Callable[[FitState], None]) -> None:
        """Train with our loop."""
        torch.manual_seed(0)
        labels, names = self._dataset.given_labels, tuple(self._dataset.class_names)
        network = network_of(self._settings, labels, names).to(self._device).to(memory_format=torch.channels_last)
        fit(
            network,
            loss_of(self._settings, self._targets),
            self._batches,
            Schedule(epochs, _LR),
            accelerator=self._accelerator,
            recorder=Recorder(self._targets),
            augment=self._augment,
            on_epoch=on_epoch,
        )

    def once(self, arm: str) -> None:
        """Train with an arm for one epoch."""
        if arm == "ours":
            self.ours(1, lambda state: None)
        else:
            self.seconds(arm, 0)

    def warm(self, epoch: int) -> None:
        """Compute a batch that does not count: whoever comes after the loop that reads files finds the caches cold."""
        self._by_hand["pure"].forward_and_backward(*next(self._pure(epoch)))

    def seconds(self, arm: str, epoch: int) -> tuple[float, float]:
        """Return how long an arm other than ours takes for one epoch, by the clock and of all cores."""
        if arm not in self._by_hand:
            self._by_hand[arm] = _ByHand(self._spec, self._targets.shape[1], self._device)
        loop = self._by_hand[arm]
        batches = {"bare": self._bare, "pure": self._pure, "files": self._files}[arm](epoch)
        first = next(batches) if arm == "pure" else None  # it is there before the clock starts
        started, cpu = time.perf_counter(), time.process_time()
        if first is not None:
            for _ in range(len(self._batches)):
                loop.forward_and_backward(*first)
        else:
            for pixels, targets in batches:
                loop.step(pixels, targets)
        if self._device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - started, time.process_time() - cpu

    def _bare(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        for number, (pixels, targets, _) in enumerate(self._batches.epoch(epoch)):
            yield self._augment(pixels, epoch, number), targets

    def _pure(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        yield from self._bare(epoch)

    def _files(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        files = _Files(self._paths, self._dataset.given_labels.dense(), self._spec.image_size)
        workers = min(8, cores())
        cuda = self._device.type == "cuda"
        loader = DataLoader(files, self._size, shuffle=True, num_workers=workers, pin_memory=cuda)
        for pixels, targets in loader:
            yield pixels.to(self._device, non_blocking=True), targets.to(self._device, non_blocking=True)


class _ByHand:
    """The training that PyTorch's and timm's pages show."""

    def __init__(self, spec: BackboneSpec, classes: int, device: torch.device) -> None:
        torch.manual_seed(0)
        network = timm.create_model(spec.name, num_classes=classes, **spec.arguments)
        self._network: nn.Module = network.to(device).to(memory_format=torch.channels_last).train()
        self._optimiser = torch.optim.AdamW(self._network.parameters(), lr=_LR, fused=True)
        self._half = device.type == "cuda" and torch.cuda.is_bf16_supported()
        self._device = device

    def forward_and_backward(self, pixels: Tensor, targets: Tensor) -> None:
        """Compute the gradients of a batch."""
        self._optimiser.zero_grad(set_to_none=True)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._half):
            logits = self._network((pixels - 127.5) / 127.5)
        wanted = (targets == 1).float()
        loss = binary_cross_entropy_with_logits(logits.float(), wanted, reduction="sum") / len(pixels)
        loss.backward()  # type: ignore[no-untyped-call]

    def step(self, pixels: Tensor, targets: Tensor) -> None:
        """Train on a batch."""
        self.forward_and_backward(pixels, targets)
        self._optimiser.step()


class _Files(Dataset[tuple[Tensor, Tensor]]):
    """Files that are opened, decoded, resized and changed whenever they are asked for."""

    def __init__(self, paths: list[Path], labels: np.ndarray[tuple[int, int], np.dtype[np.int8]], side: int) -> None:
        self._paths, self._labels = paths, labels
        self._transform = v2.Compose(
            [v2.Resize((side, side)), v2.RandomHorizontalFlip(), v2.PILToTensor(), v2.ToDtype(torch.float32)]
        )

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        with Image.open(self._paths[index]) as image:
            pixels: Tensor = self._transform(image.convert("RGB"))
        return pixels, torch.from_numpy(self._labels[index])


def _peak(arm: str, *of_arms: Any) -> int:
    """Return the most memory that a process takes for an epoch of an arm, in bytes."""
    context = multiprocessing.get_context("spawn")
    told = context.SimpleQueue()
    process = context.Process(target=_tell_peak, args=(told, arm, *of_arms))
    process.start()
    process.join()
    if process.exitcode or told.empty():
        raise LabelmendError(
            f"Expected the loop {arm!r} to train in a process of its own, but it ended without a word."
        )
    return int(told.get())


def _tell_peak(told: Any, arm: str, *of_arms: Any) -> None:
    _Arms(*of_arms).once(arm)
    told.put(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
