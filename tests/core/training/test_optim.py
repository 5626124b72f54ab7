"""Optimisers: who decays, what the cycle does, and what is refused."""

import pytest
import torch
from torch import nn

from labelmend_core.errors import InputError
from labelmend_core.training import Schedule
from labelmend_core.training.optim import build_optimiser


class _WithEstimate(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.estimate = nn.Parameter(torch.zeros(4, 3))


def _optimiser(name: str, **settings):
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))
    network[2].weight.requires_grad = False
    loss = _WithEstimate()
    optimiser, rate = build_optimiser(network, loss, name=name, lr=0.1, weight_decay=0.3, total_steps=100, **settings)
    return network, loss, optimiser, rate


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_only_kernels_and_matrices_of_the_network_decay(name: str) -> None:
    network, loss, optimiser, _ = _optimiser(name)
    decay = {id(p): group["weight_decay"] for group in optimiser.param_groups for p in group["params"]}
    assert decay[id(network[0].weight)] == 0.3
    for parameter in (network[0].bias, network[1].weight, network[1].bias, network[2].bias, loss.estimate):
        assert decay[id(parameter)] == 0.0
    assert id(network[2].weight) not in decay


def test_the_rate_is_highest_after_the_warm_up() -> None:
    _, _, optimiser, rate = _optimiser("adamw", warm_up=0.3)
    rates = []
    for _ in range(100):
        rates.append(rate.get_last_lr()[0])
        optimiser.step()
        rate.step() if len(rates) < 100 else None
    assert max(rates) == pytest.approx(0.1)
    assert rates.index(max(rates)) == pytest.approx(30, abs=1)


@pytest.mark.parametrize(
    "wrong", [{"optimiser": "lion"}, {"warm_up": 0.0}, {"warm_up": 1.0}, {"sam": -1.0}, {"cycle": 4}]
)
def test_a_schedule_that_cannot_be_is_refused(wrong) -> None:
    with pytest.raises(InputError, match="Expected"):
        Schedule(epochs=5, lr=0.1, **wrong)
