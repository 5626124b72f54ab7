"""What every registered loss keeps: shapes, reductions, gradients, finite numbers, clear errors."""

import numpy as np
import pytest
import torch

from labelmend_core.errors import InputError
from labelmend_core.losses import LOSSES, Hyperparameter, build_loss

# Settings under which the gradient is the derivative of the loss: nothing detached.
DIFFERENTIABLE = {
    "asl": {"detach_weight": False},
    "csl": {"gamma_neg": 0.0, "gamma_unann": 0.0, "likelihood_topk": 1},
    "pu_mlc": {"alpha": 10.0, "gamma": 0.0},
}

# Of these, a cell's loss depends on the other cells of its batch.
COUPLED = {"asl_single_label", "csl", "epr", "ll_cp", "ll_ct", "ll_r", "pu_mlc", "role"}

each_loss = pytest.mark.parametrize("name", sorted(LOSSES))


class Ready(torch.nn.Module):
    """A loss that may be called as one that remembers nothing: begun on the very batch, which is all there is.

    In eval mode, so that gradcheck, which calls it again and again, finds the same state each time.
    """

    def __init__(self, name: str, **settings) -> None:
        super().__init__()
        self.loss = build_loss(name, **settings).eval()

    def forward(self, logits: torch.Tensor, targets: torch.Tensor, epoch: int = 0) -> torch.Tensor:
        if not self.loss.needs_indices:
            return self.loss(logits, targets, epoch)
        self.loss.begin(targets)
        return self.loss(logits, targets, epoch, indices=torch.arange(len(logits)))


def as_taken(name: str, logits: torch.Tensor) -> torch.Tensor:
    """The logits, or cosines of the same order."""
    return logits if LOSSES[name].input_kind == "logits" else torch.tanh(logits / 4)


def a_batch(name: str = "bce", dtype: torch.dtype = torch.float64):
    rng = torch.Generator().manual_seed(3)
    logits = 3 * torch.randn(6, 4, generator=rng, dtype=torch.float64)
    targets = torch.randint(-1, 2, (6, 4), generator=rng, dtype=torch.int8)
    return as_taken(name, logits).to(dtype), targets


def test_the_losses_are_registered_under_their_names() -> None:
    assert {"asl", "bce", "hill", "pu_mlc", "splc"} <= set(LOSSES)
    assert all(name == loss.name for name, loss in LOSSES.items())


# Network and estimates of role each take the other as constant: no gradient of it is the derivative of the whole.
@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"role"}))
@pytest.mark.parametrize("epoch", [0, 1])
def test_the_gradient_is_the_derivative_of_the_loss(name, epoch) -> None:
    logits, targets = a_batch(name)
    for reduction in ("none", "batch"):
        loss = Ready(name, reduction=reduction, **DIFFERENTIABLE.get(name, {}))
        inner = logits.clone().requires_grad_()
        assert torch.autograd.gradcheck(lambda z, loss=loss: loss(z, targets, epoch), (inner,))


@pytest.mark.parametrize(
    "name",
    ["aam", "an_ls", "asl", "asl_single_label", "bce", "csl", "em", "em_apl", "focal", "hill", "ll_cp", "splc", "wan"],
)
def test_a_second_derivative_is_refused_rather_than_wrong(name) -> None:
    logits, targets = a_batch(name)
    logits.requires_grad_()
    squared = Ready(name)(logits, targets).square()
    (gradient,) = torch.autograd.grad(squared, logits, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


@each_loss
def test_the_reductions_agree(name) -> None:
    logits, targets = a_batch(name)
    cells, total, mean, batch = (
        Ready(name, reduction=reduction)(logits, targets, 1) for reduction in ("none", "sum", "mean", "batch")
    )
    assert cells.shape == (6, 4)
    torch.testing.assert_close(total, cells.sum())
    torch.testing.assert_close(mean, cells.mean())
    torch.testing.assert_close(batch, cells.sum(dim=1).mean())


# The estimates of role begin at random, each cell its own.
@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"role"}))
def test_the_order_of_images_and_classes_does_not_matter(name) -> None:
    logits, targets = a_batch(name)
    images, classes = torch.tensor([4, 0, 2, 5, 1, 3]), torch.tensor([2, 0, 3, 1])
    loss = Ready(name, reduction="none")
    shuffled = loss(logits[images][:, classes], targets[images][:, classes], 1)
    torch.testing.assert_close(shuffled, loss(logits, targets, 1)[images][:, classes])


