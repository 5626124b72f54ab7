"""The curves show what training does: loss and gradient of the losses themselves, for every registered loss."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from labelmend_core.curve_batch import CurveBatch, DrawnInBatch
from labelmend_core.curves import loss_curve
from labelmend_core.errors import InputError
from labelmend_core.losses import LOSSES, build_loss

each_loss = pytest.mark.parametrize("name", sorted(LOSSES))
# Their curves are of a cell among others.
COUPLED = {"asl_single_label", "csl", "epr", "ll_cp", "ll_ct", "ll_r", "pu_mlc", "role"}
each_elementwise_loss = pytest.mark.parametrize("name", sorted(set(LOSSES) - COUPLED))


def training_curve(name: str, target: int, logits: np.ndarray, epoch: int, **hyperparameters: float):
    """One cell an image, through the call that training makes."""
    z = torch.from_numpy(logits)[:, None].requires_grad_()
    loss = build_loss(name, reduction="none", **hyperparameters)
    inputs = z / loss.scale if loss.input_kind == "cosines" else z
    targets = torch.full(z.shape, target)
    loss.begin(targets)
    cells = loss(inputs, targets, epoch, indices=torch.arange(len(z)))
    (gradient,) = torch.autograd.grad(cells.sum(), z)
    return cells.detach().numpy()[:, 0], gradient.numpy()[:, 0]


@each_elementwise_loss
@pytest.mark.parametrize("target", [1, 0, -1])
@pytest.mark.parametrize("epoch", [0, 1])
def test_an_elementwise_curve_is_the_training_loss_of_one_cell(name, target, epoch) -> None:
    curve = loss_curve(name, target, logits=np.linspace(-6, 6, 25), epoch=epoch)
    loss, gradient = training_curve(name, target, curve["logit"].to_numpy(copy=True), epoch)
    np.testing.assert_allclose(curve["loss"], loss)
    np.testing.assert_allclose(curve["gradient"], gradient)


@pytest.mark.parametrize("target", [1, 0, -1])
def test_the_pu_mlc_curve_is_the_training_loss_of_the_documented_batch(target) -> None:
    curve = loss_curve("pu_mlc", target, logits=[-2.0, 3.0], alpha=0.3)
    for point in curve.itertuples():
        z = torch.cat([torch.tensor([point.logit]), torch.linspace(-6, 2, 63)]).double()[:, None].requires_grad_()
        targets = torch.tensor([target] + 57 * [0] + 6 * [1])[:, None]
        loss = build_loss("pu_mlc", reduction="sum", alpha=0.3)(z, targets)
        (gradient,) = torch.autograd.grad(loss, z)
        assert point.loss == pytest.approx(loss.item(), rel=1e-6)
        assert point.gradient == pytest.approx(gradient[0, 0].item(), rel=1e-6)


@pytest.mark.parametrize("batch", [CurveBatch(15, -3.0, 1.0, 4), CurveBatch(1, -2.0, -2.0, 0)])
@pytest.mark.parametrize("target", [1, 0])
def test_a_batch_of_ones_own_takes_the_place_of_the_documented_one(target, batch) -> None:
    curve = loss_curve("pu_mlc", target, logits=[-2.0, 3.0], batch=batch, alpha=0.3)
    for point in curve.itertuples():
        others = torch.linspace(batch.low, batch.high, batch.others, dtype=torch.float64)
        z = torch.cat([torch.tensor([point.logit]), others])[:, None].requires_grad_()
        unobserved = batch.others - batch.present
        targets = torch.tensor([target] + unobserved * [0] + batch.present * [1])[:, None]
        loss = build_loss("pu_mlc", reduction="sum", alpha=0.3)(z, targets)
        (gradient,) = torch.autograd.grad(loss, z)
        assert point.loss == pytest.approx(loss.item(), rel=1e-6)
        assert point.gradient == pytest.approx(gradient[0, 0].item(), rel=1e-6)


@each_loss
def test_a_loss_says_whether_its_curve_takes_a_batch(name) -> None:
    loss = build_loss(name)
    batch = CurveBatch(5, -9.0, -8.0, 2)
    changed = not loss_curve(name, 1, batch=batch).equals(loss_curve(name, 1))
    assert changed == isinstance(loss, DrawnInBatch)


def test_the_statistics_of_a_batch_are_those_that_the_loss_takes_from_it() -> None:
    batch = CurveBatch(64, -3.0, 0.0, 6)
    found = build_loss("pu_mlc", alpha=0.5).batch_statistics(batch)
    temperature = 0.5 * float(torch.linspace(-3, 0, 64).std(correction=0))
    p = (torch.linspace(-3, 0, 64) / temperature).sigmoid().mean().item()
    assert found == {"temperature": pytest.approx(temperature), "balance": pytest.approx(p**0.55)}
    assert batch.spread == pytest.approx(2 * temperature)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ((0, -1.0, 1.0, 0), "at least one other cell"),
        ((5, -1.0, 1.0, 6), "got 6 present of 5"),
        ((5, -1.0, 1.0, -1), "at most all of them"),
        ((5, 1.0, -1.0, 1), "from low to high"),
        ((5, -np.inf, 1.0, 1), "finite"),
    ],
)
def test_a_batch_that_cannot_be_is_refused(batch, message) -> None:
    with pytest.raises(InputError, match=message):
        CurveBatch(*batch)


@each_loss
def test_points_of_the_grid_do_not_depend_on_one_another(name) -> None:
    together = loss_curve(name, 1, pred_probs=[0.2, 0.5, 0.9])
    alone = loss_curve(name, 1, pred_probs=[0.5])
    np.testing.assert_allclose(together.iloc[1], alone.iloc[0])


@each_loss
def test_the_default_grid_spans_the_probabilities(name) -> None:
    curve = loss_curve(name, 1)
    assert list(curve.columns) == ["pred_prob", "logit", "loss", "gradient"]
    assert curve["pred_prob"].iloc[[0, -1]].to_list() == pytest.approx([0.005, 0.995])
    assert curve["pred_prob"].is_monotonic_increasing
    assert np.isfinite(curve.to_numpy()).all()
    np.testing.assert_allclose(curve["pred_prob"], 1 / (1 + np.exp(-curve["logit"])))


def test_hyperparameters_and_the_epoch_reach_the_loss() -> None:
    before, after = (loss_curve("splc", 0, pred_probs=[0.75, 0.95], tau=0.9, epoch=e)["gradient"] for e in (0, 1))
    assert before[0] == after[0]  # below tau
    assert before[1] > 0 > after[1]


def test_the_weight_of_unobserved_cells_scales_their_curve_only() -> None:
    for target, factor in ((0, 0.25), (-1, 1.0), (1, 1.0)):
        full = loss_curve("hill", target)
        weighted = loss_curve("hill", target, unobserved_weight=0.25)
        np.testing.assert_allclose(weighted[["loss", "gradient"]], factor * full[["loss", "gradient"]])


def test_the_grid_is_not_changed_with_the_curve() -> None:
    grid = np.linspace(-2, 2, 5)
    grid.flags.writeable = False  # like a column of a DataFrame
    for name in LOSSES:
        curve = loss_curve(name, 0, logits=grid)
        curve["logit"] += 1.0
    np.testing.assert_array_equal(grid, np.linspace(-2, 2, 5))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target": 2}, "Expected target 1"),
        ({"target": 1, "pred_probs": [0.5, 1.0]}, "above 0 and below 1"),
        ({"target": 1, "pred_probs": [0.5], "logits": [0.0]}, "got both"),
        ({"target": 1, "logits": [[0.0]]}, r"shape \(G,\)"),
        ({"target": 1, "logits": [0.0, np.nan]}, "finite"),
        ({"target": 1, "gama": 2.0}, "no hyperparameter 'gama'"),
    ],
)
def test_bad_arguments_are_named(arguments, message) -> None:
    with pytest.raises(InputError, match=message):
        loss_curve("hill", **arguments)


def test_importing_curves_and_metrics_does_not_load_torch() -> None:
    code = "import sys, labelmend_core.curves, labelmend_core.metrics; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
