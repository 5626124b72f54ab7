"""The angular margin loss: goldens of both public implementations, loops, and what is no cosine."""

import math

import numpy as np
import pytest
import torch

from labelmend_core.curves import loss_curve
from labelmend_core.errors import InputError
from labelmend_core.losses import build_loss

FOCUSED = {"scale": 12.0, "margin": 0.1, "gamma_neg": 2.0, "gamma_pos": 1.0}
SETTINGS = [
    {},
    {"margin": 0.0, "balance": 0.7},
    FOCUSED,
    FOCUSED | {"clip": 0.0, "gamma_neg": 0.5, "gamma_pos": 0.5},
    {"smoothing": 0.1},
    FOCUSED | {"smoothing": 0.05},
]


def exact_cell(c: float, present: bool, hp: dict[str, float]) -> float:
    """One cell in plain floats."""
    s, y = hp["scale"], 1 - hp["smoothing"] if present else hp["smoothing"]
    p_pos, p_neg = 1 / (1 + math.exp(-s * (c - hp["margin"]))), 1 / (1 + math.exp(s * (c + hp["margin"])))
    if hp["gamma_pos"] > 0 or hp["gamma_neg"] > 0:
        p_neg = min(p_neg + hp["clip"], 1)
    loss = -hp["balance"] / s * y * math.log(p_pos) - (1 - hp["balance"]) / s * (1 - y) * math.log(p_neg)
    return loss * (p_neg * y + p_pos * (1 - y)) ** (hp["gamma_pos"] * y + hp["gamma_neg"] * (1 - y))


@pytest.mark.shared
@pytest.mark.parametrize("ignored", [False, True])
def test_loss_and_gradient_meet_the_goldens(ignored, goldens, loss_and_gradient) -> None:
    # The code leaves out targets of -1, which is what we do with unobserved cells of weight 0; its 0 is our -1.
    runs = [golden for golden in goldens("aam") if ("ignore" in golden.name) == ignored]
    assert len(runs) == (1 if ignored else 18)
    for golden in runs:
        hp = golden.hp
        loss = build_loss(
            "aam",
            reduction="sum",
            scale=hp["s"],
            margin=hp["m"],
            balance=hp["k"],
            gamma_neg=hp["gamma_neg"],
            gamma_pos=hp["gamma_pos"],
            clip=hp["probability_margin"],
            smoothing=hp.get("label_smooth", 0.0),
            unobserved_weight=0.0,
        )
        targets = torch.where(golden.targets == 1, 1, torch.where(golden.targets == 0, -1, 0))
        value, gradient = loss_and_gradient(loss, golden.logits, targets)
        assert value.item() == pytest.approx(golden.loss, rel=1e-6), golden.name
        torch.testing.assert_close(gradient, golden.gradient, **golden.tolerance)
        assert (gradient[targets == 0] == 0).all()


@pytest.mark.shared
def test_the_focused_loss_of_openvino_is_met_without_a_margin(goldens, loss_and_gradient) -> None:
    # That code takes logits s · c and does not divide by s; it adds the clip without a gamma, too (see test_asl.py).
    # Repaired: it takes ln max(p, 1e-8), so that a positive at z < -18.4 costs 18.4 and has no gradient; such cells
    # are checked against the exact value.
    s = 30.0
    for golden in goldens("otxaal_gp0.0_gn1.0"):
        hp, z = golden.hp, golden.logits
        reduction = "sum" if hp["reduction"] == "sum" else "batch" if hp["avg_factor"] else "mean"
        cells = {"sum": 1, "batch": len(z), "mean": z.numel()}[reduction]
        loss = build_loss(
            "aam",
            reduction=reduction,
            scale=s,
            margin=0.0,
            balance=hp["k"],
            gamma_neg=hp["gamma_neg"],
            gamma_pos=hp["gamma_pos"],
            clip=hp["clip"],
        )
        value, gradient = loss_and_gradient(loss, z / s, golden.targets)
        hopeless = (golden.targets == 1) & (z < math.log(1e-8))
        repaired = hp["k"] * (-z[hopeless].double() + math.log(1e-8)).sum().item() / cells
        assert s * value.item() == pytest.approx(golden.loss + repaired, rel=1e-6), golden.name
        torch.testing.assert_close(gradient[~hopeless], golden.gradient[~hopeless], **golden.tolerance)
        assert (golden.gradient[hopeless] == 0).all()
        expected = torch.full_like(gradient[hopeless], -hp["k"] / cells)
        torch.testing.assert_close(gradient[hopeless], expected)
        assert ("ext" in golden.name) == bool(hopeless.any())


@pytest.mark.parametrize("settings", SETTINGS)
def test_equals_loops_over_cells(settings, loss_and_gradient) -> None:
    rng = torch.Generator().manual_seed(0)
    cosines = torch.tanh(0.3 * torch.randn(6, 4, generator=rng, dtype=torch.float64))
    targets = torch.randint(-1, 2, (6, 4), generator=rng)
    loss = build_loss("aam", reduction="sum", **settings)
    hp = {row.name: getattr(loss, row.name) for row in loss.hyperparameters}
    pairs = zip(cosines.flatten().tolist(), targets.flatten().tolist(), strict=True)
    value, _ = loss_and_gradient(loss, cosines, targets)
    assert value.item() == pytest.approx(sum(exact_cell(c, y == 1, hp) for c, y in pairs), rel=1e-10)


