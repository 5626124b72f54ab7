"""The single-label asymmetric loss: goldens, loops, and images that do not have just one present class."""

import math

import pytest
import torch

from labelmend_core.curves import loss_curve
from labelmend_core.errors import InputError
from labelmend_core.losses import build_loss


def one_hot(indices: torch.Tensor, classes: int) -> torch.Tensor:
    return torch.nn.functional.one_hot(indices, classes)


@pytest.mark.shared
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_loss_and_gradient_meet_the_goldens(reduction, goldens, loss_and_gradient) -> None:
    runs = [golden for golden in goldens("aslsingle") if golden.hp["reduction"] == reduction]
    assert len(runs) == 9
    for golden in runs:
        hp = golden.hp
        loss = build_loss(
            "asl_single_label",
            reduction="batch" if reduction == "mean" else "sum",  # "none" of the source is one number an image
            gamma_neg=hp["gamma_neg"],
            gamma_pos=hp["gamma_pos"],
            smoothing=hp["eps"],
        )
        value, gradient = loss_and_gradient(loss, golden.logits, one_hot(golden.targets, 5))
        assert value.item() == pytest.approx(golden.loss, rel=1e-6), golden.name
        torch.testing.assert_close(gradient, golden.gradient, **golden.tolerance)


@pytest.mark.parametrize("settings", [{}, {"gamma_pos": 1.5, "gamma_neg": 0.5, "smoothing": 0.0}])
def test_equals_loops_over_cells(settings) -> None:
    rng = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(5, 4, generator=rng, dtype=torch.float64)
    targets = torch.tensor([[1, 0, 0, -1], [-1, 1, -1, 0], [0, 0, 1, 1], [0, 0, 0, 0], [-1, -1, -1, 1]])
    hp = {"gamma_pos": 0.0, "gamma_neg": 4.0, "smoothing": 0.1} | settings
    expected = torch.zeros(5, 4, dtype=torch.float64)
    for i in range(5):
        total = sum(math.exp(z) for z in logits[i].tolist())
        n_present = int((targets[i] == 1).sum())
        for k in range(4):
            p = math.exp(logits[i, k].item()) / total
            present = targets[i, k] == 1
            share = (1 / n_present if present else 0.0) if n_present else 0.0
            t = (1 - hp["smoothing"]) * share + (hp["smoothing"] / 4 if n_present else 0.0)
            weight = (1 - p) ** hp["gamma_pos"] if present else p ** hp["gamma_neg"]
            expected[i, k] = -t * weight * math.log(p)
    cells = build_loss("asl_single_label", reduction="none", **settings)(logits, targets)
    torch.testing.assert_close(cells, expected)


@pytest.mark.parametrize("gamma", [0.0, 0.3, 1.0, 10.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.9])
def test_the_gradient_is_the_derivative_and_finite_at_the_ends_of_the_hyperparameters(
    gamma, smoothing, loss_and_gradient
) -> None:
    rng = torch.Generator().manual_seed(0)
    logits = (2 * torch.randn(5, 4, generator=rng, dtype=torch.float64)).requires_grad_()
    targets = one_hot(torch.tensor([0, 3, 2, 1, 1]), 4)
    settings = {"gamma_pos": gamma, "gamma_neg": gamma, "smoothing": smoothing}
    loss = build_loss("asl_single_label", reduction="none", **settings)
    assert torch.autograd.gradcheck(lambda z: loss(z, targets), (logits,))
    extremes = torch.tensor([[100.0, -100.0, 0.0], [-100.0, 100.0, 99.0], [40.0, 40.0, -100.0]])
    for present in range(3):
        value, gradient = loss_and_gradient(loss, extremes, one_hot(torch.full((3,), present), 3))
        assert torch.isfinite(value).all()
        assert torch.isfinite(gradient).all()


def test_an_image_without_a_present_class_costs_nothing(loss_and_gradient) -> None:
    logits, targets = torch.tensor([[1.0, 2.0], [0.0, 3.0]]), torch.tensor([[0, -1], [1, 0]])
    value, gradient = loss_and_gradient(build_loss("asl_single_label", reduction="none"), logits, targets)
    assert torch.count_nonzero(value[0]) == 0
    assert torch.count_nonzero(gradient[0]) == 0
    assert torch.count_nonzero(gradient[1]) == 2


def test_several_present_classes_are_drawn_to_equal_shares(loss_and_gradient) -> None:
    logits = torch.tensor([[20.0, 20.0, 0.0, 0.0]], dtype=torch.float64)
    loss = build_loss("asl_single_label", gamma_neg=0.0, smoothing=0.0)
    value, gradient = loss_and_gradient(loss, logits, torch.tensor([[1, 1, 0, 0]]))
    assert value.item() == pytest.approx(math.log(2), rel=1e-6)
    torch.testing.assert_close(gradient, torch.zeros(1, 4, dtype=torch.float64), rtol=0, atol=1e-8)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_the_logits_are_the_log_odds_of_the_softmax(dtype) -> None:
    outputs = torch.tensor([[2.0, -1.0, 0.5], [1.0, 1.0, 1.0], [90.0, 0.0, 0.0], [3.0, 3.0, -5.0]]).to(dtype)
    logits = build_loss("asl_single_label").as_logits(outputs)
    exact = outputs.double().softmax(dim=1)
    torch.testing.assert_close(logits.sigmoid().double(), exact, rtol=1e-5, atol=1e-38)
    assert logits[2, 0].item() == pytest.approx(90 - math.log(2))  # 1 - p is lost in p, not in the log-odds


def test_the_curve_is_the_loss_of_an_image_of_two_classes() -> None:
    for target in (1, 0, -1):
        curve = loss_curve("asl_single_label", target, logits=[-2.0, 0.7])
        for point in curve.itertuples():
            z = torch.tensor([[point.logit, 0.0]], dtype=torch.float64, requires_grad=True)
            value = build_loss("asl_single_label")(z, torch.tensor([[1, 0] if target == 1 else [0, 1]]))
            (gradient,) = torch.autograd.grad(value, z)
            assert point.loss == pytest.approx(value.item())
            assert point.gradient == pytest.approx(gradient[0, 0].item())


def test_one_class_is_no_choice() -> None:
    with pytest.raises(InputError, match="got one class"):
        build_loss("asl_single_label")(torch.zeros(3, 1), torch.ones(3, 1))
