"""Focal and focal margin: loops, the goldens of ASL and SPLC that are the same loss, and what they share."""

import math

import pytest
import torch

from labelmend_core.losses import build_loss


@pytest.fixture
def batch():
    rng = torch.Generator().manual_seed(1)
    logits = 3 * torch.randn(8, 4, generator=rng, dtype=torch.float64)
    return logits, torch.randint(-1, 2, (8, 4), generator=rng)


@pytest.mark.shared
@pytest.mark.parametrize("family", ["asl_focal2_2_dg0", "aslopt_focal2_2_dg0"])
def test_focal_meets_the_goldens_of_asl_at_two_and_two(family, goldens, loss_and_gradient) -> None:
    """The source's detached variant has another gradient, and its class floors p at 1e-8: within |z| < 18 equal."""
    for golden in goldens(family):
        if golden.logits.abs().max() > 18:
            continue
        value, gradient = loss_and_gradient(build_loss("focal", reduction="sum"), golden.logits, golden.targets)
        assert value.item() == pytest.approx(golden.loss, rel=1e-6), golden.name
        if family.startswith("asl_"):
            torch.testing.assert_close(gradient, golden.gradient, **golden.tolerance)


@pytest.mark.shared
def test_focal_margin_meets_the_goldens_of_splc_before_its_change(goldens, loss_and_gradient) -> None:
    met = 0
    for golden in goldens("splc_tau0.6_ep0"):
        loss = build_loss("focal_margin", reduction=golden.hp["reduction"], margin=golden.hp["margin"])
        value, gradient = loss_and_gradient(loss, golden.logits, golden.targets)
        assert value.item() == pytest.approx(golden.loss, rel=1e-6), golden.name
        torch.testing.assert_close(gradient, golden.gradient, **golden.tolerance)
        met += 1
    assert met


@pytest.mark.parametrize(("name", "margin"), [("focal", 0.0), ("focal_margin", 0.7)])
def test_equal_loops_over_cells(name, margin, batch) -> None:
    logits, targets = batch
    expected = 0.0
    for z, target in zip(logits.flatten().tolist(), targets.flatten().tolist(), strict=True):
        p = 1 / (1 + math.exp(-z))
        if target == 1:
            p = 1 / (1 + math.exp(margin - z))
            expected -= (1 - p) ** 1.5 * math.log(p)
        else:
            expected -= (0.25 if target == 0 else 1.0) * p**1.5 * math.log(1 - p)
    settings = {"margin": margin} if margin else {}
    loss = build_loss(name, reduction="sum", gamma=1.5, unobserved_weight=0.25, **settings)
    assert loss(logits, targets).item() == pytest.approx(expected, rel=1e-12)


def test_focal_is_asl_without_asymmetry_and_focal_margin_is_splc_before_its_change(batch) -> None:
    logits, targets = batch
    asl = build_loss("asl", gamma_neg=2, gamma_pos=2, clip=0)
    torch.testing.assert_close(build_loss("focal")(logits, targets), asl(logits, targets))
    splc = build_loss("splc", change_epoch=3)
    torch.testing.assert_close(build_loss("focal_margin")(logits, targets), splc(logits, targets, epoch=2))