@pytest.mark.parametrize("settings", SETTINGS)
def test_the_gradient_is_the_derivative_of_the_loss_under_all_settings(settings) -> None:
    rng = torch.Generator().manual_seed(0)
    cosines = torch.tanh(0.3 * torch.randn(6, 4, generator=rng, dtype=torch.float64)).requires_grad_()
    targets = torch.randint(-1, 2, (6, 4), generator=rng)
    loss = build_loss("aam", reduction="none", unobserved_weight=0.5, **settings)
    assert torch.autograd.gradcheck(lambda c: loss(c, targets), (cosines,))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("settings", [*SETTINGS, FOCUSED | {"scale": 100.0, "margin": 1.0, "clip": 0.0}])
def test_every_cosine_is_finite_under_all_settings(dtype, settings, loss_and_gradient) -> None:
    cosines = torch.tensor([[-1.0, -0.999, -0.35, 0.0, 0.35, 0.999, 1.0]], dtype=dtype)
    for target in (-1, 0, 1):
        value, gradient = loss_and_gradient(build_loss("aam", **settings), cosines, torch.full(cosines.shape, target))
        assert torch.isfinite(value)
        assert torch.isfinite(gradient).all()


def test_a_hopeless_positive_is_finite_in_half_precision_where_the_published_formula_is_not(loss_and_gradient) -> None:
    """Defect of the source: ln(1 + exp(-s (c - m))) of float16 is infinite at c = -1, and so is ln sigmoid."""
    cosines = torch.tensor([[-1.0]], dtype=torch.float16)
    x = 30 * (cosines - 0.35)
    assert torch.isinf(torch.log(1 + torch.exp(-x))).all()
    assert torch.isinf(torch.log(torch.sigmoid(x))).all()
    value, gradient = loss_and_gradient(build_loss("aam"), cosines, torch.ones(1, 1))
    assert value.item() == pytest.approx(0.8 * 1.35)
    assert gradient.item() == pytest.approx(-0.8, rel=1e-3)


def test_verified_and_assumed_negatives_differ_by_the_weight_only() -> None:
    cosines = torch.tensor([[0.3, -0.2, 0.1]])
    verified = build_loss("aam", reduction="none", unobserved_weight=0.25)(cosines, torch.full((1, 3), -1))
    unobserved = build_loss("aam", reduction="none", unobserved_weight=0.25)(cosines, torch.zeros(1, 3))
    torch.testing.assert_close(unobserved, 0.25 * verified)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_raw_logits_are_refused_and_rounded_cosines_are_not(dtype) -> None:
    targets = torch.tensor([[1, 0]])
    above = 1 + torch.finfo(dtype).eps
    assert torch.isfinite(build_loss("aam")(torch.tensor([[above, -above]], dtype=dtype), targets))
    for raw in (3.5, -1.25):
        with pytest.raises(InputError, match=rf"cosines in \[-1, 1\], got {abs(raw)}.*--head cosine"):
            build_loss("aam")(torch.tensor([[0.2, raw]], dtype=dtype), targets)


def test_cosines_stand_for_logits_of_their_scale() -> None:
    cosines = torch.tensor([[0.5, -0.1]])
    torch.testing.assert_close(build_loss("aam", scale=20.0).as_logits(cosines), torch.tensor([[10.0, -2.0]]))


def test_the_curve_is_over_logits() -> None:
    curve = loss_curve("aam", 1, logits=[-3.0, 1.0], scale=10.0, margin=0.2)
    cosines = torch.tensor([[-0.3], [0.1]], dtype=torch.float64, requires_grad=True)
    cells = build_loss("aam", reduction="none", scale=10.0, margin=0.2)(cosines, torch.ones(2, 1))
    (gradient,) = torch.autograd.grad(cells.sum(), cosines)
    np.testing.assert_allclose(curve["loss"], cells.detach()[:, 0])
    np.testing.assert_allclose(curve["gradient"], gradient[:, 0] / 10)


def test_it_compiles_without_a_break() -> None:
    cosines = torch.tensor([[0.3, -0.2], [0.9, 0.1]], requires_grad=True)
    targets = torch.tensor([[1, 0], [-1, 1]])
    loss = build_loss("aam")
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(cosines, targets), loss(cosines, targets))


def test_gradients_in_cosines_are_told_as_those_in_logits() -> None:
    """The recorder bins by p = sigmoid(scale · c) and has to show dL/dz beside the curve."""
    loss = build_loss("aam", reduction="sum", scale=20.0)
    z = torch.tensor([[-3.0, 0.5, 8.0]], dtype=torch.float64, requires_grad=True)
    cosines = z.detach() / 20.0
    cosines.requires_grad_()
    targets = torch.tensor([[1, 0, -1]])
    (in_cosines,) = torch.autograd.grad(loss(cosines, targets), cosines)
    (in_logits,) = torch.autograd.grad(loss(z / 20.0, targets), z)
    torch.testing.assert_close(loss.in_logits(in_cosines), in_logits)
    torch.testing.assert_close(loss.as_logits(cosines), z)
