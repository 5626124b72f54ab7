"""Nested dicts and lists with tensors in them as one .safetensors file: the tensors, and how they nest as JSON.

Nothing of such a file is run when it is read, whoever wrote it.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from labelmend_core.errors import InputError
from labelmend_core.files import replacing

_TREE = "tree"
_Order = tuple[int, ...]


def save_tree(path: Path, tree: Mapping[str, Any]) -> None:
    """Write a tree of dicts, lists, tuples, tensors, numbers, texts and None, whole or not at all.

    Keys of dicts are texts or whole numbers. Floats come back to the bit, tensors in the memory order that they had:
    sums over other strides may differ in the last bit.
    """
    tensors: dict[str, Tensor] = {}
    described = json.dumps(_described(tree, tensors))
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata={_TREE: described})


def load_tree(path: Path, device: torch.device | str = "cpu") -> Any:
    """Return what `save_tree` wrote, tensors on a device.

    Raises:
        InputError: the file is no such one.
    """
    try:
        with safe_open(path, framework="pt", device=str(device)) as file:
            described = json.loads((file.metadata() or {})[_TREE])
            return _built(described, file.get_tensor)
    except (SafetensorError, KeyError, ValueError, TypeError, RecursionError) as error:
        raise InputError(
            f"Expected {path} as this version of labelmend writes it, but it cannot be read ({error}); "
            "delete it, and what it belongs to begins anew."
        ) from error


def _described(value: Any, tensors: dict[str, Tensor]) -> Any:
    """Return a value as JSON, and add its tensors to `tensors`; what is no plain value is a list with its kind."""
    if isinstance(value, Tensor):
        name, order = f"{len(tensors)}", _memory_order(value)
        # A copy on the CPU: two names of one tensor are refused by safetensors.
        tensors[name] = value.detach().permute(order).contiguous().to("cpu", copy=True)
        return ["tensor", name, order]
    if isinstance(value, Mapping):
        return ["dict", [[key, _described(of_key, tensors)] for key, of_key in value.items()]]
    if isinstance(value, list | tuple):
        return [type(value).__name__, [_described(one, tensors) for one in value]]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"Expected tensors and plain values in a state, got {type(value).__name__}")


def _built(described: Any, tensor: Any) -> Any:
    if not isinstance(described, list):
        return described
    kind, content, *rest = described
    if kind == "tensor":
        inverse = sorted(range(len(rest[0])), key=rest[0].__getitem__)
        return tensor(content).permute(inverse)
    if kind == "dict":
        return {key: _built(value, tensor) for key, value in content}
    values = [_built(value, tensor) for value in content]
    return tuple(values) if kind == "tuple" else values


def _memory_order(tensor: Tensor) -> _Order:
    """Return the dimensions from the widest stride to the narrowest."""
    return tuple(sorted(range(tensor.ndim), key=lambda dimension: -tensor.stride()[dimension]))
