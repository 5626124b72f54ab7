"""PU-MLC: loops, goldens, and the batches in which its statistics degenerate."""

import math

import pytest
import torch

from labelmend_core.losses import build_loss


@pytest.mark.shared
def test_loss_and_gradient_meet_the_goldens(goldens, loss_and_gradient) -> None:
    # The code rounds 1 / number of images to float32 even for float64 logits: hence the absolute tolerance.
    # It adds 1e-10 to the probability twice, which the default floor of 2e-10 repeats.
    for golden in goldens("vpu"):
        loss = build_loss("pu_mlc", alpha=golden.hp["alpha"], gamma=golden.hp["gamma"])
        value, gradient = loss_and_gradient(loss, golden.logits, golden.targets)
        assert value.item() == pytest.approx(golden.loss, rel=1e-6), golden.name
        tolerance = golden.tolerance | {"atol": max(golden.tolerance["atol"], 2e-8)}
        torch.testing.assert_close(gradient, golden.gradient, **tolerance)


@pytest.mark.shared
def test_a_positive_that_the_public_code_gives_up_on_is_pulled_up_without_a_floor(goldens, loss_and_gradient) -> None:
    # Class 1 of these runs has a single positive, at z = -30, where the floor outweighs its probability.
    for golden in goldens("vpu_g0.55_a1.0_partial__ext"):
        assert golden.targets[0, 1] == 1
        assert abs(golden.gradient[0, 1]) < 1e-3
        loss = build_loss("pu_mlc", alpha=1.0, gamma=0.55, floor=0.0)
        _, gradient = loss_and_gradient(loss, golden.logits, golden.targets)
        assert gradient[0, 1].item() == pytest.approx(-1.0, abs=1e-6), golden.name


@pytest.mark.parametrize(("alpha", "gamma", "floor"), [(1.0, 0.55, 2e-10), (0.3, 0.0, 0.0), (2.0, 1.0, 1e-4)])
def test_equals_loops_over_classes(alpha, gamma, floor) -> None:
    rng = torch.Generator().manual_seed(0)
    logits = torch.randn(7, 4, generator=rng, dtype=torch.float64) * torch.tensor([0.2, 1.0, 3.0, 0.7]) - 1
    targets = torch.randint(-1, 2, (7, 4), generator=rng)
    targets[:, 3] = torch.tensor([0, -1, 0, 0, -1, 0, 0])  # a class without positives
    expected = 0.0
    for k in range(4):
        column = logits[:, k].tolist()
        mean = sum(column) / 7
        std = math.sqrt(sum((z - mean) ** 2 for z in column) / 7)
        tau = min(alpha * std, 1)
        p = [1 / (1 + math.exp(-z / tau)) for z in column]
        expected += (sum(p) / 7) ** gamma * math.log(sum(x + floor for x in p) / 7)
        positive = [math.log(p[i] + floor) for i in range(7) if targets[i, k] == 1]
        expected -= sum(positive) / len(positive) if positive else 0
    loss = build_loss("pu_mlc", alpha=alpha, gamma=gamma, floor=floor)
    assert loss(logits, targets).item() == pytest.approx(expected)


def test_temperature_and_balance_have_no_gradient(loss_and_gradient) -> None:
    logits = torch.tensor([[0.4], [-0.2], [0.1]], dtype=torch.float64)
    targets = torch.tensor([[1], [0], [0]])
    _, gradient = loss_and_gradient(build_loss("pu_mlc", floor=0.0), logits, targets)
    tau = logits.std(correction=0).item()
    z = (logits / tau).requires_grad_()
    balance = z.detach().sigmoid().mean() ** 0.55
    (expected,) = torch.autograd.grad(balance * z.sigmoid().mean().log() - z[0, 0].sigmoid().log(), z)
    torch.testing.assert_close(gradient, expected / tau)


def test_verified_negatives_count_as_unlabelled() -> None:
    logits = torch.randn(6, 3, generator=torch.Generator().manual_seed(1))
    targets = torch.tensor([[1, 0, 0], [0, 1, 0], [0, 0, 0], [1, 0, 1], [0, 0, 0], [0, 0, 0]])
    verified = torch.where(targets == 0, -1, targets)
    assert build_loss("pu_mlc")(logits, targets) == build_loss("pu_mlc")(logits, verified)


def test_a_class_without_positives_is_only_pushed_down(loss_and_gradient) -> None:
    logits = torch.randn(6, 1, generator=torch.Generator().manual_seed(1))
    _, gradient = loss_and_gradient(build_loss("pu_mlc"), logits, torch.zeros(6, 1))
    assert (gradient > 0).all()


@pytest.mark.parametrize("images", [1, 5])
def test_equal_logits_are_not_divided_by_their_zero_spread(images, loss_and_gradient) -> None:
    logits = torch.full((images, 2), -2.0)
    targets = torch.zeros(images, 2, dtype=torch.int8)
    targets[0, 0] = 1
    value, gradient = loss_and_gradient(build_loss("pu_mlc", gamma=0.0), logits, targets)
    p = 1 / (1 + math.exp(2))
    assert value.item() == pytest.approx(math.log(p), rel=1e-5)  # class 0: ln p - ln p; class 1: ln p
    assert gradient[:, 1].sum().item() == pytest.approx(1 - p, rel=1e-5)
