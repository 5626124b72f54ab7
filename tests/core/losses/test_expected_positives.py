"""EPR: goldens, loops, and where unobserved cells are pushed."""

import math

import pytest
import torch

from labelmend_core.curves import loss_curve
from labelmend_core.losses import build_loss

FLOOR = 1e-5  # added within every logarithm by the authors' code


@pytest.mark.shared
def test_loss_and_gradient_meet_the_goldens(goldens, loss_and_gradient) -> None:
    runs = goldens("spml_epr")
    assert len(runs) == 3
    for golden in runs:
        k = golden.hp["expected_num_pos"]
        loss = build_loss("epr", reduction="mean", floor=FLOOR, expected_positives=k)
        value, gradient = loss_and_gradient(loss, golden.logits, golden.targets)
        assert value.item() == pytest.approx(golden.loss, rel=1e-6), golden.name
        torch.testing.assert_close(gradient, golden.gradient, **golden.tolerance)


@pytest.mark.parametrize("floor", [0.0, FLOOR])
def test_equals_loops_over_cells(floor) -> None:
    rng = torch.Generator().manual_seed(2)
    logits = 2 * torch.randn(6, 5, generator=rng, dtype=torch.float64)
    targets = torch.randint(-1, 2, (6, 5), generator=rng)
    observed, count = 0.0, 0.0
    for z, target in zip(logits.flatten().tolist(), targets.flatten().tolist(), strict=True):
        p = 1 / (1 + math.exp(-z))
        count += p / 6
        observed += {1: -math.log(p + floor), -1: -math.log(1 - p + floor), 0: 0.0}[target]
    loss = build_loss("epr", reduction="sum", expected_positives=2.9, floor=floor)
    expected = observed + 30 * (count - 2.9) ** 2 / 25
    assert loss(logits, targets).item() == pytest.approx(expected, rel=1e-10)


def test_a_hopeless_positive_keeps_its_gradient_where_the_source_takes_it(loss_and_gradient) -> None:
    """Defect of the source: log(p + 1e-5) is flat for z below -12, so such a positive is never learned."""
    logits, targets = torch.full((1, 2), -30.0), torch.tensor([[1, 1]])
    _, ours = loss_and_gradient(build_loss("epr"), logits, targets)
    _, theirs = loss_and_gradient(build_loss("epr", floor=FLOOR), logits, targets)
    assert (ours < -0.8).all()
    assert (theirs.abs() < 1e-7).all()


def test_unobserved_cells_are_pushed_towards_the_expected_number(loss_and_gradient) -> None:
    logits = torch.tensor([[0.0, 0.5, -0.5, 0.0]])  # two expected
    for k, sign in ((1.0, 1), (3.0, -1)):
        _, gradient = loss_and_gradient(build_loss("epr", expected_positives=k), logits, torch.zeros(1, 4))
        assert (gradient.sign() == sign).all()


def test_the_expected_number_is_that_of_the_batch() -> None:
    logits = torch.tensor([[20.0, 20.0], [-20.0, -20.0]], dtype=torch.float64)
    value = build_loss("epr", expected_positives=1.0)(logits, torch.zeros(2, 2))
    assert value.item() == pytest.approx(0.0, abs=1e-15)


def test_the_curve_is_the_loss_of_the_documented_image() -> None:
    for target in (1, 0, -1):
        for point in loss_curve("epr", target, logits=[-3.0, 1.5]).itertuples():
            z = torch.cat([torch.tensor([point.logit]), torch.linspace(-6, -1, 19)]).double()[None].requires_grad_()
            targets = torch.tensor([[target] + 19 * [0]])
            value = build_loss("epr", reduction="sum")(z, targets)
            (gradient,) = torch.autograd.grad(value, z)
            assert point.loss == pytest.approx(value.item(), rel=1e-6)
            assert point.gradient == pytest.approx(gradient[0, 0].item(), rel=1e-6)
