"""The class-aware selective loss: goldens, loops, which unobserved cells are left out, and the priors."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from labelmend_core.curves import loss_curve
from labelmend_core.errors import InputError
from labelmend_core.losses import build_loss

MODES = {None: "negative", "negative": "negative", "ignore": "ignore", "selective": "selective"} | {
    "ignore_normalize_classes": "ignore_normalize_classes"
}
NAMES = ("gamma_pos", "gamma_neg", "gamma_unann", "alpha_pos", "alpha_neg", "alpha_unann", "clip", "likelihood_topk")


def exact_cells(logits: Tensor, targets: Tensor, hp: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """Each cell before `mode`, and its slope with the weight detached, in plain floats."""
    values, slopes = torch.zeros(logits.shape).double(), torch.zeros(logits.shape).double()
    for i, row in enumerate(logits.double().tolist()):
        for k, z in enumerate(row):
            target = int(targets[i, k])
            p, not_p = 1 / (1 + math.exp(-z)), 1 / (1 + math.exp(z))
            kind = {1: "pos", -1: "neg", 0: "unann"}[target]
            q, slope = (p, -not_p) if target == 1 else (min(not_p + hp["clip"], 1), p)
            if target != 1 and hp["clip"] > 0:
                slope = p * not_p / q if not_p + hp["clip"] < 1 else 0.0
            weight = hp[f"alpha_{kind}"] * (not_p if target == 1 else max(p - hp["clip"], 0)) ** hp[f"gamma_{kind}"]
            values[i, k], slopes[i, k] = -weight * math.log(q), weight * slope
    return values, slopes


def source_cells(logits: Tensor, targets: Tensor, hp: dict[str, Any]) -> Tensor:
    """What the public code computes before its weights, with its max(q, 1e-8); the runs have no clip, alphas of 1."""
    p = logits.sigmoid()
    q = torch.where(targets == 1, p, 1 - p)
    gammas = {1: hp["gamma_pos"], -1: hp["gamma_neg"], 0: hp["gamma_unann"]}
    gamma = sum((targets == target) * float(power) for target, power in gammas.items())
    return -((1 - q) ** gamma) * q.clamp(min=1e-8).log()


def weights_of_mode(targets: Tensor, mode: str | None) -> Tensor:
    """What each cell of the runs weighs: fewer than 5 an image are unobserved, so that `selective` keeps none."""
    observed = (targets != 0).double()
    if mode == "ignore_normalize_classes":
        return observed * (1 + 1 / (1 + observed.sum(dim=1, keepdim=True)))
    return observed if mode in ("ignore", "selective") else torch.ones_like(observed)


@pytest.mark.shared
@pytest.mark.parametrize("family", ["none", "negative", "ignore", "ignorenorm", "selective"])
def test_loss_and_gradient_meet_the_goldens(family, goldens, loss_and_gradient) -> None:
    # Repaired: the code takes ln max(q, 1e-8), so that beyond |z| = 18.4 a cell on the wrong side has no gradient,
    # and its 1 - p is rounded in float32. Those cells are checked against the exact value, all others against the
    # golden.
    for golden in goldens(f"csl_{family}"):
        hp, z = golden.hp, golden.logits
        targets = torch.where(golden.targets == 1, 1, torch.where(golden.targets == 0, -1, 0))
        weights = weights_of_mode(targets, hp["partial_loss_mode"])
        source = weights * source_cells(z, targets, hp)
        assert source.sum().item() == pytest.approx(golden.loss, rel=1e-6), golden.name
        exact, exact_slope = (weights * part for part in exact_cells(z, targets, hp))
        repaired = torch.where(targets == 1, z < -14, z > 14)
        expected = golden.loss + (exact - source)[repaired].sum().item()
        settings = {name: hp[name] for name in NAMES}
        loss = build_loss("csl", reduction="sum", mode=MODES[hp["partial_loss_mode"]], **settings)
        value, gradient = loss_and_gradient(loss, z, targets)
        assert value.item() == pytest.approx(expected, rel=1e-6), golden.name
        torch.testing.assert_close(gradient[~repaired], golden.gradient[~repaired].to(z), **golden.tolerance)
        torch.testing.assert_close(gradient[repaired].double(), exact_slope[repaired], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("mode", sorted(set(MODES.values())))
@pytest.mark.parametrize(
    "settings", [{}, {"clip": 0.1, "gamma_pos": 1.5, "gamma_neg": 0.0, "alpha_pos": 2.0, "alpha_unann": 0.3}]
)
def test_equals_loops_over_cells(mode, settings, loss_and_gradient) -> None:
    rng = torch.Generator().manual_seed(4)
    logits = 2 * torch.randn(6, 8, generator=rng, dtype=torch.float64)
    targets = torch.randint(-1, 2, (6, 8), generator=rng)
    loss = build_loss("csl", reduction="none", mode=mode, likelihood_topk=1, **settings)
    hp = {row.name: getattr(loss, row.name) for row in loss.hyperparameters}
    expected, slope = exact_cells(logits, targets, hp)
    weight = torch.ones(6, 8, dtype=torch.float64)
    unobserved = sorted((logits[i, k].item(), i, k) for i in range(6) for k in range(8) if targets[i, k] == 0)
    assert len(unobserved) > 6
    for rank, (_, i, k) in enumerate(reversed(unobserved)):
        if mode.startswith("ignore") or (mode == "selective" and rank < 6):
            weight[i, k] = 0
    if mode == "ignore_normalize_classes":
        for i in range(6):
            weight[i] *= 1 + 1 / (1 + int((targets[i] != 0).sum()))
    cells, gradient = loss_and_gradient(loss, logits, targets)
    torch.testing.assert_close(cells, weight * expected)
    torch.testing.assert_close(gradient, weight * slope)


@pytest.mark.parametrize("clip", [0.0, 0.05, 0.5])
@pytest.mark.parametrize("gamma", [0.0, 0.3, 10.0])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_is_finite_at_the_ends_of_its_hyperparameters(clip, gamma, dtype, loss_and_gradient) -> None:
    logits = torch.tensor([[-100.0, -2.9444389, 0.0, 30.0, 100.0]]).repeat(3, 1).to(dtype)
    targets = torch.tensor([[1] * 5, [-1] * 5, [0] * 5])
    settings = {"gamma_pos": gamma, "gamma_neg": gamma, "gamma_unann": gamma, "clip": clip}
    for mode in sorted(set(MODES.values())):
        loss = build_loss("csl", mode=mode, likelihood_topk=0, **settings)
        value, gradient = loss_and_gradient(loss, logits, targets)
        assert torch.isfinite(value)
        assert torch.isfinite(gradient).all()


def test_the_most_probable_unobserved_cells_of_a_batch_are_left_out_and_ties_with_them() -> None:
    logits = torch.tensor([[5.0, 4.0, 3.0, 2.0, 2.0, 1.0]])
    targets = torch.tensor([[1, -1, 0, 0, 0, 0]])
    for topk, left in (
        (0, [1, 1, 1, 1, 1, 1]),
        (1, [1, 1, 0, 1, 1, 1]),
        (2, [1, 1, 0, 0, 0, 1]),
        (9, [1, 1, 0, 0, 0, 0]),
    ):
        cells = build_loss("csl", reduction="none", likelihood_topk=topk)(logits, targets)
        assert (cells != 0).int().tolist() == [left]


# 20 images: class 0 has 4 present and 12 absent, class 1 has 1 and 19, class 2 has 10 present and none absent.
LABELS = torch.tensor([[1, 1, 1]] + 3 * [[1, -1, 1]] + 6 * [[-1, -1, 1]] + 6 * [[-1, -1, 0]] + 4 * [[0, -1, 0]])


def test_the_prior_is_the_share_of_present_among_observed_cells() -> None:
    loss = build_loss("csl")
    assert loss.class_prior.numel() == 0
    loss.begin(LABELS)
    assert loss.class_prior.tolist() == pytest.approx([0.25, 0.05, 0.0])


def test_a_class_with_hardly_a_verified_negative_has_no_prior() -> None:
    # Its unobserved cells are all that pushes it down, and few decisions must not take them away.
    labels = torch.zeros(1000, 2)
    labels[:300, 0], labels[300:305, 0] = 1, -1
    labels[:10, 1], labels[10:60, 1] = 1, -1
    loss = build_loss("csl")
    loss.begin(labels)
    assert loss.class_prior.tolist() == pytest.approx([0.0, 1 / 6])


def test_unobserved_cells_of_frequent_classes_are_left_out() -> None:
    logits, targets = torch.tensor([[-1.0, -1.0, -1.0], [2.0, -2.0, 1.0]]), torch.tensor([[0, 0, 0], [-1, 1, 0]])
    loss = build_loss("csl", reduction="none", likelihood_topk=0, prior_threshold=0.1)
    before = loss(logits, targets)
    loss.begin(LABELS)
    after = loss(logits, targets)
    assert (before != after).nonzero().tolist() == [[0, 0]]
    assert after[0, 0] == 0
    never = build_loss("csl", reduction="none", likelihood_topk=0, prior_threshold=1.0)
    never.begin(LABELS)
    assert torch.equal(never(logits, targets), before)


def test_the_prior_survives_a_resume() -> None:
    begun, resumed = build_loss("csl"), build_loss("csl")
    begun.begin(LABELS)
    resumed.begin(torch.zeros(5, 3))
    resumed.load_state_dict(begun.state_dict())
    assert torch.equal(resumed.class_prior, begun.class_prior)


def test_the_classes_must_be_those_of_training() -> None:
    loss = build_loss("csl")
    loss.begin(LABELS)
    with pytest.raises(InputError, match="the 3 classes of training, got 4"):
        loss(torch.zeros(2, 4), torch.zeros(2, 4))


def test_the_curve_is_the_training_loss_beside_the_documented_cells() -> None:
    for target, settings in ((0, {}), (1, {}), (-1, {}), (1, {"mode": "ignore_normalize_classes"})):
        for point in loss_curve("csl", target, logits=[-3.0, 1.95], **settings).itertuples():
            z = torch.cat([torch.tensor([point.logit]), torch.linspace(-6, 2, 99)]).double()[None].requires_grad_()
            cells = build_loss("csl", reduction="none", **settings)(z, torch.tensor([[target] + 99 * [0]]))
            (gradient,) = torch.autograd.grad(cells[0, 0], z)
            assert point.loss == pytest.approx(cells[0, 0].item(), rel=1e-6)
            assert point.gradient == pytest.approx(gradient[0, 0].item(), rel=1e-6)
    left_out = loss_curve("csl", 0, logits=[1.5, 1.95])["loss"]
    assert left_out[0] > 0
    assert left_out[1] == 0
