"""WAN, AN-LS and EM: goldens, loops, and the defect of their sources that we repair."""

import math

import pytest
import torch

from labelmend_core.losses import build_loss

# The authors' code adds this within every logarithm.
FLOOR = 1e-5
FAMILIES = {
    "spml_wan": ("wan", {}),
    "spml_an_ls_0.1": ("an_ls", {"smoothing": 0.1}),
    "ack_em_a0.1": ("em", {"alpha": 0.1}),
    "ack_em_a0.2": ("em", {"alpha": 0.2}),
}
NAMES = ("wan", "an_ls", "em")


@pytest.mark.shared
@pytest.mark.parametrize("family", FAMILIES)
def test_loss_and_gradient_meet_the_goldens(family, goldens, loss_and_gradient) -> None:
    name, settings = FAMILIES[family]
    for golden in goldens(family):
        loss = build_loss(name, reduction="mean", floor=FLOOR, **settings)
        value, gradient = loss_and_gradient(loss, golden.logits, golden.targets)
        exact = golden.logits.dtype == torch.float64
        # In float32 the source's 1 - p is rounded to steps of 6e-8, which its floor of 1e-5 does not hide.
        tolerance = golden.tolerance if exact else {"rtol": 1e-2, "atol": 2e-4}
        assert value.item() == pytest.approx(golden.loss, rel=1e-6 if exact else 2e-4), golden.name
        torch.testing.assert_close(gradient, golden.gradient, **tolerance)


@pytest.mark.parametrize("floor", [0.0, FLOOR])
@pytest.mark.parametrize("name", NAMES)
def test_equals_loops_over_cells(name, floor) -> None:
    rng = torch.Generator().manual_seed(2)
    logits = 3 * torch.randn(8, 5, generator=rng, dtype=torch.float64)
    targets = torch.randint(-1, 2, (8, 5), generator=rng)
    expected = 0.0
    for z, target in zip(logits.flatten().tolist(), targets.flatten().tolist(), strict=True):
        p = 1 / (1 + math.exp(-z))
        yes, no = -math.log(p + floor), -math.log(1 - p + floor)
        if name == "wan":
            expected += yes if target == 1 else no / (4 if target == 0 else 1)
        elif name == "an_ls":
            expected += 0.9 * yes + 0.1 * no if target == 1 else 0.9 * no + 0.1 * yes
        else:
            expected += {1: yes, -1: no, 0: -0.1 * (p * yes + (1 - p) * no)}[target]
    loss = build_loss(name, reduction="sum", floor=floor)
    assert loss(logits, targets).item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_a_hopeless_positive_keeps_its_gradient_where_the_source_takes_it(name, loss_and_gradient) -> None:
    """Defect of both sources: log(p + 1e-5) is flat for z below -12, so such a positive is never learned."""
    logits, targets = torch.full((1, 2), -30.0), torch.tensor([[1, 1]])
    _, ours = loss_and_gradient(build_loss(name), logits, targets)
    _, theirs = loss_and_gradient(build_loss(name, floor=FLOOR), logits, targets)
    assert (ours < -0.8).all()
    assert (theirs.abs() < 1e-7).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_floor_is_differentiable_and_finite(name, loss_and_gradient) -> None:
    rng = torch.Generator().manual_seed(4)
    logits = (3 * torch.randn(6, 4, generator=rng, dtype=torch.float64)).requires_grad_()
    targets = torch.randint(-1, 2, (6, 4), generator=rng)
    assert torch.autograd.gradcheck(lambda z: build_loss(name, floor=1e-3)(z, targets), (logits,))
    extremes = torch.tensor([[-100.0, -88.7, 0.0, 88.7, 100.0]])
    for target in (-1, 0, 1):
        value, gradient = loss_and_gradient(build_loss(name, floor=1e-12), extremes, torch.full((1, 5), target))
        assert torch.isfinite(value)
        assert torch.isfinite(gradient).all()


def test_an_image_s_unobserved_cells_weigh_as_much_as_its_positive() -> None:
    targets = torch.zeros(1, 11)
    targets[0, 3] = 1
    cells = build_loss("wan", reduction="none")(torch.zeros(1, 11), targets)[0]
    assert cells[targets[0] == 0].sum().item() == pytest.approx(cells[3].item())


def test_unknown_cells_are_drawn_to_one_half(loss_and_gradient) -> None:
    logits = torch.tensor([[-2.0, -0.1, 0.0, 0.1, 2.0]])
    _, gradient = loss_and_gradient(build_loss("em"), logits, torch.zeros(1, 5))
    assert (gradient.sign() == logits.sign()).all()
