"""Backbones: any timm network by name, with weights from timm, from a local file, or at random."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from labelmend_core.errors import InputError

PRETRAINED, RANDOM = "pretrained", "random"
# How the backbone's tensors are called in the model of a fine-tuned run.
_IN_A_RUN = "0.network."


@dataclass(frozen=True)
class BackboneSpec:
    """Which network looks at the pixels, and how the pixels are given to it.

    Attributes:
        name: timm's name, such as "mobilenetv2_100" or "resnet50".
        weights: "pretrained" (timm's, from its hub), "random", or the path of a `.safetensors` file: timm's or
            the model of a fine-tuned run.
        arguments: passed on to `timm.create_model`, such as {"pad_type": "same"}.
        image_size: side of the square input in pixels.
        mean, std: of the pixels scaled to [0, 1]; None takes what timm knows of the network.
    """

    name: str
    weights: str = PRETRAINED
    arguments: Mapping[str, Any] = field(default_factory=dict)
    image_size: int = 224
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None

    def fingerprint(self) -> str:
        """Return 16 hex digits that change whenever the features would."""
        digest = hashlib.sha256(
            json.dumps([self.name, dict(self.arguments), self.image_size, self.mean, self.std]).encode()
        )
        if self.weights in (PRETRAINED, RANDOM):
            digest.update(self.weights.encode())
        else:
            with _weights_file(self.weights).open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
        return digest.hexdigest()[:16]


class Backbone(nn.Module):
    """A timm network without its classifier: uint8 pixels (B, 3, S, S) to features (B, n_features)."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.network = network
        self.n_features = cast(int, network.num_features)
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1) * 255, persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return pooled features, float (B, n_features)."""
        features: Tensor = self.network((pixels.float() - self.mean) / self.std)
        return features


def build_backbone(spec: BackboneSpec) -> Backbone:
    """Return the backbone that `spec` describes, in training mode.

    Raises:
        InputError: no such network, weights that do not fit it, or no network connection to fetch them.
    """
    import timm  # takes seconds to import
    from timm.data.config import resolve_model_data_config

    if spec.name not in timm.list_models():
        close = timm.list_models(f"*{spec.name.split('_')[0]}*")[:5]
        raise InputError(
            f"Expected a backbone that timm knows, got {spec.name!r}; near it: {', '.join(close) or 'none'}"
        )
    arguments = {"num_classes": 0, **spec.arguments}
    try:
        network = timm.create_model(spec.name, pretrained=spec.weights == PRETRAINED, **arguments)
    except (OSError, RuntimeError) as error:
        if spec.weights != PRETRAINED:
            raise
        raise InputError(
            f"Expected to fetch timm's weights of {spec.name}, got: {str(error).splitlines()[0]}; "
            "is there a network? Give a local file with --weights FILE.safetensors, or --weights random."
        ) from error
    except TypeError as error:
        raise InputError(
            f"Expected arguments that timm's {spec.name} takes, got {error}; see --backbone-arg"
        ) from error
    if spec.weights not in (PRETRAINED, RANDOM):
        _load(network, _weights_file(spec.weights))
    data = resolve_model_data_config(network)  # type: ignore[no-untyped-call]
    return Backbone(network, spec.mean or data["mean"], spec.std or data["std"])


def _weights_file(weights: str) -> Path:
    path = Path(weights)
    if not path.is_file():
        raise InputError(f"Expected 'pretrained', 'random' or a weights file, got {weights!r}, which is not there")
    if path.suffix != ".safetensors":
        raise InputError(
            f"Expected a .safetensors file, got {path}; other formats can run code when they are opened. "
            "Convert it once with safetensors.torch.save_file."
        )
    return path


def _load(network: nn.Module, path: Path) -> None:
    """Load weights whose names fit; the classifier of the file is left out, everything else must be there."""
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise InputError(
            f"Expected a whole .safetensors file at {path}, got: {error}; was its download cut off?"
        ) from error
    if any(name.startswith(_IN_A_RUN) for name in tensors):
        tensors = {name.removeprefix(_IN_A_RUN): tensor for name, tensor in tensors.items()}
    wanted = network.state_dict()
    misfits = [name for name in wanted if name not in tensors or tensors[name].shape != wanted[name].shape]
    if misfits:
        raise InputError(
            f"Expected {path} to hold the {len(wanted)} tensors of the backbone, but {len(misfits)} are missing or of "
            f"another shape, the first {misfits[0]}; is it the file of another network?"
        )
    network.load_state_dict({name: tensors[name].to(wanted[name].dtype) for name in wanted})
