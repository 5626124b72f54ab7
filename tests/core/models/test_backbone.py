"""Backbones by name, with local weights, and what happens when they do not fit."""

import pytest
import torch
from safetensors.torch import save_file

from labelmend_core.errors import InputError
from labelmend_core.models import BackboneSpec, LinearHead, build_backbone
from labelmend_core.training.checkpoint import save_model

SMALL = "test_resnet"


def _pixels(n: int = 3, side: int = 32) -> torch.Tensor:
    return torch.randint(0, 256, (n, 3, side, side), generator=torch.Generator().manual_seed(0)).to(torch.uint8)


def test_uint8_pixels_become_pooled_features() -> None:
    backbone = build_backbone(BackboneSpec(SMALL, "random", image_size=32)).eval()
    features = backbone(_pixels())
    assert features.shape == (3, backbone.n_features)
    assert features.dtype == torch.float32


def test_pixels_are_normalised_by_the_given_mean_and_deviation() -> None:
    spec = BackboneSpec(SMALL, "random", image_size=32, mean=(0.5,) * 3, std=(0.25,) * 3)
    backbone = build_backbone(spec).eval()
    expected = backbone.network((_pixels().float() / 255 - 0.5) / 0.25)
    torch.testing.assert_close(backbone(_pixels()), expected, rtol=1e-4, atol=1e-4)


def test_local_weights_are_loaded_and_their_classifier_left_out(tmp_path) -> None:
    import timm

    torch.manual_seed(7)
    whole = timm.create_model(SMALL, num_classes=11)
    path = tmp_path / "weights.safetensors"
    halved = {name: t.half() if t.is_floating_point() else t for name, t in whole.state_dict().items()}
    save_file(halved, path)
    backbone = build_backbone(BackboneSpec(SMALL, str(path)))
    wanted = whole.state_dict()
    for name, tensor in backbone.network.state_dict().items():
        torch.testing.assert_close(tensor, wanted[name], rtol=1e-2, atol=1e-3)


def test_the_model_of_a_fine_tuned_run_is_a_backbone(tmp_path) -> None:
    trained = build_backbone(BackboneSpec("test_resnet", "random"))
    network = torch.nn.Sequential(trained, torch.nn.Linear(trained.n_features, 3))
    path = tmp_path / "model.safetensors"
    save_model(path, network.state_dict(), {})
    again = build_backbone(BackboneSpec("test_resnet", str(path)))
    for name, tensor in trained.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name


def test_shared_mobilenet_weights_fit_with_same_padding(shared_dir) -> None:
    path = shared_dir / "weights" / "mobilenetv2_100_same.safetensors"
    backbone = build_backbone(BackboneSpec("mobilenetv2_100", str(path), {"pad_type": "same"}))
    assert backbone.n_features == 1280


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        (BackboneSpec("resnet5O"), "backbone that timm knows, got 'resnet5O'"),
        (BackboneSpec(SMALL, "nowhere.safetensors"), "'nowhere.safetensors', which is not there"),
        (BackboneSpec(SMALL, "random", {"no_such_thing": 1}), "--backbone-arg"),
    ],
)
def test_a_backbone_that_cannot_be_had_is_one_sentence(spec: BackboneSpec, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        build_backbone(spec)


def test_a_pickle_is_not_opened(tmp_path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({}, path)
    with pytest.raises(InputError, match=r"\.safetensors file.*can run code"):
        build_backbone(BackboneSpec(SMALL, str(path)))


def test_weights_of_another_network_and_half_a_file_are_refused(tmp_path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file({"conv.weight": torch.zeros(3)}, path)
    with pytest.raises(InputError, match="of another network"):
        build_backbone(BackboneSpec(SMALL, str(path)))
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(InputError, match="download cut off"):
        build_backbone(BackboneSpec(SMALL, str(path)))


def test_the_fingerprint_changes_with_whatever_changes_the_features(tmp_path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file({"a": torch.zeros(1)}, path)
    specs = [
        BackboneSpec(SMALL, "random"),
        BackboneSpec(SMALL, "random", image_size=64),
        BackboneSpec(SMALL, "random", {"drop_rate": 0.1}),
        BackboneSpec(SMALL, "random", mean=(0.5,) * 3),
        BackboneSpec(SMALL, str(path)),
    ]
    before = [spec.fingerprint() for spec in specs]
    assert len(set(before)) == len(specs)
    save_file({"a": torch.ones(1)}, path)
    assert specs[-1].fingerprint() != before[-1]


def test_a_head_starts_at_the_class_frequency_and_standardises() -> None:
    features = torch.randn(500, 8, generator=torch.Generator().manual_seed(0)) * 5 + 3
    frequency = torch.tensor([0.1, 0.5, 0.0])
    head = LinearHead(8, frequency)
    head.fit_scale(features)
    probabilities = head(features).sigmoid().mean(dim=0)
    torch.testing.assert_close(probabilities, frequency, rtol=0.02, atol=1e-3)
    scaled = (features - head.mean) * head.scale
    torch.testing.assert_close(scaled.std(dim=0), torch.ones(8))
