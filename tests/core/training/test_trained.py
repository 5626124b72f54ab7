"""Checkpoints read back: whole networks, heads of probes, and everything that a stranger may have done to them."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from labelmend_core.errors import InputError
from labelmend_core.models import BackboneSpec, build_backbone
from labelmend_core.models.heads import HEADS
from labelmend_core.training import RunSettings, Schedule
from labelmend_core.training.assembly import head_of, network_of, probabilities
from labelmend_core.training.checkpoint import save_model
from labelmend_core.training.trained import network_from_checkpoint
from labelmend_core.types import LabelMatrix

NAMES = ("cat", "dog", "person")
LABELS = LabelMatrix.from_dense([[1, 0, 1], [0, 1, 1], [1, 1, 0], [0, 0, -1]])
PIXELS = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 3, 32, 32), dtype=np.uint8))


def _settings(mode: str = "finetune", head: str = "linear", loss: str = "bce", **changes: Any) -> RunSettings:
    return RunSettings(
        mode="probe" if mode == "probe" else "finetune",
        loss=loss,
        backbone=BackboneSpec("test_resnet", "random", image_size=32),
        schedule=Schedule(epochs=1, lr=1e-3),
        head=head,
        **changes,
    )


def _save(folder, settings: RunSettings, names: tuple[str, ...] = NAMES):
    """Leave what a run leaves; return the file and the p of the network that is in it."""
    path = folder / "model.safetensors"
    torch.manual_seed(settings.seed)
    if settings.mode == "finetune":
        network: torch.nn.Module = network_of(settings, LABELS, names)
        part = network
    else:
        backbone = build_backbone(settings.backbone, takes=HEADS[settings.head].takes)
        part = head_of(settings, backbone.n_features, LABELS, names)
        network = torch.nn.Sequential(backbone, part)
    for tensor in part.state_dict().values():
        if tensor.is_floating_point():
            tensor += 0.1 * torch.rand_like(tensor)
    save_model(path, part.state_dict(), {"mode": settings.mode, "settings": settings.to_dict(), "class_names": names})
    from labelmend_core.losses import build_loss

    return path, probabilities(network.eval(), build_loss(settings.loss), PIXELS)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("mode", ["probe", "finetune"])
def test_a_checkpoint_says_what_its_network_said(tmp_path, mode: str, head: str) -> None:
    loss = "aam" if head == "cosine" else "bce"
    path, expected = _save(tmp_path, _settings(mode, head, loss, seed=5))

    trained = network_from_checkpoint(path)

    assert trained.class_names == NAMES
    assert trained.settings == _settings(mode, head, loss, seed=5)
    # Features of a probe go through float16; a whole network lies channels last in memory.
    torch.testing.assert_close(trained(PIXELS), expected, atol=2e-3 if mode == "probe" else 2e-4, rtol=0)


def test_asking_twice_gives_the_same_and_leaves_chance_alone(tmp_path) -> None:
    path, _ = _save(tmp_path, _settings("probe"))
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)

    first = network_from_checkpoint(path)

    torch.testing.assert_close(torch.rand(3), expected)
    torch.testing.assert_close(first(PIXELS), network_from_checkpoint(path)(PIXELS))


def test_class_vectors_come_from_the_checkpoint_when_their_file_is_gone(tmp_path) -> None:
    vectors = tmp_path / "vectors.npy"
    np.save(vectors, np.random.default_rng(1).random((3, 12), dtype=np.float32))
    path, expected = _save(tmp_path, _settings(head="graph", head_settings={"vectors": str(vectors)}))
    vectors.unlink()

    torch.testing.assert_close(network_from_checkpoint(path)(PIXELS), expected, atol=1e-5, rtol=0)


def test_a_whole_network_needs_no_weights_file(tmp_path) -> None:
    path, expected = _save(tmp_path, _settings())
    settings = replace(_settings(), backbone=replace(_settings().backbone, weights="/nowhere/w.safetensors"))
    _edit(path, settings=settings.to_dict())

    torch.testing.assert_close(network_from_checkpoint(path)(PIXELS), expected, atol=1e-5, rtol=0)


def _edit(path, **changes: Any) -> None:
    info_path = path.with_suffix(".json")
    info = json.loads(info_path.read_text(encoding="utf-8")) | changes
    info_path.write_text(json.dumps(info), encoding="utf-8")


def _with_backbone(**changes: Any) -> dict[str, Any]:
    values = _settings().to_dict()
    return values | {"backbone": values["backbone"] | changes}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"class_names": ["cat", "dog"]}, "2 classes of model.json"),
        ({"class_names": []}, "a list of class names"),
        ({"class_names": "cat"}, "a list of class names"),
        ({"class_names": ["cat", "dog", 3]}, "a list of class names"),
        ({"class_names": ["cat", "dog", "cat"]}, "every class once"),
        ({"settings": []}, "of this version of labelmend"),
        ({"settings": {}}, "of this version of labelmend"),
        ({"settings": _settings().to_dict() | {"evil": 1}}, "of this version of labelmend"),
        ({"settings": _settings().to_dict() | {"loss": "hinge"}}, "a loss among"),
        ({"settings": _settings().to_dict() | {"head": "cosine"}}, "do the two files belong together"),
        ({"settings": _settings().to_dict() | {"head_settings": "x"}}, "of this version of labelmend"),
        ({"settings": _settings().to_dict() | {"seed": "x"}}, "and a seed"),
        ({"settings": _settings().to_dict() | {"seed": 2**80}}, "can be built"),
        ({"settings": _with_backbone(name="resnet5O")}, "that timm knows"),
        ({"settings": _with_backbone(name="hf-hub:stranger/net")}, "that timm knows"),
        ({"settings": _with_backbone(name="resnet18")}, "do the two files belong together"),
        ({"settings": _with_backbone(image_size=10**9)}, "image_size"),
        ({"settings": _with_backbone(image_size="32")}, "image_size"),
        ({"settings": _with_backbone(mean=["a", "b", "c"])}, "can be built"),
        ({"settings": _with_backbone(arguments={"checkpoint_path": "/tmp/evil.pth"})}, "open other files"),
        ({"settings": _with_backbone(arguments={"pretrained_cfg_overlay": {"file": "evil.pth"}})}, "open other files"),
        ({"settings": _with_backbone(arguments={"nonsense": 1})}, "nonsense"),
        ({"settings": _with_backbone(arguments=[1])}, "its arguments"),
    ],
)  # fmt: skip
def test_json_that_is_wrong_or_hostile_is_one_sentence(tmp_path, changes, words: str) -> None:
    path, _ = _save(tmp_path, _settings())
    _edit(path, **changes)

    with pytest.raises(InputError, match=words) as caught:
        network_from_checkpoint(path)

    assert "model.json" in str(caught.value) or "JSON beside it" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "{", "[" * 100_000, '{"settings": {"backbone": 1}, "class_names": ["a"]}']
)
def test_json_that_cannot_be_read_is_one_sentence(tmp_path, text: str) -> None:
    path, _ = _save(tmp_path, _settings())
    path.with_suffix(".json").write_text(text, encoding="utf-8")

    with pytest.raises(InputError, match=r"Expected .*model\.json as a run of this version"):
        network_from_checkpoint(path)


def test_what_is_missing_or_cut_off_is_named(tmp_path) -> None:
    path, _ = _save(tmp_path, _settings())
    whole = path.read_bytes()

    path.write_bytes(whole[:1000])
    with pytest.raises(InputError, match="was it cut off"):
        network_from_checkpoint(path)
    path.write_bytes(whole)
    path.with_suffix(".json").unlink()
    with pytest.raises(InputError, match="beside the checkpoint, which says what it is"):
        network_from_checkpoint(path)
    path.unlink()
    with pytest.raises(InputError, match=r"Expected a checkpoint at .*, found none"):
        network_from_checkpoint(path)


def test_a_pickle_is_never_opened(tmp_path) -> None:
    path = tmp_path / "model.pt"
    torch.save({"a": torch.zeros(1)}, path)
    with pytest.raises(InputError, match="other formats can run code"):
        network_from_checkpoint(path)
    renamed = path.rename(tmp_path / "model.safetensors")
    with pytest.raises(InputError, match=r"a whole \.safetensors file"):
        network_from_checkpoint(renamed)


@pytest.mark.parametrize("change", ["missing", "reshaped", "added"])
def test_tensors_that_are_not_exactly_the_networks_are_refused(tmp_path, change: str) -> None:
    path, _ = _save(tmp_path, _settings())
    tensors = load_file(path)
    name = next(name for name in tensors if name.endswith("linear.weight"))
    if change == "missing":
        del tensors[name]
    elif change == "reshaped":
        tensors[name] = torch.zeros(3, 5)
    else:
        tensors["one.more"] = torch.zeros(1)
    save_file(tensors, path)

    with pytest.raises(InputError, match=r"but 1 are .* the first (.*linear\.weight|one\.more); do the two files"):
        network_from_checkpoint(path)
