"""Binary cross-entropy: loops, goldens, and what the weight of unobserved cells does."""

import math

import pytest
import torch

from labelmend_core.losses import build_loss

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [-3.0, 4.0, 0.0]], dtype=torch.float64)
TARGETS = torch.tensor([[1, 0, -1], [1, -1, 0]], dtype=torch.int8)


def loops(eps: float, logits: torch.Tensor, targets: torch.Tensor) -> float:
    total = 0.0
    for row, target_row in zip(logits.tolist(), targets.tolist(), strict=True):
        for z, target in zip(row, target_row, strict=True):
            p_target = 1 / (1 + math.exp(-z if target == 1 else z))
            total -= math.log(p_target + eps)
    return total


def test_equals_loops_over_cells() -> None:
    assert build_loss("bce", reduction="sum")(LOGITS, TARGETS).item() == pytest.approx(loops(0.0, LOGITS, TARGETS))


def test_equals_torch_in_loss_and_gradient(loss_and_gradient) -> None:
    reference = torch.nn.BCEWithLogitsLoss(reduction="sum")
    loss, gradient = loss_and_gradient(build_loss("bce", reduction="sum"), LOGITS, TARGETS)
    inner = LOGITS.clone().requires_grad_()
    expected = reference(inner, (TARGETS == 1).double())
    (expected_gradient,) = torch.autograd.grad(expected, inner)
    torch.testing.assert_close(loss, expected.detach())
    torch.testing.assert_close(gradient, expected_gradient)


def test_easy_cells_keep_their_small_loss_and_gradient_in_float32(loss_and_gradient) -> None:
    logits = torch.tensor([[20.0, -20.0]])  # where 1 - sigmoid(20) rounds to 0
    loss, gradient = loss_and_gradient(build_loss("bce", reduction="none"), logits, torch.tensor([[1, -1]]))
    torch.testing.assert_close(loss, torch.full((1, 2), math.exp(-20)), rtol=1e-5, atol=0.0)
    torch.testing.assert_close(gradient, torch.tensor([[-1.0, 1.0]]) * math.exp(-20), rtol=1e-5, atol=0.0)


@pytest.mark.parametrize("weight", [0.0, 0.3])
def test_unobserved_cells_count_by_their_weight_and_verified_negatives_fully(weight, loss_and_gradient) -> None:
    plain, plain_gradient = loss_and_gradient(build_loss("bce", reduction="none"), LOGITS, TARGETS)
    weighted, gradient = loss_and_gradient(
        build_loss("bce", reduction="none", unobserved_weight=weight), LOGITS, TARGETS
    )
    factor = torch.tensor([[1, weight, 1], [1, 1, weight]], dtype=torch.float64)
    torch.testing.assert_close(weighted, factor * plain)
    torch.testing.assert_close(gradient, factor * plain_gradient)


def test_mean_divides_by_the_cells_that_carry_weight() -> None:
    cells = build_loss("bce", reduction="none", unobserved_weight=0.0)(LOGITS, TARGETS)
    mean = build_loss("bce", reduction="mean", unobserved_weight=0.0)(LOGITS, TARGETS)
    torch.testing.assert_close(mean, cells.sum() / 4)  # two of the six cells are unobserved
    half = build_loss("bce", reduction="mean", unobserved_weight=0.5)(LOGITS, TARGETS)
    halved = build_loss("bce", reduction="sum", unobserved_weight=0.5)(LOGITS, TARGETS)
    torch.testing.assert_close(half, halved / 6)


@pytest.mark.shared
@pytest.mark.parametrize("family", ["spml_bce_", "spml_an_"])
def test_differs_from_the_single_positive_code_only_by_its_epsilon(family, goldens) -> None:
    # That code takes ln(p + 1e-5), which caps the loss and mutes hard cells; ours takes the logarithm of p.
    for golden in goldens(family):
        cells, rounding = golden.logits.numel(), 1e-6 if golden.logits.dtype == torch.float64 else 1e-4
        with_epsilon = loops(1e-5, golden.logits, golden.targets) / cells
        assert with_epsilon == pytest.approx(golden.loss, rel=rounding), golden.name
        ours = build_loss("bce", reduction="mean")(golden.logits, golden.targets).item()
        assert ours == pytest.approx(loops(0.0, golden.logits, golden.targets) / cells, rel=1e-6), golden.name
