"""The Hill loss: loops, goldens, the hill itself, and the logits where the public code gives NaN."""

import math

import pytest
import torch

from labelmend_core.losses import build_loss


@pytest.mark.shared
def test_loss_and_gradient_meet_the_goldens(goldens, loss_and_gradient) -> None:
    for golden in goldens("hill"):
        settings = {"lam": golden.hp["lamb"], "margin": golden.hp["margin"], "gamma": golden.hp["gamma"]}
        loss = build_loss("hill", reduction=golden.hp["reduction"], **settings)
        value, gradient = loss_and_gradient(loss, golden.logits, golden.targets)
        assert value.item() == pytest.approx(golden.loss, rel=1e-6), golden.name
        torch.testing.assert_close(gradient, golden.gradient, **golden.tolerance)
        cells = build_loss("hill", reduction="none", **settings)(golden.logits, golden.targets)
        torch.testing.assert_close(cells, golden.cells, **golden.tolerance)


def test_equals_loops_over_cells() -> None:
    rng = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(5, 3, generator=rng, dtype=torch.float64)
    targets = torch.randint(-1, 2, (5, 3), generator=rng)
    expected = 0.0
    for i in range(5):
        for k in range(3):
            z = logits[i, k].item()
            if targets[i, k] == 1:
                p = 1 / (1 + math.exp(0.5 - z))
                expected -= (1 - p) ** 3 * math.log(p)
            else:
                p = 1 / (1 + math.exp(-z))
                expected += (1.2 - p) * p * p
    loss = build_loss("hill", reduction="sum", lam=1.2, margin=0.5, gamma=3.0)
    assert loss(logits, targets).item() == pytest.approx(expected)


@pytest.mark.parametrize("lam", [1.0, 1.2, 1.5])
def test_the_negative_gradient_vanishes_at_two_thirds_of_lam(lam, loss_and_gradient) -> None:
    p = torch.tensor([[2 * lam / 3 - 0.05, min(2 * lam / 3, 1 - 1e-12), 0.999]], dtype=torch.float64)
    _, gradient = loss_and_gradient(build_loss("hill", lam=lam), p.logit(), torch.tensor([[-1, -1, -1]]))
    assert gradient[0, 0] > 1e-3
    assert gradient[0, 1] == pytest.approx(0.0, abs=1e-10)
    assert (gradient[0, 2] < 0) == (lam < 1.4985)  # beyond the top a lower loss lies upwards


def test_hard_positives_and_sure_negatives_are_exact_in_float32(loss_and_gradient) -> None:
    # ln sigmoid(z) of the public code is -inf at z = -89 in float32, and 0 * inf is NaN in its gradient.
    logits = torch.tensor([[-89.0, -100.0, -89.0, 100.0]])
    targets = torch.tensor([[1, 1, 0, -1]])
    value, gradient = loss_and_gradient(build_loss("hill", reduction="none"), logits, targets)
    torch.testing.assert_close(value, torch.tensor([[90.0, 101.0, 0.0, 0.5]]))
    torch.testing.assert_close(gradient, torch.tensor([[-1.0, -1.0, 0.0, 0.0]]))


def test_unobserved_cells_can_be_left_out() -> None:
    logits = torch.tensor([[0.0, 0.0]])
    cells = build_loss("hill", reduction="none", unobserved_weight=0.0)(logits, torch.tensor([[0, -1]]))
    torch.testing.assert_close(cells, torch.tensor([[0.0, 0.25]]))
