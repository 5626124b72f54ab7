"""Pooled features and tokens of timm's families of networks."""

import pytest
import timm
import torch
from safetensors.torch import save_file

from labelmend_core.errors import InputError
from labelmend_core.models import Backbone, BackboneSpec, build_backbone

# Name, image size, tokens, and whether the vector is the mean of the tokens: a ViT reads its class token, a
# ConvNeXt normalises and a MobileNetV3 widens behind the pooling.
NETWORKS = [
    ("resnet18", 64, 4, True),
    ("test_resnet", 96, 9, True),
    ("tresnet_m", 64, 4, True),
    ("tf_efficientnetv2_b0", 64, 4, True),
    ("mobilenetv2_100", 64, 4, True),
    ("mobilenetv3_small_050", 64, 4, False),
    ("convnext_atto", 64, 4, False),
    ("test_convnext", 64, 4, False),
    ("swin_tiny_patch4_window7_224", 64, 4, True),
    ("test_vit", 64, 16, False),
    ("vit_tiny_patch16_224", 80, 25, False),
    ("deit_tiny_distilled_patch16_224", 64, 16, False),
    ("eva02_tiny_patch14_224", 70, 25, False),
]


def _pixels(side: int) -> torch.Tensor:
    return torch.randint(0, 256, (2, 3, side, side), generator=torch.Generator().manual_seed(0)).to(torch.uint8)


@pytest.mark.parametrize(("name", "side", "n_tokens", "pools"), NETWORKS)
@torch.inference_mode()
def test_vectors_and_tokens_have_the_promised_shapes(name, side, n_tokens, pools) -> None:
    pooled = build_backbone(BackboneSpec(name, "random", image_size=side)).eval()
    before_pooling = Backbone(pooled.network, (0.5,) * 3, (0.5,) * 3, "tokens").eval()
    before_pooling.mean, before_pooling.std = pooled.mean, pooled.std
    vectors, tokens = pooled(_pixels(side)), before_pooling(_pixels(side))
    assert vectors.shape == (2, pooled.n_features)
    assert tokens.shape == (2, n_tokens, before_pooling.n_features)
    if pools:
        torch.testing.assert_close(tokens.mean(dim=1), vectors, rtol=1e-3, atol=1e-4)


@torch.inference_mode()
def test_tokens_keep_the_places_of_the_map() -> None:
    backbone = build_backbone(BackboneSpec("test_resnet", "random", image_size=96), "tokens").eval()
    inputs = (_pixels(96).float() - backbone.mean) / backbone.std
    features = backbone.network.forward_features(inputs)
    tokens = backbone(_pixels(96))
    assert torch.equal(tokens[1, 5], features[1, :, 1, 2])


@torch.inference_mode()
def test_tokens_of_a_vit_leave_its_prefix_out() -> None:
    backbone = build_backbone(BackboneSpec("deit_tiny_distilled_patch16_224", "random", image_size=64), "tokens").eval()
    features = backbone.network.forward_features((_pixels(64).float() - backbone.mean) / backbone.std)
    assert torch.equal(backbone(_pixels(64)), features[:, 2:])


@torch.inference_mode()
def test_local_weights_of_a_vit_are_fitted_to_another_image_size(tmp_path) -> None:
    path = tmp_path / "vit.safetensors"
    whole = timm.create_model("test_vit", img_size=64)
    save_file(whole.state_dict(), path)
    larger = build_backbone(BackboneSpec("test_vit", str(path), image_size=96)).eval()
    assert larger(_pixels(96)).shape == (2, 64)
    torch.testing.assert_close(larger.network.blocks[0].mlp.fc1.weight, whole.blocks[0].mlp.fc1.weight)
    torch.testing.assert_close(larger.network.pos_embed[:, 0], whole.pos_embed[:, 0])


def test_an_image_size_among_the_arguments_is_left_to_the_caller() -> None:
    backbone = build_backbone(BackboneSpec("test_vit", "random", {"img_size": 96}, image_size=64))
    assert backbone.network.pos_embed.shape[1] == 36 + 1


def test_a_network_without_one_feature_map_is_one_sentence() -> None:
    backbone = Backbone(_TwoMaps(), (0.5,) * 3, (0.5,) * 3, "tokens")
    with pytest.raises(InputError, match="one feature map, but _TwoMaps has none"):
        backbone(_pixels(32))


class _TwoMaps(torch.nn.Module):
    """As timm's CrossViT: two branches."""

    num_features = 3

    def forward_features(self, inputs: torch.Tensor) -> list[torch.Tensor]:
        return [inputs, inputs]


def test_tokens_and_vectors_are_not_kept_in_one_place() -> None:
    spec = BackboneSpec("test_resnet", "random")
    assert spec.fingerprint("tokens") != spec.fingerprint()
    assert spec.fingerprint("vectors") == spec.fingerprint()
