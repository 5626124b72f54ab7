"""Heat maps: what they add up to, and that they are hot where the object is."""

import itertools

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from labelmend_core.errors import InputError
from labelmend_core.models import HEADS, Backbone, BackboneSpec, Head, build_backbone, build_head, make_heat_map
from labelmend_core.models.heat_map import HeatMap, Method
from labelmend_core.types import LabelMatrix

SIDE = 128  # of which the last map of a test_resnet has 4 x 4 places
SMALL: dict[str, dict[str, int]] = {"ml_decoder": {"width": 32, "feed_forward": 48}, "graph": {"width": 12}}
LABELS = LabelMatrix.from_dense([[1, 0], [0, 1], [0, 0]])
WEIGHING = [(name, outputs) for name, head in HEADS.items() if head.takes == "vectors" for outputs in head.gives]


def _backbone(name: str = "test_resnet", side: int = SIDE, takes: str = "vectors") -> Backbone:
    torch.manual_seed(0)
    return build_backbone(BackboneSpec(name, "random", image_size=side), takes).eval()  # type: ignore[arg-type]


def _head(name: str, backbone: Backbone, outputs: str = "logits") -> Head:
    torch.manual_seed(1)
    head = build_head(name, backbone.n_features, LABELS, outputs=outputs, **SMALL.get(name, {})).eval()  # type: ignore[arg-type]
    if head.takes == "vectors":
        head.fit_scale(torch.randn(20, backbone.n_features) * 3 + 1)
    return head


def _pixels(side: int = SIDE, n_images: int = 1) -> Tensor:
    drawn = torch.randint(0, 256, (n_images, 3, side, side), generator=torch.Generator().manual_seed(2))
    return drawn.to(torch.uint8)


