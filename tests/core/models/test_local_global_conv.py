"""Local-global convolution: nearly nothing at the start, and only what is promised trains."""

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from labelmend_core.errors import InputError
from labelmend_core.models import BackboneSpec, LinearHead, build_backbone, with_local_global
from labelmend_core.models.local_global_conv import GlobalBranch, LocalGlobalConv


def _images(n: int = 2) -> torch.Tensor:
    return torch.randn(n, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def _wrapped(network: nn.Module) -> list[str]:
    return [name for name, module in network.named_modules() if isinstance(module, LocalGlobalConv)]


@pytest.mark.parametrize(
    ("name", "stage", "most"),
    [("resnet18", "layer4", 1e-3), ("resnet50", "layer4", 1e-3), ("resnet18", "", 5e-3)],  # 16 branches add up
)
@torch.inference_mode()
def test_outputs_are_unchanged_at_the_start(name, stage, most) -> None:
    torch.manual_seed(0)
    # Without the zeros that timm starts residual branches with, which would hide any change behind them.
    network = timm.create_model(name, num_classes=0, zero_init_last=False)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    network(_images(16))  # its batch norms now know their inputs, as those of a pretrained network do
    before = network.eval()(_images())
    after = with_local_global(network, stage)(_images())
    assert before.abs().max() > 0.1
    assert (after - before).abs().max() < most
    assert not torch.equal(after, before)


@pytest.mark.parametrize(
    ("name", "stage", "n"), [("resnet18", "layer4", 4), ("resnet50", "layer4", 3), ("tresnet_m", "body.layer4", 3)]
)
def test_every_3x3_convolution_of_the_stage_is_wrapped_and_no_other(name, stage, n) -> None:
    network = with_local_global(timm.create_model(name, num_classes=0), stage)
    found = _wrapped(network)
    assert len(found) == n
    assert all(module.startswith(f"{stage}.") for module in found)


def test_the_whole_network_leaves_the_convolution_on_colours_out() -> None:
    network = with_local_global(timm.create_model("resnet18d", num_classes=0), "")
    assert isinstance(network.layer1[0].conv1, LocalGlobalConv)
    assert type(network.conv1[0]) is nn.Conv2d


def test_weights_of_the_plain_network_keep_their_names() -> None:
    plain = timm.create_model("resnet18", num_classes=0)
    wrapped = with_local_global(timm.create_model("resnet18", num_classes=0))
    missing, unexpected = wrapped.load_state_dict(plain.state_dict(), strict=False)
    assert unexpected == []
    assert all(".global_branch." in name for name in missing)
    assert torch.equal(wrapped.layer4[0].conv1.weight, plain.layer4[0].conv1.weight)


def test_the_branch_is_that_of_naive_loops() -> None:
    torch.manual_seed(1)
    branch = GlobalBranch(16, 8, (2, 2)).eval()
    x = torch.randn(1, 16, 3, 3)
    pixels = [x[0, :, i, j] for i in range(3) for j in range(3)]

    def apply(layer: nn.Conv2d, vector: torch.Tensor) -> torch.Tensor:
        return layer.weight[:, :, 0, 0] @ vector + layer.bias

    reduced = [apply(branch.reduction, pixel).relu() for pixel in pixels]
    context = [torch.cat([vector, sum(reduced) / 9]) for vector in reduced]
    shares = torch.stack([branch.gather.weight[:, :, 0, 0] @ vector for vector in reduced]).softmax(dim=0)
    gates = torch.stack([apply(branch.gate, vector) for vector in context]).sigmoid()
    values = [apply(branch.value, pixel).view(8, 2) for pixel in pixels]
    summary = sum(share[:, None] * value for share, value in zip(shares, values, strict=True))
    outputs = [
        apply(branch.projection, pixel + (gate[:, None] * summary).flatten())
        for pixel, gate in zip(pixels, gates, strict=True)
    ]
    map_ = torch.stack(outputs).T.view(1, 8, 3, 3)[:, :, ::2, ::2]
    torch.testing.assert_close(branch(x), branch.norm(map_))


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_exactly_the_promised_parameters_train(name) -> None:
    torch.manual_seed(0)
    backbone = build_backbone(BackboneSpec(name, "random", image_size=64), local_global=True)
    backbone.freeze_all_but("layer4")
    network = nn.Sequential(backbone, LinearHead(backbone.n_features, torch.full((3,), 0.5)))
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    network.train()
    optimiser = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], lr=0.01)
    for _ in range(2):  # timm starts with zeros behind the last convolution of a block: it hears of the first step
        optimiser.zero_grad()
        pixels = (_images(4) * 50 + 128).clamp(0, 255).to(torch.uint8)
        network(pixels).square().sum().backward()
        optimiser.step()
    promised = {
        key
        for key, _ in network.named_parameters()
        if key.startswith(("0.network.layer4.", "1.")) or ".global_branch." in key
    }
    trainable = {key for key, parameter in network.named_parameters() if parameter.requires_grad}
    changed = {key for key, tensor in network.state_dict().items() if not torch.equal(tensor, before[key])}
    assert trainable == promised
    assert changed == promised


