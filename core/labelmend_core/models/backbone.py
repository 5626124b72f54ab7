"""Backbones: any timm network by name, with weights from timm, from a local file, or at random."""

import hashlib
import json
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from labelmend_core.errors import InputError
from labelmend_core.models.local_global_conv import BRANCH, LAST_STAGE, with_local_global

Features = Literal["vectors", "tokens"]
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

    def fingerprint(self, takes: Features = "vectors") -> str:
        """Return 16 hex digits that change whenever the features of that kind would."""
        known: list[object] = [self.name, dict(self.arguments), self.image_size, self.mean, self.std]
        # Features of before there were tokens keep their folder.
        digest = hashlib.sha256(json.dumps(known if takes == "vectors" else [*known, takes]).encode())
        if self.weights in (PRETRAINED, RANDOM):
            digest.update(self.weights.encode())
        else:
            with _weights_file(self.weights).open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
        return digest.hexdigest()[:16]


class Backbone(nn.Module):
    """A timm network without its classifier: uint8 pixels (B, 3, S, S) to features.

    Args:
        network: of timm, without a classifier.
        mean, std: of the pixels scaled to [0, 1].
        gives: "vectors" for pooled features (B, n_features); "tokens" for those before pooling,
            (B, T, n_features): the places of a feature map, or the patches of a ViT without its prefix tokens.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, network: nn.Module, mean: tuple[float, ...], std: tuple[float, ...], gives: Features = "vectors"
    ) -> None:
        super().__init__()
        self.network, self.gives = network, gives
        # A MobileNetV3 widens its features behind the pooling.
        width = getattr(network, "head_hidden_size", None) if gives == "vectors" else None
        self.n_features = cast(int, width or network.num_features)
        self.frozen_norms = False
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1) * 255, persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return float features, (B, n_features), or (B, T, n_features) where `gives` is "tokens"."""
        if self.gives == "vectors":
            vectors: Tensor = self.network(self._normalised(pixels))
            return vectors
        return self._as_tokens(self._unpooled(pixels))

    def by_place(self, pixels: Tensor) -> Tensor | None:
        """Return the features before pooling on their grid of places, float (B, H, W, n_features).

        None where there is no such grid, or where the vectors that the head learned from are not the mean over its
        places: a ViT's class token, a norm or a wider layer behind the pooling.

        Args:
            pixels: uint8 (B, 3, S, S).
        """
        features = self._unpooled(pixels)
        if not isinstance(features, Tensor) or features.ndim not in (3, 4):
            return None
        tokens = self._as_tokens(features)
        if self.gives == "vectors" and not _is_mean(self._pooled(features), tokens):
            return None
        side = math.isqrt(tokens.shape[1])  # of the grid, which is square since the image is
        return tokens.reshape(len(tokens), side, side, -1) if side * side == tokens.shape[1] else None

    def _normalised(self, pixels: Tensor) -> Tensor:
        return (pixels.float() - self.mean) / self.std

    def _unpooled(self, pixels: Tensor) -> Any:
        return cast(Callable[[Tensor], Any], self.network.forward_features)(self._normalised(pixels))

    def _pooled(self, features: Tensor) -> Tensor:
        return cast(Callable[[Tensor], Tensor], self.network.forward_head)(features)

    def _as_tokens(self, features: Any) -> Tensor:
        """Bring what timm gives, a map (B, F, H, W), a map (B, H, W, F) or tokens (B, P + T, F), into one form."""
        if not isinstance(features, Tensor) or features.ndim not in (3, 4):
            raise InputError(
                f"Expected a backbone with one feature map, but {type(self.network).__name__} has none; "
                "take another backbone, or a head that takes pooled features (linear, cosine, graph)."
            )
        if features.ndim == 3:
            return features[:, cast(int, getattr(self.network, "num_prefix_tokens", 0)) :]
        if getattr(self.network, "output_fmt", "NCHW") == "NHWC":
            return features.flatten(1, 2)
        return features.flatten(2).transpose(1, 2)

    def freeze_all_but(self, stage: str = LAST_STAGE) -> None:
        """Let only one stage and the local-global branches train; batch norms stay in eval mode, whatever is set.

        Args:
            stage: name of a submodule of the network.

        Raises:
            InputError: the network has no such stage.

        Source: Yuan et al. (PU-MLC), 2023, arXiv 2306.16016, the authors' code. The head is no part of this and trains.
        """
        try:
            trained = self.network.get_submodule(stage)
        except AttributeError as error:
            raise InputError(
                f"Expected a backbone with the stage '{stage}', got {type(self.network).__name__}."
            ) from error
        for name, parameter in self.network.named_parameters():
            parameter.requires_grad_(f"{BRANCH}." in name)
        trained.requires_grad_(True)
        self.frozen_norms = True
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Set the mode; frozen batch norms stay in eval mode."""
        super().train(mode)
        if self.frozen_norms:
            for module in self.network.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self


def _is_mean(vectors: Tensor, tokens: Tensor) -> bool:
    mean = tokens.mean(dim=1)
    return vectors.shape == mean.shape and torch.allclose(vectors, mean, rtol=1e-3, atol=1e-4)


def build_backbone(spec: BackboneSpec, takes: Features = "vectors", *, local_global: bool = False) -> Backbone:
    """Return the backbone that `spec` describes, in training mode.

    Args:
        spec: which network, with which weights.
        takes: what the head takes: "vectors" (B, n_features) or "tokens" (B, T, n_features).
        local_global: gives the 3×3 convolutions of a ResNet's last stage a global branch. Weights of a run that
            had such branches bring them along; other weights leave them at their start.

    Raises:
        InputError: no such network, weights that do not fit it, no network connection to fetch them, or no stage
            for `local_global`.
    """
    import timm  # takes seconds to import
    from timm.data.config import resolve_model_data_config

    if spec.name not in timm.list_models():
        close = timm.list_models(f"*{spec.name.split('_')[0]}*")[:5]
        raise InputError(
            f"Expected a backbone that timm knows, got {spec.name!r}; near it: {', '.join(close) or 'none'}"
        )
    network = _create(spec)
    if local_global:
        with_local_global(network)
    if spec.weights not in (PRETRAINED, RANDOM):
        _load(network, _weights_file(spec.weights))
    data = resolve_model_data_config(network)  # type: ignore[no-untyped-call]
    return Backbone(network, spec.mean or data["mean"], spec.std or data["std"], takes)


def _create(spec: BackboneSpec) -> nn.Module:
    """Return timm's network; one whose weights depend on the image size (a ViT, a Swin) is made for the spec's."""
    import timm

    arguments = {"num_classes": 0, "img_size": spec.image_size, **spec.arguments}
    try:
        try:
            return timm.create_model(spec.name, pretrained=spec.weights == PRETRAINED, **arguments)
        except TypeError as error:
            if "img_size" in spec.arguments or "img_size" not in str(error):
                raise
            del arguments["img_size"]
            return timm.create_model(spec.name, pretrained=spec.weights == PRETRAINED, **arguments)
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
    if not any(f"{BRANCH}." in name for name in network.state_dict()) and any(f"{BRANCH}." in name for name in tensors):
        raise InputError(
            f"Expected weights of a plain backbone in {path}, got those of one with local-global convolutions; "
            "add --local-global."
        )
    wanted = network.state_dict()
    if not any(f"{BRANCH}." in name for name in tensors):
        wanted = {name: tensor for name, tensor in wanted.items() if f"{BRANCH}." not in name}
    misfits = _misfits(wanted, tensors)
    resized = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
    if misfits and resized is not None and all(name in tensors for name in wanted):
        # What timm does to the positions of a pretrained ViT when the images have another size.
        tensors = resized(tensors, network)
        misfits = _misfits(wanted, tensors)
    if misfits:
        raise InputError(
            f"Expected {path} to hold the {len(wanted)} tensors of the backbone, but {len(misfits)} are missing or of "
            f"another shape, the first {misfits[0]}; is it the file of another network?"
        )
    network.load_state_dict({name: tensors[name].to(wanted[name].dtype) for name in wanted}, strict=False)


def _misfits(wanted: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> list[str]:
    return [name for name in wanted if name not in tensors or tensors[name].shape != wanted[name].shape]
