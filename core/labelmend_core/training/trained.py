"""The network of a checkpoint, ready to be asked: what `checkpoint.save_model` wrote, read back with suspicion.

A checkpoint may come from a stranger: its weights are safetensors and its JSON is data, nothing in them is run, and
no other file is opened than the backbone's weights of a probe.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from labelmend_core.errors import InputError
from labelmend_core.losses import MultiLabelLoss, build_loss
from labelmend_core.models import Backbone, Head, build_backbone
from labelmend_core.models.backbone import RANDOM
from labelmend_core.models.heads import HEADS
from labelmend_core.training.assembly import head_of, network_of, probabilities
from labelmend_core.training.settings import RunSettings
from labelmend_core.types import LabelMatrix

_LARGEST_SIDE = 4096  # of an image in pixels
# timm's own arguments that name files or addresses; a file that timm opens may be a pickle.
_NO_ARGUMENTS = {"cache_dir", "checkpoint_path", "pretrained", "pretrained_cfg", "pretrained_cfg_overlay"}


@dataclass(frozen=True)
class Trained:
    """A trained network with what is needed to ask it; called with pixels, it returns probabilities.

    Attributes:
        network: uint8 pixels (B, 3, S, S) to what the loss takes, (B, K); in eval mode.
        loss: knows which probabilities the network's outputs stand for.
        class_names: length K; the position is the class index.
        settings: of the run that trained it; `settings.backbone.image_size` is S.
    """

    network: nn.Module
    loss: MultiLabelLoss
    class_names: tuple[str, ...]
    settings: RunSettings

    @property
    def backbone(self) -> Backbone:
        """What looks at the pixels."""
        return cast(Backbone, cast(nn.Sequential, self.network)[0])

    @property
    def head(self) -> Head:
        """What makes the outputs of the backbone's features."""
        return cast(Head, cast(nn.Sequential, self.network)[-1])

    def __call__(self, pixels: Tensor) -> Tensor:
        """Return the p of every class, float32 (B, K) in [0, 1], on the CPU; higher is more probably present.

        Args:
            pixels: uint8 (B, 3, S, S), on the network's device.
        """
        return probabilities(self.network, self.loss, pixels)

    def to(self, device: torch.device) -> "Trained":
        """Move the network to a device, in place, and return it."""
        self.network.to(device)
        self.loss.to(device)
        return self


class _Halved(nn.Module):
    """Features as a probe's head learned from them: the cache keeps float16."""

    def forward(self, features: Tensor) -> Tensor:
        return features.half()


def network_from_checkpoint(path: Path, *, weights: str | None = None) -> Trained:
    """Return the network that a run left in `path` and described in the JSON beside it, on the CPU.

    A fine-tuned network is whole in the file. Of a probe the file holds the head only: its backbone is built as the
    settings say, from timm's weights, from the same weights file, or at random by the run's seed.

    Args:
        path: `model.safetensors` of a run.
        weights: of a probe's backbone, where they lie elsewhere than when it was trained; see `BackboneSpec.weights`.

    Raises:
        InputError: a file is missing, damaged or hostile, the two do not fit each other, or the backbone's weights
            are gone.
    """
    info_path = path.with_suffix(".json")
    tensors = _tensors(path)
    settings, class_names = _described(info_path)
    # Before a head is built whose size is anybody's guess.
    if not any(len(class_names) in tensor.shape for tensor in tensors.values()):
        raise InputError(
            f"Expected {path} to hold a network for the {len(class_names)} classes of {info_path.name}, but none of "
            "its tensors has that size; do the two files belong together?"
        )
    if weights is not None:
        if settings.mode != "probe":
            raise InputError(f"Expected no weights for the whole network of a fine-tuned run in {path}, got {weights}")
        settings = replace(settings, backbone=replace(settings.backbone, weights=weights))
    loss = build_loss(settings.loss, reduction="batch", **settings.hyperparameters)
    build = _probe if settings.mode == "probe" else _whole
    try:
        # A backbone with random weights comes out as it did in the run, and nobody else's chance is touched.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            network, loaded = build(_without_class_vectors(settings, tensors), class_names)
    except InputError as error:
        raise InputError(f"{info_path}: {error}") from error
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"Expected {info_path} to describe a network that can be built, got: {_first_line(error)}"
        ) from error
    _load(loaded, tensors, path)
    return Trained(network.eval(), loss, class_names, settings)