def test_batch_norms_stay_in_eval_mode_when_training_is_set() -> None:
    backbone = build_backbone(BackboneSpec("resnet18", "random"), local_global=True)
    backbone.freeze_all_but()
    nn.Sequential(backbone).train()
    norms = [module for module in backbone.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) > 20
    assert not any(norm.training for norm in norms)
    assert backbone.network.layer4.training


def test_branches_outside_of_the_stage_train_as_well() -> None:
    backbone = build_backbone(BackboneSpec("resnet18", "random"))
    with_local_global(backbone.network, "layer3")
    backbone.freeze_all_but("layer4")
    trained = {name.split(".")[0] for name, p in backbone.network.named_parameters() if p.requires_grad}
    assert trained == {"layer3", "layer4"}
    assert not backbone.network.layer3[0].conv1.weight.requires_grad


@pytest.mark.parametrize("name", ["test_vit", "convnext_atto", "tresnet_m"])
def test_a_backbone_without_the_stage_is_named(name) -> None:
    kind = type(timm.create_model(name)).__name__
    with pytest.raises(InputError, match=f"stage 'layer4', as a ResNet has one, got {kind}"):
        build_backbone(BackboneSpec(name, "random"), local_global=True)
    with pytest.raises(InputError, match=f"stage 'layer4', got {kind}"):
        build_backbone(BackboneSpec(name, "random", image_size=160)).freeze_all_but()


def test_a_stage_without_3x3_convolutions_and_a_second_wrap_are_refused() -> None:
    network = timm.create_model("resnet18", num_classes=0)
    with pytest.raises(InputError, match=r"3×3 convolutions .* in stage 'bn1'"):
        with_local_global(network, "bn1")
    with_local_global(network)
    with pytest.raises(InputError, match=r"3×3 convolutions .* in stage 'layer4'"):
        with_local_global(network)


def test_local_weights_come_with_or_without_branches(tmp_path) -> None:
    path = tmp_path / "plain.safetensors"
    plain = timm.create_model("resnet18", num_classes=0)
    save_file(plain.state_dict(), path)
    wrapped = build_backbone(BackboneSpec("resnet18", str(path)), local_global=True)
    assert torch.equal(wrapped.network.layer4[1].conv2.weight, plain.layer4[1].conv2.weight)
    path = tmp_path / "run.safetensors"
    save_file({f"0.{name}": tensor for name, tensor in wrapped.state_dict().items()}, path)
    again = build_backbone(BackboneSpec("resnet18", str(path)), local_global=True)
    for name, tensor in wrapped.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name
    with pytest.raises(InputError, match="add --local-global"):
        build_backbone(BackboneSpec("resnet18", str(path)))
