"""PU-MLC: loops, goldens, the batches in which its statistics degenerate, and the mixup regulariser."""

import math

import pytest
import torch
from torch import nn

from labelmend_core.losses import build_loss
from labelmend_core.losses.pu_mlc import mixup_penalty


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


def a_network_and_batch(images: int = 5, dtype: torch.dtype = torch.float64):
    rng = torch.Generator().manual_seed(2)
    inputs = torch.randn(images, 3, generator=rng, dtype=torch.float64).to(dtype)
    network = nn.Linear(3, 2).to(dtype)
    targets = torch.randint(-1, 2, (images, 2), generator=rng)
    return network, inputs, targets


@pytest.mark.shared
def test_the_mixup_regulariser_meets_its_golden(golden_arrays) -> None:
    # The code casts the mixed logits to float32, which we do not: hence the tolerance of 1e-5.
    arrays = golden_arrays("pumixup__std__8x5__f64")
    run = {key: torch.from_numpy(array) for key, array in arrays.items() if array.dtype.kind in "fi"}
    weights = run["W"].requires_grad_()

    def network(inputs):
        return inputs.flatten(1) @ weights

    output = network(run["images"])  # the gradient of W runs through both answers
    torch.testing.assert_close(output, run["output"])
    value = mixup_penalty(network, run["images"], output, run["targets"], run["perm"], run["lam"].item())
    gradients = torch.autograd.grad(value, (weights, output))
    assert value.dtype == torch.float64
    assert value.item() == pytest.approx(run["loss"].item(), rel=1e-5)
    torch.testing.assert_close(gradients[0], run["grad_W"], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(gradients[1], run["grad_output"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("images", [5, 6])
def test_the_mixup_penalty_equals_loops(images) -> None:
    network, inputs, targets = a_network_and_batch(images)
    logits = network(inputs)
    half, share, pairing = images // 2, 0.3, torch.arange(images // 2).flip(0)
    expected = 0.0
    for i in range(half):
        a, b = int(pairing[i]), images - half + i
        answer = network(share * inputs[a] + (1 - share) * inputs[b]).sigmoid()
        for k in range(2):
            guess = [1.0 if targets[j, k] == 1 else logits[j, k].sigmoid().item() for j in (a, b)]
            mixed = share * guess[0] + (1 - share) * guess[1]
            expected += (math.log(mixed) - math.log(answer[k].item())) ** 2 / half
    assert mixup_penalty(network, inputs, logits, targets, pairing, share).item() == pytest.approx(expected)


def test_the_gradient_of_the_mixup_penalty_is_its_derivative() -> None:
    network, inputs, targets = a_network_and_batch(6)
    logits = network(inputs).detach().requires_grad_()
    pairing = torch.tensor([2, 0, 1])
    assert torch.autograd.gradcheck(lambda z: mixup_penalty(network, inputs, z, targets, pairing, 0.4), (logits,))


def test_regularised_logits_keep_their_gradient_where_the_source_takes_it(loss_and_gradient) -> None:
    """Defect of the source: ln(sigmoid + 1e-10) is flat for z below -23, so such an answer is never mended."""
    answers = torch.full((1, 1), -60.0, requires_grad=True)
    inputs, logits, targets = torch.zeros(2, 1), torch.zeros(2, 1), torch.ones(2, 1)
    value = mixup_penalty(lambda inputs: answers, inputs, logits, targets, torch.tensor([0]), 0.5)
    value.backward()
    assert value.item() == pytest.approx(3600)
    assert answers.grad.item() == pytest.approx(-120)
    flat = torch.full((1, 1), -60.0, requires_grad=True)
    torch.log(flat.sigmoid() + 1e-10).square().sum().backward()
    assert abs(flat.grad.item()) < 1e-12


@pytest.mark.parametrize("share", [0.0, 1e-30, 0.5, 1.0])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_the_mixup_penalty_is_finite_up_to_logits_of_100(share, dtype) -> None:
    logits = torch.tensor([[-100.0, 100.0], [100.0, -100.0], [100.0, 100.0], [-100.0, -100.0]], dtype=dtype)
    logits.requires_grad_()
    network = nn.Identity()
    targets = torch.tensor([[0, 1], [-1, 0], [1, -1], [0, 0]])
    value = mixup_penalty(network, logits.detach(), logits, targets, torch.tensor([1, 0]), share)
    value.backward()
    assert value.dtype == torch.float32
    assert torch.isfinite(value)
    assert torch.isfinite(logits.grad).all()


def test_a_share_of_one_mixes_nothing_in() -> None:
    network, inputs, targets = a_network_and_batch(4)
    logits, pairing = network(inputs), torch.tensor([1, 0])
    changed = inputs.clone()
    changed[2:] += 9
    whole = mixup_penalty(network, inputs, logits, targets, pairing, 1.0)
    assert whole == mixup_penalty(network, changed, logits, targets, pairing, 1.0)
    assert whole != mixup_penalty(network, changed, logits, targets, pairing, 0.5)


def test_pixels_are_mixed_as_floats() -> None:
    seen = []
    pixels = torch.tensor([[0, 10], [0, 20], [255, 30], [255, 40]], dtype=torch.uint8)

    def network(inputs):
        seen.append(inputs)
        return torch.zeros(2, 1)

    mixup_penalty(network, pixels, torch.zeros(4, 1), torch.zeros(4, 1), torch.tensor([1, 0]), 0.5)
    torch.testing.assert_close(seen[0], torch.tensor([[127.5, 25.0], [127.5, 25.0]]))


def test_the_regulariser_is_left_out_by_default_and_for_a_batch_of_one() -> None:
    network, inputs, targets = a_network_and_batch()
    draw = torch.Generator().manual_seed(0)
    assert build_loss("pu_mlc").regulariser(network, inputs, network(inputs), targets, draw) is None
    one = inputs[:1]
    assert build_loss("pu_mlc", mixup=1.0).regulariser(network, one, network(one), targets[:1], draw) is None


def test_the_regulariser_draws_from_its_generator_only() -> None:
    network, inputs, targets = a_network_and_batch(32)

    def drawn(seed: int, weight: float = 1.0) -> float:
        torch.rand(1)  # the global generator moves on
        draw = torch.Generator().manual_seed(seed)
        loss = build_loss("pu_mlc", mixup=weight)
        return loss.regulariser(network, inputs, network(inputs), targets, draw).item()

    assert drawn(0) == drawn(0)
    assert drawn(0) != drawn(1)
    assert drawn(0, weight=0.25) == pytest.approx(0.25 * drawn(0))


@pytest.mark.parametrize("alpha", [0.01, 10.0])
def test_the_shares_follow_mixup_alpha(alpha) -> None:
    # Of two inputs, 0 and 1, the mixture is the second one's share.
    draw, shares = torch.Generator().manual_seed(0), []

    def network(inputs):
        shares.append(inputs.item())
        return torch.zeros(1, 1)

    loss = build_loss("pu_mlc", mixup=1.0, mixup_alpha=alpha)
    for _ in range(50):
        loss.regulariser(network, torch.tensor([[0.0], [1.0]]), torch.zeros(2, 1), torch.zeros(2, 1), draw)
    uneven = sum(abs(share - 0.5) for share in shares) / 50
    assert uneven > 0.4 if alpha < 1 else uneven < 0.2