@each_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("epoch", [0, 1])
def test_loss_and_gradient_are_finite_up_to_logits_of_100(name, dtype, epoch, loss_and_gradient) -> None:
    extremes = torch.tensor([-100.0, -88.7, -40.0, -18.5, -1e-4, 0.0, 1e-4, 18.5, 40.0, 88.7, 100.0])
    logits = torch.stack([extremes, extremes.flip(0), torch.full((11,), 100.0)]).T.to(dtype)
    if LOSSES[name].input_kind == "cosines":
        logits = logits / 100
    for target in (-1, 0, 1):
        for reduction in ("batch", "sum", "none"):
            targets = torch.full(logits.shape, target, dtype=torch.int8)
            targets[0] = 1  # for pu_mlc a class with a positive
            value, gradient = loss_and_gradient(Ready(name, reduction=reduction), logits, targets, epoch)
            assert torch.isfinite(value).all()
            assert torch.isfinite(gradient).all()
            assert gradient.dtype == dtype
            assert value.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)


@pytest.mark.parametrize("gamma", [0.0, 0.3, 1.0, 10.0])
@pytest.mark.parametrize("clip", [0.0, 1e-9, 0.05, 0.5])
@pytest.mark.parametrize("detach_weight", [True, False])
def test_asl_is_finite_at_the_ends_of_its_hyperparameters(gamma, clip, detach_weight, loss_and_gradient) -> None:
    logits = torch.tensor([[-100.0, -2.9444389, 0.0, 30.0, 100.0]]).repeat(2, 1)
    targets = torch.tensor([[1] * 5, [-1] * 5])
    loss = build_loss("asl", gamma_neg=gamma, gamma_pos=gamma, clip=clip, detach_weight=detach_weight)
    value, gradient = loss_and_gradient(loss, logits, targets)
    assert torch.isfinite(value)
    assert torch.isfinite(gradient).all()


@each_loss
def test_half_precision_logits_are_computed_in_float32(name, loss_and_gradient) -> None:
    logits, targets = a_batch(name, dtype=torch.bfloat16)
    loss = Ready(name)
    value, gradient = loss_and_gradient(loss, logits, targets, 1)
    exact_value, exact_gradient = loss_and_gradient(loss, logits.float(), targets, 1)
    assert value == exact_value
    assert torch.equal(gradient, exact_gradient.bfloat16())


@each_loss
def test_targets_may_be_of_any_dtype_and_stay_as_they_are(name) -> None:
    logits, targets = a_batch(name)
    loss = Ready(name)
    before = targets.clone()
    assert loss(logits, targets, 1) == loss(logits, targets.double(), 1) == loss(logits, targets.half(), 1)
    assert torch.equal(targets, before)


@each_loss
def test_the_grad_mode_is_left_alone(name) -> None:
    logits, targets = a_batch(name)
    with torch.no_grad():
        assert not Ready(name)(logits.requires_grad_(), targets).requires_grad
        assert not torch.is_grad_enabled()
    Ready(name)(logits, targets).backward()
    assert torch.is_grad_enabled()


@each_loss
def test_unobserved_rows_a_class_without_positives_and_a_batch_of_one_are_finite(name, loss_and_gradient) -> None:
    logits, targets = a_batch(name, dtype=torch.float32)
    targets[2] = 0
    targets[:, 1] = 0
    for rows in (slice(None), slice(2, 3), slice(0, 1)):
        value, gradient = loss_and_gradient(Ready(name, reduction="mean"), logits[rows], targets[rows], 1)
        assert torch.isfinite(value)
        assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("name", ["aam", "an_ls", "asl", "bce", "focal", "focal_margin", "hill"])
def test_a_batch_of_unobserved_cells_that_are_left_out_is_zero(name, loss_and_gradient) -> None:
    logits, targets = a_batch(name)
    for reduction in ("mean", "batch"):
        loss = build_loss(name, reduction=reduction, unobserved_weight=0.0)
        value, gradient = loss_and_gradient(loss, logits, torch.zeros_like(targets))
        assert value == 0.0
        assert torch.count_nonzero(gradient) == 0


@each_loss
def test_present_cells_are_pulled_up_and_absent_ones_pushed_down(name, loss_and_gradient) -> None:
    logits = torch.tensor([[0.5, -2.0], [-1.0, 1.0], [0.1, -0.5], [-0.3, 0.2]])
    targets = torch.tensor([[1, -1], [-1, 1], [-1, -1], [-1, -1]])
    if name == "asl_single_label":  # an image without a present class costs nothing
        logits, targets = logits[:2], targets[:2]
    loss = Ready(name, **({"clip": 0.0} if name == "asl" else {}))
    _, gradient = loss_and_gradient(loss, as_taken(name, logits), targets)
    assert (gradient[targets == 1] < 0).all()
    assert (gradient[targets == -1] > 0).all()


@pytest.mark.parametrize("name", ["aam", "an_ls", "asl", "asl_single_label", "bce", "focal", "focal_margin", "hill"])
def test_unobserved_and_absent_cells_are_the_same_by_default(name) -> None:
    logits, targets = a_batch(name)
    assert build_loss(name)(logits, targets) == build_loss(name)(logits, torch.where(targets == 0, -1, targets))


