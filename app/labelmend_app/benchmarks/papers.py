"""The papers' comparison on data at hand: every loss on labels with errors, each with its own learning rate."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from labelmend_app.benchmarks.arena import RELEASED, Arena, Result, compete, settings_for
from labelmend_app.benchmarks.kept import TRAINING, KeptRecords
from labelmend_core.errors import InputError
from labelmend_core.losses import LOSSES
from labelmend_core.training import RunSettings

# What a training of the arena comes of.
_CODE = (*TRAINING, "labelmend_core.metrics", "labelmend_app.benchmarks.arena")
# What a paper has for one kind of noise only.
_FOR_NOISE = {("75 %", "splc"): {"tau": 0.65}}
Show = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Row:
    """One loss on one kind of noise.

    Attributes:
        lr: the learning rate that was best on the choosing half with seed 0.
        maps: mAP on the measuring half, one a seed.
    """

    arena: str
    noise: str
    loss: str
    lr: float
    maps: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean over the seeds."""
        return float(np.mean(self.maps))

    @property
    def spread(self) -> float:
        """Standard deviation over the seeds."""
        return float(np.std(self.maps))


def run(arena: Arena, *, losses: Sequence[str], seeds: int, show: Show, keep: Path | None = None) -> Iterator[Row]:
    """Yield a row for each kind of noise and loss.

    Args:
        arena: the problem.
        losses: names; all of `LOSSES` in the table of the papers.
        seeds: trainings at the best rate.
        show: told what is trained, how many trainings are done, and how many there are.
        keep: a file that keeps every training, so that a stopped benchmark goes on; None keeps nothing.
    """
    trained = _training(arena, keep)
    each = len(arena.rates) + seeds - 1
    total, done = len(arena.labels) * len(losses) * each, 0
    for noise in arena.labels:
        for loss in losses:
            hyperparameters = _FOR_NOISE.get((noise, loss)) or RELEASED.get(loss, {})
            base = settings_for(arena, loss, hyperparameters=hyperparameters)
            found = {}
            for lr in arena.rates:
                show(f"{arena.name}, {noise}, {loss}", done, total)
                found[lr] = trained(noise, _with(base, lr, 0))
                done += 1
            best = max(found, key=lambda lr: found[lr].chosen)
            maps = [found[best].measured]
            for seed in range(1, seeds):
                show(f"{arena.name}, {noise}, {loss}", done, total)
                maps.append(trained(noise, _with(base, best, seed)).measured)
                done += 1
            yield Row(arena.name, noise, loss, best, tuple(maps))


def known(names: Sequence[str]) -> tuple[str, ...]:
    """Return the losses that were asked for, all without any."""
    return tuple(names) or tuple(LOSSES)


def with_noise(arena: Arena, kinds: Sequence[str]) -> Arena:
    """Return the arena with these kinds of noise only, all of them without any.

    Raises:
        InputError: it has no such noise.
    """
    unknown = [kind for kind in kinds if kind not in arena.labels]
    if unknown:
        raise InputError(f"Expected noise among {', '.join(arena.labels)}, got {unknown[0]!r}")
    return replace(arena, labels={kind: arena.labels[kind] for kind in kinds or arena.labels})


def _with(settings: RunSettings, lr: float, seed: int) -> RunSettings:
    return replace(settings, schedule=replace(settings.schedule, lr=lr), seed=seed)


def _training(arena: Arena, keep: Path | None) -> Callable[[str, RunSettings], Result]:
    """Return what trains unless that is kept already."""
    kept = KeptRecords(keep, _CODE)

    def trained(noise: str, settings: RunSettings) -> Result:
        what = [arena.name, arena.fingerprint, noise, settings.to_dict()]
        return Result(**kept(what, lambda: asdict(compete(arena, noise, settings))))

    return trained