@pytest.mark.parametrize(("name", "outputs"), WEIGHING)
@torch.no_grad()
def test_class_activations_average_to_the_output_without_its_bias(name: str, outputs: str) -> None:
    backbone, pixels = _backbone(), _pixels(n_images=3)
    head = _head(name, backbone, outputs)
    features = backbone.by_place(pixels)
    assert features is not None
    bias = getattr(head, "bias", None)
    if outputs == "logits" and bias is None:
        bias = (head.linear if name == "linear" else head.classifier).bias  # type: ignore[union-attr]
    mean = head.by_place(features.flatten(1, 2)).mean(dim=1)
    expected = head(backbone(pixels))
    torch.testing.assert_close(mean if outputs == "cosines" else mean + bias, expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_attention_is_that_of_each_class_s_group() -> None:
    backbone = _backbone(takes="tokens")
    labels = LabelMatrix.from_dense(np.ones((1, 5)))
    head = build_head("ml_decoder", backbone.n_features, labels, queries=2, **SMALL["ml_decoder"]).eval()
    attention = head.by_place(backbone(_pixels(n_images=2)))
    assert attention.shape == (2, 16, 5)
    torch.testing.assert_close(attention.sum(dim=1), torch.ones(2, 5))
    assert torch.equal(attention[..., 0], attention[..., 2])  # classes 0 to 2 share a query
    assert not torch.equal(attention[..., 2], attention[..., 3])


@pytest.mark.parametrize("name", HEADS)
def test_a_map_has_the_feature_map_s_places_from_0_to_1(name: str) -> None:
    backbone = _backbone(takes=HEADS[name].takes)
    found = make_heat_map(backbone, _head(name, backbone), _pixels()[0], 1)
    assert found.method == (Method.ATTENTION if name == "ml_decoder" else Method.ACTIVATION)
    assert found.values.shape == (4, 4)
    assert found.values.dtype == np.float32
    assert (found.values.min(), found.values.max()) == (0, 1)


@pytest.mark.parametrize(
    ("name", "side"),
    [("test_resnet", 32), ("mobilenetv3_small_050", 128), ("convnext_atto", 128), ("test_vit", 64)],
)
def test_where_the_features_cannot_tell_windows_are_covered(name: str, side: int) -> None:
    """One place only, a layer or a norm behind the pooling, a class token."""
    backbone = _backbone(name, side)
    found = make_heat_map(backbone, _head("linear", backbone), _pixels(side)[0], 0)
    assert found.method == Method.OCCLUSION
    assert found.values.shape == (8, 8)


def test_a_vit_s_patches_are_a_grid_without_its_prefix() -> None:
    backbone = _backbone("deit_tiny_distilled_patch16_224", 80, "tokens")
    found = make_heat_map(backbone, _head("ml_decoder", backbone), _pixels(80)[0], 0)
    assert (found.method, found.values.shape) == (Method.ATTENTION, (5, 5))


@torch.no_grad()
def test_features_by_place_lie_where_the_tokens_do() -> None:
    pooled, pixels = _backbone(side=160), _pixels(160)
    tokens = Backbone(pooled.network, (0.5,) * 3, (0.5,) * 3, "tokens").eval()
    tokens.mean, tokens.std = pooled.mean, pooled.std
    by_place = pooled.by_place(pixels)
    assert by_place is not None
    assert torch.equal(by_place[0, 1, 3], tokens(pixels)[0, 5 + 3])


def _scene(side: int, generator: torch.Generator, at: tuple[int, int] | None = None) -> Tensor:
    """Return an image of noise, with a bright square of a quarter of its side at that row and column."""
    pixels = torch.randint(60, 110, (3, side, side), generator=generator)
    if at is not None:
        pixels[:, at[0] : at[0] + side // 4, at[1] : at[1] + side // 4] = torch.tensor([230, 60, 40]).view(3, 1, 1)
    return pixels.to(torch.uint8)


def _trained(name: str, side: int) -> tuple[Backbone, Head]:
    """Return a tiny network that has learned to tell scenes with the square from those without it."""
    backbone = _backbone(side=side, takes=HEADS[name].takes)
    head = _head(name, backbone)
    network = nn.Sequential(backbone, head).train()
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    generator = torch.Generator().manual_seed(0)
    targets = torch.tensor([0.0, 1.0] * 4)
    for _ in range(25):
        places = torch.randint(0, side - side // 4, (len(targets), 2), generator=generator).tolist()
        scenes = [_scene(side, generator, (y, x) if has else None) for has, (y, x) in zip(targets, places, strict=True)]
        optimiser.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(network(torch.stack(scenes))[:, 0], targets).backward()
        optimiser.step()
    network.eval()
    return backbone, head


@pytest.mark.parametrize(
    ("name", "side", "method"),
    [
        ("linear", 128, Method.ACTIVATION),
        ("cosine", 128, Method.ACTIVATION),
        ("graph", 128, Method.ACTIVATION),
        ("ml_decoder", 128, Method.ATTENTION),
        ("linear", 32, Method.OCCLUSION),
    ],
)
def test_the_hottest_place_is_where_the_object_is(name: str, side: int, method: Method) -> None:
    backbone, head = _trained(name, side)
    near, far = side // 16, side - side // 4 - side // 16
    for at in itertools.product((near, far), repeat=2):
        found = make_heat_map(backbone, head, _scene(side, torch.Generator().manual_seed(7), at), 0)
        assert found.method == method
        row, column = np.unravel_index(found.values.argmax(), found.values.shape)
        half = len(found.values) / 2
        assert (row >= half, column >= half) == (at[0] == far, at[1] == far)
        left, top, right, bottom = found.hottest()
        assert left < at[1] / side + 0.25  # the box and the object overlap
        assert right > at[1] / side
        assert top < at[0] / side + 0.25
        assert bottom > at[0] / side


def _map(values: list[list[float]], **more: object) -> HeatMap:
    array: NDArray[np.float32] = np.array(values, dtype=np.float32)
    return HeatMap(array, Method.ACTIVATION, **more)  # type: ignore[arg-type]


def test_the_hottest_region_is_what_is_joined_to_the_hottest_place() -> None:
    found = _map([[0.9, 0.0, 0.0, 0.0], [0.0, 0.0, 0.6, 1.0], [0.0, 0.0, 0.3, 0.7], [0.0, 0.0, 0.0, 0.0]])
    assert found.hottest() == (0.5, 0.25, 1.0, 0.75)


def test_the_region_lies_within_what_the_network_saw() -> None:
    """As if a square in the middle of an image of 2 : 1 had been cut out."""
    found = _map([[0.0, 0.0], [0.0, 1.0]], seen=(0.25, 0.0, 0.75, 1.0))
    assert found.hottest() == (0.5, 0.5, 0.75, 1.0)


def test_where_no_place_is_hotter_all_of_the_image_is_shown() -> None:
    backbone = _backbone(side=32)
    head = _head("linear", backbone)
    with torch.no_grad():
        head.linear.weight.zero_()  # type: ignore[union-attr]
    found = make_heat_map(backbone, head, _pixels(32)[0], 0)
    assert not found.values.any()
    assert found.hottest() == (0, 0, 1, 1)


def test_a_network_that_has_failed_is_said_to() -> None:
    backbone = _backbone()
    head = _head("linear", backbone)
    with torch.no_grad():
        head.linear.weight.fill_(float("nan"))  # type: ignore[union-attr]
    with pytest.raises(InputError, match=r"finite outputs.*training failed"):
        make_heat_map(backbone, head, _pixels()[0], 0)
