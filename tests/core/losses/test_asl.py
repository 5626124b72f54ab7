"""The asymmetric loss: loops, the public implementations with their defects repaired, and its corner cases."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from labelmend_core.losses import MultiLabelLoss, build_loss


def exact_cell(z: float, present: bool, hp: dict[str, Any]) -> float:
    """One cell in plain floats, with logarithms that do not give out at p < 1e-8."""
    p = 1 / (1 + math.exp(-z))
    if present:
        return (1 - p) ** hp["gamma_pos"] * math.log1p(math.exp(-z))
    if hp["clip"] == 0:
        return p ** hp["gamma_neg"] * math.log1p(math.exp(z))
    q = min(1 - p + hp["clip"], 1)
    return -((1 - q) ** hp["gamma_neg"]) * math.log(q)


def exact_slope(z: float, present: bool, hp: dict[str, Any], step: float = 1e-4) -> float:
    return (exact_cell(z + step, present, hp) - exact_cell(z - step, present, hp)) / (2 * step)


def source_cells(logits: Tensor, targets: Tensor, hp: dict[str, Any]) -> Tensor:
    """What the public code computes, with its max(p, eps)."""
    p = logits.sigmoid()
    q = (1 - p + hp["clip"]).clamp(max=1) if hp["clip"] else 1 - p
    chosen = torch.where(targets == 1, p, q)
    gamma = torch.where(targets == 1, float(hp["gamma_pos"]), float(hp["gamma_neg"]))
    return -((1 - chosen) ** gamma) * chosen.clamp(min=hp["eps"]).log()


def ours(hp: dict[str, Any]) -> list[MultiLabelLoss]:
    settings = {key: hp[key] for key in ("gamma_neg", "gamma_pos", "clip")}
    losses = [build_loss("asl", reduction="sum", detach_weight=hp["disable_torch_grad_focal_loss"], **settings)]
    if not any(settings.values()):
        losses.append(build_loss("bce", reduction="sum"))
    return losses


@pytest.mark.shared
@pytest.mark.parametrize("family", ["asl", "aslopt", "q2lasl"])
def test_loss_and_gradient_meet_the_goldens(family, goldens, loss_and_gradient) -> None:
    # Repaired: the code takes ln max(p, 1e-8), so that a positive at z < -18.4 (and, without clip, a negative at
    # z > 18.4) costs at most 18.4 and has no gradient at all; and its 1 - p is rounded in float32. Those cells
    # are checked against the exact value, all others against the golden.
    for golden in goldens(family):
        present = golden.targets == 1
        repaired = torch.where(present, golden.logits < -14, (golden.logits > 14) & (golden.hp["clip"] == 0))
        source = source_cells(golden.logits, golden.targets, golden.hp)
        assert source.sum().item() == pytest.approx(golden.loss, rel=1e-6), golden.name
        expected, expected_gradient = golden.loss, golden.gradient.clone()
        for i, k in repaired.nonzero().tolist():
            cell = golden.logits[i, k].item(), bool(present[i, k]), golden.hp
            expected += exact_cell(*cell) - source[i, k].item()
            expected_gradient[i, k] = exact_slope(*cell)
        if "ext" in golden.name:
            assert golden.gradient[0, 1] == pytest.approx(0.0, abs=1e-9), golden.name
            assert expected_gradient[0, 1] == pytest.approx(-1.0), golden.name
        for loss in ours(golden.hp):
            value, gradient = loss_and_gradient(loss, golden.logits, golden.targets)
            assert value.item() == pytest.approx(expected, rel=1e-6), golden.name
            keep = ~repaired
            torch.testing.assert_close(gradient[keep], golden.gradient[keep], **golden.tolerance)
            torch.testing.assert_close(gradient[repaired], expected_gradient[repaired], rtol=1e-5, atol=1e-6)


@pytest.mark.shared
def test_unfocused_angular_loss_of_otx_is_a_weighting_of_the_cells(goldens, loss_and_gradient) -> None:
    # With focusing powers above 0 that code weights by p and not by p - clip: another loss.
    for golden in goldens("otxaal_gp0.0_gn0.0"):
        loss = build_loss("asl", reduction="none", gamma_neg=0.0, gamma_pos=0.0, clip=golden.hp["clip"])
        cells, gradient = loss_and_gradient(loss, golden.logits, golden.targets)
        present = golden.targets == 1
        balance = torch.where(present, golden.hp["k"], (1 - golden.hp["k"])).double()
        muted = present & (golden.logits < -18.4)  # the same ln max(p, 1e-8)
        expected = golden.loss + (balance[muted] * math.log(1e-8)).sum().item()
        assert (balance * cells)[~muted].sum().item() == pytest.approx(expected, rel=1e-6), golden.name
        torch.testing.assert_close((balance * gradient)[~muted], golden.gradient[~muted].double(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("hp", [{}, {"gamma_pos": 1.0, "clip": 0.2}, {"gamma_neg": 2.0, "gamma_pos": 2.0, "clip": 0.0}])
def test_equals_loops_over_cells(hp) -> None:
    rng = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(6, 4, generator=rng, dtype=torch.float64)
    targets = torch.randint(-1, 2, (6, 4), generator=rng)
    settings = {"gamma_neg": 4.0, "gamma_pos": 0.0, "clip": 0.05} | hp
    expected = 0.0
    for i in range(6):
        for k in range(4):
            expected += exact_cell(logits[i, k].item(), targets[i, k].item() == 1, settings)
    assert build_loss("asl", **hp)(logits, targets).item() == pytest.approx(expected / 6)


def test_detaching_the_weight_changes_the_gradient_and_not_the_loss(loss_and_gradient) -> None:
    logits = torch.linspace(-4, 4, 10, dtype=torch.float64)[:, None]
    targets = torch.tensor([1, -1] * 5)[:, None]
    settings = {"reduction": "sum", "gamma_neg": 3.0, "gamma_pos": 2.0, "clip": 0.1}
    value, gradient = loss_and_gradient(build_loss("asl", detach_weight=True, **settings), logits, targets)
    full_value, full_gradient = loss_and_gradient(build_loss("asl", detach_weight=False, **settings), logits, targets)
    assert value == full_value
    # The reference: the formula in autograd, with the weight cut off.
    z = logits.clone().requires_grad_()
    p, q = z.sigmoid(), (1 - z.sigmoid() + 0.1).clamp(max=1)
    cells = torch.where(targets == 1, (1 - p).detach() ** 2 * p.log(), (1 - q).detach() ** 3 * q.log())
    (expected,) = torch.autograd.grad(-cells.sum(), z)
    torch.testing.assert_close(gradient, expected)
    assert (gradient - full_gradient).abs().max() > 0.1


def test_a_negative_below_the_clip_costs_nothing(loss_and_gradient) -> None:
    logits = torch.tensor([[-3.5, -3.5]])  # p = .029
    loss = build_loss("asl", reduction="none", gamma_neg=0.5, detach_weight=False)
    value, gradient = loss_and_gradient(loss, logits, torch.tensor([[0, -1]]))
    assert torch.count_nonzero(value) == 0
    assert torch.count_nonzero(gradient) == 0
