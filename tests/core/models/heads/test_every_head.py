"""What holds for every head, with every kind of outputs that it gives."""

import copy

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from safetensors.torch import load_file, save_file

from labelmend_core.errors import InputError
from labelmend_core.losses import build_loss
from labelmend_core.models import HEADS, LinearHead, build_head
from labelmend_core.types import LabelMatrix

BOTH = [(name, outputs) for name, head in HEADS.items() for outputs in head.gives]
COSINES = [name for name, head in HEADS.items() if "cosines" in head.gives]


@pytest.mark.parametrize(("name", "outputs"), BOTH)
def test_a_head_gives_one_float_a_class(name, outputs, small_head, features_for) -> None:
    head = small_head(name, outputs=outputs)
    found = head(features_for(head))
    assert found.shape == (7, 5)
    assert found.dtype == torch.float32


@pytest.mark.parametrize(("name", "outputs"), BOTH)
def test_half_precision_features_from_the_cache_are_taken(name, outputs, small_head, features_for) -> None:
    head = small_head(name, outputs=outputs).eval()
    features = features_for(head)
    torch.testing.assert_close(head(features.half()), head(features.half().float()), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("name", "outputs"), BOTH)
def test_gradients_reach_every_parameter(name, outputs, small_head, features_for) -> None:
    head = small_head(name, outputs=outputs)
    head(features_for(head)).square().sum().backward()
    untouched = [key for key, parameter in head.named_parameters() if not parameter.grad.abs().sum() > 0]
    assert untouched == []


@pytest.mark.parametrize(("name", "outputs"), BOTH)
def test_every_image_is_looked_at_on_its_own(name, outputs, small_head, features_for) -> None:
    head = small_head(name, outputs=outputs).eval()
    features, order = features_for(head), torch.tensor([3, 0, 6, 2, 1, 5, 4])
    torch.testing.assert_close(head(features[order]), head(features)[order])


@pytest.mark.parametrize("name", COSINES)
@pytest.mark.parametrize("size", [0.0, 1e-6, 1.0, 1e4])
def test_cosines_are_within_their_bounds_and_finite_with_their_gradient(name, size, small_head, features_for) -> None:
    head = small_head(name, outputs="cosines")
    features = (size * features_for(head)).requires_grad_()
    cosines = head(features)
    cosines.sum().backward()
    assert cosines.abs().max() <= 1
    assert features.grad.isfinite().all()


@pytest.mark.parametrize(("name", "outputs"), BOTH)
def test_bfloat16_autocast_changes_little(name, outputs, small_head, features_for) -> None:
    head = small_head(name, outputs=outputs).eval()
    features = features_for(head)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        halved = head(features)
    halved.float().square().sum().backward()
    torch.testing.assert_close(halved.float(), head(features), rtol=0.05, atol=0.05)
    assert all(parameter.grad.isfinite().all() for parameter in head.parameters())


@pytest.mark.parametrize("name", COSINES)
def test_cosines_stay_float32_and_bounded_under_autocast(name, small_head, features_for) -> None:
    head = small_head(name, outputs="cosines").eval()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cosines = head(features_for(head))
    assert cosines.dtype == torch.float32
    assert cosines.abs().max() <= 1


@pytest.mark.parametrize(("name", "outputs"), BOTH)
def test_weights_come_back_from_a_safetensors_file(name, outputs, small_head, features_for, tmp_path) -> None:
    head = small_head(name, outputs=outputs).eval()
    features = features_for(head)
    head.fit_scale(features * 3 + 1)
    save_file(head.state_dict(), tmp_path / "head.safetensors")
    again = small_head(name, outputs=outputs)
    with torch.no_grad():
        for parameter in again.parameters():
            parameter.normal_()
    again.load_state_dict(load_file(tmp_path / "head.safetensors"))
    torch.testing.assert_close(again.eval()(features), head(features))


