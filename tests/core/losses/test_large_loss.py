"""LL-R and LL-Ct: goldens, which cells are modified when, and what verified negatives are spared."""

import pytest
import torch

from labelmend_core.losses import build_loss

FAMILIES = {"ll-r": "ll_r", "ll-ct": "ll_ct"}
NAMES = tuple(FAMILIES.values())


@pytest.mark.shared
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("settings", ["clean1.0_d0.002", "clean0.98_d0.002", "clean0.9_d0.02"])
def test_loss_and_gradient_meet_the_goldens(family, settings, goldens, loss_and_gradient) -> None:
    for golden in goldens(f"{family}_{settings}"):
        delta = golden.hp["delta_rel"]
        epoch = round((1 - golden.hp["clean_rate"]) / delta)
        loss = build_loss(FAMILIES[family], reduction="mean", delta=delta)
        value, gradient = loss_and_gradient(loss, golden.logits, golden.targets, epoch)
        assert value.item() == pytest.approx(golden.loss, rel=1e-6), golden.name
        torch.testing.assert_close(gradient, golden.gradient, **golden.tolerance)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("epoch", "modified"), [(0, 0), (1, 1), (3, 3), (10, 10), (100, 12)])
def test_equals_loops_over_cells(name, epoch, modified) -> None:
    rng = torch.Generator().manual_seed(5)
    logits = 3 * torch.randn(6, 5, generator=rng, dtype=torch.float64)
    targets = torch.tensor([1, 0, -1, 0, -1], dtype=torch.int8).repeat(6, 1)
    cells = build_loss(name, reduction="none", delta=1 / 30)(logits, targets, epoch)
    plain = build_loss("bce", reduction="none")(logits, targets)
    largest = sorted((plain[i, k].item(), i, k) for i in range(6) for k in (1, 3))[12 - modified :]
    expected = plain.clone()
    for _, i, k in largest:
        expected[i, k] = 0 if name == "ll_r" else -torch.nn.functional.logsigmoid(logits[i, k])
    torch.testing.assert_close(cells, expected)


@pytest.mark.parametrize("name", NAMES)
def test_verified_negatives_and_positives_are_never_modified(name) -> None:
    logits, targets = torch.full((2, 3), 8.0), torch.tensor([[-1, -1, 1], [1, -1, -1]])
    plain = build_loss("bce", reduction="none")(logits, targets)
    torch.testing.assert_close(build_loss(name, reduction="none", delta=0.1)(logits, targets, 9), plain)


@pytest.mark.parametrize("name", NAMES)
def test_the_curve_is_the_training_loss_beside_the_documented_cells(name) -> None:
    from labelmend_core.curves import loss_curve

    for epoch in (0, 5):
        curve = loss_curve(name, 0, logits=[-3.0, 1.95, 2.5], epoch=epoch)
        for point in curve.itertuples():
            z = torch.cat([torch.tensor([point.logit]), torch.linspace(-6, 2, 99)]).double()[None].requires_grad_()
            cells = build_loss(name, reduction="none")(z, torch.zeros_like(z), epoch)
            (gradient,) = torch.autograd.grad(cells[0, 0], z)
            assert point.loss == pytest.approx(cells[0, 0].item(), rel=1e-6)
            assert point.gradient == pytest.approx(gradient[0, 0].item(), rel=1e-6)
    assert curve["loss"].iloc[0] > 0.01
    assert curve["loss"].iloc[2] < 0.1
