"""Heads on the same features and labels: how good, and how many images a second."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from labelmend_app.benchmarks.arena import RELEASED, Arena, Result, compete, settings_for
from labelmend_core.models.heads import HEADS

NOISE = "40 %"
RATES = (1e-3, 3e-3)
# Head, loss, and the weight decay: strong for one layer, weak for several.
COMPETITORS: tuple[tuple[str, str, float], ...] = (
    ("linear", "hill", 3.0),
    ("cosine", "aam", 3.0),
    ("ml_decoder", "hill", 1e-2),
    ("ml_decoder", "aam", 1e-2),
    ("graph", "hill", 1e-2),
    ("graph", "aam", 1e-2),
)
Show = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Row:
    """One head with one loss; speeds are medians over the seeds, in images a second on cached features."""

    head: str
    loss: str
    lr: float
    maps: tuple[float, ...]
    train_speed: float
    predict_speed: float


def takes(head: str) -> str:
    """Return which features a head takes: "vectors" or "tokens"."""
    return HEADS[head].takes


def run(arena_of: Callable[[str], Arena], *, seeds: int, show: Show) -> Iterator[Row]:
    """Yield a row for each head and loss.

    Args:
        arena_of: from a head's name to the features that it takes; called once for vectors and once for tokens.
        seeds: trainings at the rate that was best with seed 0.
        show: told what is trained, how many heads are done, and how many there are.
    """
    for number, (head, loss, weight_decay) in enumerate(COMPETITORS):
        arena = arena_of(head)
        base = settings_for(arena, loss, head=head, hyperparameters=RELEASED.get(loss, {}))
        base = replace(base, schedule=replace(base.schedule, weight_decay=weight_decay))
        found: dict[float, Result] = {}
        for lr in RATES:
            show(f"{head} with {loss}, learning rate {lr:g}", number, len(COMPETITORS))
            found[lr] = compete(arena, NOISE, replace(base, schedule=replace(base.schedule, lr=lr)))
        best = max(found, key=lambda lr: found[lr].chosen)
        results = [found[best]]
        for seed in range(1, seeds):
            show(f"{head} with {loss}, seed {seed}", number, len(COMPETITORS))
            results.append(compete(arena, NOISE, replace(base, schedule=replace(base.schedule, lr=best), seed=seed)))
        yield Row(
            head,
            loss,
            best,
            tuple(result.measured for result in results),
            float(np.median([result.train_speed for result in results])),
            float(np.median([result.predict_speed for result in results])),
        )
