"""SPLC: loops, goldens, and which cells are relabelled when."""

import math

import pytest
import torch

from labelmend_core.losses import build_loss


@pytest.mark.shared
def test_loss_and_gradient_meet_the_goldens(goldens, loss_and_gradient) -> None:
    for golden in goldens("splc"):
        settings = {key: golden.hp[key] for key in ("tau", "change_epoch", "margin", "gamma")}
        loss = build_loss("splc", reduction=golden.hp["reduction"], **settings)
        value, gradient = loss_and_gradient(loss, golden.logits, golden.targets, golden.hp["epoch"])
        assert value.item() == pytest.approx(golden.loss, rel=1e-6), golden.name
        torch.testing.assert_close(gradient, golden.gradient, **golden.tolerance)
        cells = build_loss("splc", reduction="none", **settings)(golden.logits, golden.targets, golden.hp["epoch"])
        torch.testing.assert_close(cells, golden.cells, **golden.tolerance)


@pytest.mark.parametrize("epoch", [0, 1, 2, 3])
def test_equals_loops_over_cells(epoch) -> None:
    rng = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(8, 4, generator=rng, dtype=torch.float64)
    targets = torch.randint(-1, 2, (8, 4), generator=rng)
    expected = 0.0
    for i in range(8):
        for k in range(4):
            z, target = logits[i, k].item(), targets[i, k].item()
            p = 1 / (1 + math.exp(-z))
            p_margin = 1 / (1 + math.exp(0.8 - z))
            if target == 1:
                expected -= (1 - p_margin) ** 1.5 * math.log(p_margin)
            elif target == 0 and epoch >= 2 and p > 0.7:
                expected -= (1 - p) ** 1.5 * math.log(p)
            else:
                expected -= p**1.5 * math.log(1 - p)
    loss = build_loss("splc", reduction="sum", tau=0.7, change_epoch=2, margin=0.8, gamma=1.5)
    assert loss(logits, targets, epoch).item() == pytest.approx(expected)


def test_only_unobserved_cells_above_tau_are_relabelled_and_only_from_the_change_epoch(loss_and_gradient) -> None:
    logits = torch.tensor([[3.0, 3.0, 0.0]])  # p = .95, .95, .5
    targets = torch.tensor([[0, -1, 0]])
    loss = build_loss("splc", tau=0.5)
    _, before = loss_and_gradient(loss, logits, targets, epoch=0)
    _, after = loss_and_gradient(loss, logits, targets, epoch=1)
    assert (before > 0).all()  # all three are pushed down
    assert after[0, 0] < 0  # relabelled: pushed up
    assert after[0, 1] == before[0, 1]  # a verified negative
    assert after[0, 2] == before[0, 2]  # p = tau is not above tau


def test_relabelling_is_not_written_back_to_the_targets() -> None:
    targets = torch.zeros(2, 2, dtype=torch.int8)
    build_loss("splc")(torch.full((2, 2), 5.0), targets, epoch=9)
    assert torch.count_nonzero(targets) == 0