def _whole(settings: RunSettings, class_names: tuple[str, ...]) -> tuple[nn.Module, nn.Module]:
    """Return the network of a fine-tuned run and the part of it that its file holds, which is all of it."""
    settings = replace(settings, backbone=replace(settings.backbone, weights=RANDOM))
    network = network_of(settings, LabelMatrix.empty((1, len(class_names))), class_names)
    network = network.to(memory_format=torch.channels_last)  # as in training, where convolutions are faster so
    return network, network


def _probe(settings: RunSettings, class_names: tuple[str, ...]) -> tuple[nn.Module, nn.Module]:
    """Return backbone and head of a probe, and the head, which is all that its file holds."""
    try:
        backbone = build_backbone(settings.backbone, takes=HEADS[settings.head].takes)
    except InputError as error:
        raise InputError(
            f"the checkpoint of a probe holds its head only, and the backbone cannot be had: {error} "
            "(if the weights lie elsewhere now, name them with --weights)"
        ) from error
    head = head_of(settings, backbone.n_features, LabelMatrix.empty((1, len(class_names))), class_names)
    return nn.Sequential(backbone, _Halved(), head), head


def _without_class_vectors(settings: RunSettings, tensors: Mapping[str, Tensor]) -> RunSettings:
    """Return settings that take class vectors from the checkpoint and not from a file that may be gone."""
    found = [tensor for name, tensor in tensors.items() if name.endswith("class_vectors") and tensor.ndim == 2]
    if not settings.head_settings.get("vectors") or len(found) != 1:
        return settings
    learned = {**settings.head_settings, "vectors": "", "width": found[0].shape[1]}
    return replace(settings, head_settings=learned)


def _tensors(path: Path) -> dict[str, Tensor]:
    if path.suffix != ".safetensors":
        raise InputError(
            f"Expected the model.safetensors of a run, got {path}; other formats can run code when they are opened."
        )
    if not path.is_file():
        raise InputError(
            f"Expected a checkpoint at {path}, found none; has the run come to its end? It is in runs/RUN."
        )
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except SafetensorError as error:
        raise InputError(f"Expected a whole .safetensors file at {path}, got: {error}; was it cut off?") from error
    return tensors


def _described(path: Path) -> tuple[RunSettings, tuple[str, ...]]:
    """Return settings and class names of the JSON beside a checkpoint, checked as far as a building needs it."""
    if not path.is_file():
        raise InputError(f"Expected {path} beside the checkpoint, which says what it is, found none; copy both.")
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
        names, settings = info["class_names"], RunSettings.from_dict(info["settings"])
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            f"Expected {path} as a run of this version of labelmend writes it, but it cannot be read: "
            f"{type(error).__name__}: {_first_line(error)}"
        ) from error
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise InputError(f"Expected {path} to hold a list of class names, got {str(names)[:80]!r}.")
    if len(set(names)) != len(names):
        raise InputError(f"Expected {path} to name every class once, got one twice.")
    _check_backbone(settings, path)
    return settings, tuple(names)


def _check_backbone(settings: RunSettings, path: Path) -> None:
    spec = settings.backbone
    side: Any = spec.image_size
    if not isinstance(side, int) or not 1 <= side <= _LARGEST_SIDE:
        raise InputError(f"Expected {path} to hold an image_size of 1 to {_LARGEST_SIDE} pixels, got {side!r}.")
    wanted = ((spec.name, str), (spec.weights, str), (spec.arguments, Mapping), (settings.seed, int))
    if not all(isinstance(value, kind) for value, kind in wanted):
        raise InputError(f"Expected {path} to name a backbone, its weights, its arguments and a seed, got others.")
    for name, value in spec.arguments.items():
        if name in _NO_ARGUMENTS or not isinstance(value, str | int | float):
            raise InputError(
                f"Expected {path} to hold plain arguments of the backbone, got {name!r}, which could make it open "
                "other files."
            )


def _load(network: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Load tensors that are exactly those of the network, by name and shape."""
    wanted = network.state_dict()
    misfits = [name for name in wanted if name not in tensors or tensors[name].shape != wanted[name].shape]
    misfits += [name for name in tensors if name not in wanted]
    if misfits:
        raise InputError(
            f"Expected {path} to hold the {len(wanted)} tensors that the JSON beside it describes, but {len(misfits)} "
            f"are missing, of another shape or too many, the first {misfits[0]}; do the two files belong together?"
        )
    network.load_state_dict(dict(tensors))


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0]