@pytest.mark.parametrize(("name", "outputs"), BOTH)
def test_a_head_learns_what_can_be_learned(name, outputs, small_head) -> None:
    generator = torch.Generator().manual_seed(3)
    directions = torch.randn(5, 16, generator=generator)
    # Not negative and far from 0, as features behind a ReLU are.
    features = torch.randn(256, 16, generator=generator).abs() + 2
    targets = ((features - features.mean(dim=0)) @ directions.T > 0).float()
    tokens = features[:, None] + 0.1 * torch.randn(256, 4, 16, generator=generator)
    head = small_head(name, outputs=outputs)
    inputs = features if head.takes == "vectors" else tokens
    head.fit_scale(inputs)
    loss = build_loss("bce") if outputs == "logits" else _scaled_cross_entropy
    optimiser = torch.optim.AdamW(head.parameters(), lr=0.01)
    for _ in range(60):
        optimiser.zero_grad()
        loss(head(inputs), targets).backward()
        optimiser.step()
    found = head.eval()(inputs)
    centred = found - found.median(dim=0).values
    assert ((centred > 0) == (targets > 0)).float().mean() > 0.8


def _scaled_cross_entropy(cosines: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return F.binary_cross_entropy_with_logits(10 * cosines, targets)


@pytest.mark.parametrize("name", [name for name, head in HEADS.items() if "logits" in head.gives])
def test_logits_start_near_the_frequency_of_the_class(name, small_head, features_for) -> None:
    # Standardised features of unit deviation, and a cosine scale of 1: what is left is the bias.
    settings = {"scale": 1.0} if name == "cosine" else {}
    labels = LabelMatrix.from_dense([[1, 0], [1, 0], [1, 0], [1, 1]] + [[0, 0]] * 36)
    head = build_head(name, 16, labels, **settings).eval()
    inputs = features_for(head, n_images=200)
    head.fit_scale(inputs)
    mean = head(inputs).mean(dim=0)
    torch.testing.assert_close(mean, torch.logit(torch.tensor([0.1, 0.025])), rtol=0, atol=0.9)


@pytest.mark.parametrize(("name", "outputs"), BOTH)
def test_a_copy_is_independent(name, outputs, small_head, features_for) -> None:
    head = small_head(name, outputs=outputs).eval()
    features = features_for(head)
    with torch.no_grad():
        before = head(features)
        other = copy.deepcopy(head)
        for parameter in other.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        assert not torch.allclose(other(features), before)
        torch.testing.assert_close(head(features), before)


@pytest.mark.parametrize("name", HEADS)
def test_settings_out_of_range_and_unknown_ones_are_refused(name, small_head) -> None:
    with pytest.raises(InputError, match=f"Head '{name}' has no setting 'colour'; it has"):
        small_head(name, colour=1)
    for row in HEADS[name].settings:
        wrong = 3 if isinstance(row.default, str) else row.high + 1
        with pytest.raises(InputError, match=f"Expected {row.name} of head '{name}' to be"):
            small_head(name, **{row.name: wrong})


def test_an_unknown_head_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="linear, cosine, ml_decoder, graph, got 'lineal'"):
        build_head("lineal", 4, LabelMatrix.empty((3, 2)))


def test_a_linear_head_for_a_loss_on_cosines_names_the_heads_that_would_do(small_head) -> None:
    with pytest.raises(InputError, match=r"The loss takes cosines.*use head cosine, ml_decoder or graph"):
        small_head("linear", outputs="cosines")


def test_outputs_of_another_kind_and_names_that_do_not_fit_are_refused(small_head) -> None:
    with pytest.raises(InputError, match="one of logits, cosines, got 'angles'"):
        small_head("cosine", outputs="angles")
    with pytest.raises(InputError, match="Expected 2 class names to match the labels, got 1"):
        build_head("linear", 4, LabelMatrix.empty((3, 2)), class_names=["one"])
    with pytest.raises(InputError, match="at least one feature and class"):
        build_head("linear", 4, LabelMatrix.empty((3, 0)))


@pytest.mark.parametrize(("name", "outputs"), BOTH)
def test_labels_without_an_image_or_a_positive_are_enough(name, outputs, features_for) -> None:
    for labels in (LabelMatrix.empty((0, 2)), LabelMatrix.empty((4, 2))):
        head = build_head(name, 16, labels, outputs=outputs)
        assert head(features_for(head)).isfinite().all()


def test_a_linear_head_is_still_made_from_a_frequency() -> None:
    head = LinearHead(4, torch.tensor([0.5, 0.1]))
    assert list(head.state_dict()) == ["mean", "scale", "linear.weight", "linear.bias"]