@each_loss
@pytest.mark.parametrize(
    ("rows", "classes"), [((6, 4), (6, 3)), ((6,), (6,)), ((0, 4), (0, 4)), ((2, 3, 4), (2, 3, 4))]
)
def test_wrong_shapes_are_named_both(name, rows, classes) -> None:
    with pytest.raises(InputError) as caught:
        build_loss(name)(torch.zeros(rows), torch.zeros(classes))
    assert str(rows) in str(caught.value)
    assert str(classes) in str(caught.value)


def test_whole_numbers_are_no_logits() -> None:
    with pytest.raises(InputError, match=r"floating-point logits, got torch\.int64"):
        build_loss("bce")(torch.zeros(2, 2, dtype=torch.long), torch.zeros(2, 2))


def test_an_unknown_loss_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match=f"{', '.join(sorted(LOSSES))}, got 'als'"):
        build_loss("als")


@each_loss
def test_an_unknown_hyperparameter_lists_the_known_ones(name) -> None:
    with pytest.raises(InputError) as caught:
        build_loss(name, gama=2.0)
    for row in LOSSES[name].hyperparameters:
        assert row.name in str(caught.value)


def test_an_unknown_reduction_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="none, sum, mean, batch, got 'average'"):
        build_loss("bce", reduction="average")


@each_loss
def test_hyperparameters_out_of_range_or_of_another_kind_are_refused(name) -> None:
    for row in LOSSES[name].hyperparameters:
        wrong = (
            [1, "yes", None] if isinstance(row.default, (bool, str)) else [row.low - 1, row.high + 1, "2", True, None]
        )
        if isinstance(row.default, float):
            wrong.append(float("nan"))
        elif not isinstance(row.default, (bool, str)):
            wrong.append(row.default + 0.5)
        for value in wrong:
            with pytest.raises(InputError, match=f"Expected {row.name} of loss '{name}'"):
                build_loss(name, **{row.name: value})


@each_loss
def test_the_table_of_hyperparameters_sets_the_attributes(name) -> None:
    loss = build_loss(name)
    for row in loss.hyperparameters:
        assert getattr(loss, row.name) == row.default
        assert row.default in row.choices if row.choices else row.low <= row.default <= row.high
        assert row.description
        high = row.choices[-1] if row.choices else row.high
        other = not row.default if isinstance(row.default, bool) else type(row.default)(high)
        changed = getattr(build_loss(name, **{row.name: other}), row.name)
        assert changed == other
        assert type(changed) is type(row.default)


def test_numbers_of_numpy_are_taken() -> None:
    loss = build_loss("splc", tau=np.float32(0.5), change_epoch=np.int64(3), gamma=1)
    assert (loss.tau, loss.change_epoch, loss.gamma) == (0.5, 3, 1.0)


def test_the_defaults_are_those_of_the_papers() -> None:
    defaults = {name: {row.name: row.default for row in LOSSES[name].hyperparameters} for name in LOSSES}
    assert defaults["asl"].items() >= {"gamma_neg": 4, "gamma_pos": 0, "clip": 0.05, "detach_weight": True}.items()
    assert defaults["hill"].items() >= {"lam": 1.5, "margin": 1, "gamma": 2}.items()
    assert defaults["splc"].items() >= {"tau": 0.6, "change_epoch": 1, "margin": 1, "gamma": 2}.items()
    assert defaults["pu_mlc"].items() >= {"alpha": 1, "gamma": 0.55}.items()
    assert defaults["aam"].items() >= {"scale": 30, "margin": 0.35, "balance": 0.8, "gamma_neg": 0}.items()
    assert defaults["asl_single_label"].items() >= {"gamma_neg": 4, "gamma_pos": 0, "smoothing": 0.1}.items()
    assert defaults["csl"].items() >= {"mode": "selective", "gamma_neg": 1, "gamma_unann": 2}.items()


def test_a_hyperparameter_cannot_be_changed_in_the_table() -> None:
    with pytest.raises(AttributeError):
        Hyperparameter("gamma", 2.0, 0.0, 10.0, "focusing power").default = 3.0


def test_losses_that_couple_cells_are_told_from_those_that_do_not() -> None:
    logits, targets = a_batch()
    changed = logits.clone()
    changed[0, 0] += 9  # the largest loss of the batch
    targets[0, 0] = 0
    for name in LOSSES:
        loss = Ready(name, reduction="none")
        after, before = (loss(as_taken(name, z), targets, 1) for z in (changed, logits))
        moved = (after != before).nonzero().tolist()
        assert (moved == [[0, 0]]) == (name not in COUPLED)
