"""Every head by its name."""

from collections.abc import Mapping, Sequence
from typing import get_args

from labelmend_core.errors import InputError
from labelmend_core.hyperparameter import Value
from labelmend_core.models.heads._head import Head, Outputs
from labelmend_core.models.heads.cosine import CosineHead
from labelmend_core.models.heads.graph import GraphHead
from labelmend_core.models.heads.linear import LinearHead
from labelmend_core.models.heads.ml_decoder import MLDecoderHead
from labelmend_core.types import LabelMatrix

_ALL: tuple[type[Head], ...] = (LinearHead, CosineHead, MLDecoderHead, GraphHead)
HEADS: dict[str, type[Head]] = {head.name: head for head in _ALL}


def build_head(
    name: str,
    n_features: int,
    labels: LabelMatrix,
    *,
    outputs: Outputs = "logits",
    class_names: Sequence[str] = (),
    **settings: Value,
) -> Head:
    """Return the head of that name; its `takes` says whether it wants pooled vectors or tokens.

    Args:
        name: A key of `HEADS`.
        n_features: Width of what the backbone gives.
        labels: (N, K) of the training images: frequencies and co-occurrence are taken from them.
        outputs: "logits", or "cosines" for a loss whose `input_kind` says so.
        class_names: Length K, or empty; only a text file of class vectors needs them.
        settings: By name; `HEADS[name].settings` lists them with their ranges.

    Raises:
        InputError: An unknown head or setting, a value out of its range, or outputs that the head cannot give.

    Example:
        >>> labels = LabelMatrix.from_dense([[1, 0, 1], [0, 0, 1]])
        >>> head = build_head("cosine", 16, labels, outputs="cosines")
        >>> head.takes, sorted(HEADS)
        ('vectors', ['cosine', 'graph', 'linear', 'ml_decoder'])
    """
    checked = check_head(name, outputs, settings)
    if n_features < 1 or labels.shape[1] < 1:
        raise InputError(f"Expected at least one feature and class, got {n_features} and {labels.shape[1]}.")
    if class_names and len(class_names) != labels.shape[1]:
        raise InputError(f"Expected {labels.shape[1]} class names to match the labels, got {len(class_names)}.")
    return HEADS[name].build(n_features, labels, outputs, class_names, checked)


def check_head(name: str, outputs: Outputs, settings: Mapping[str, Value]) -> dict[str, Value]:
    """Return every setting of the head, checked, before there are features or labels.

    Args:
        name: A key of `HEADS`.
        outputs: What the loss takes.
        settings: By name; those that are missing take their default.

    Raises:
        InputError: An unknown head or setting, a value out of its range, or outputs that the head cannot give.
    """
    if name not in HEADS:
        raise InputError(f"Expected a head among {', '.join(HEADS)}, got {name!r}.")
    head = HEADS[name]
    _check_outputs(head, outputs)
    allowed = {row.name: row for row in head.settings}
    for unknown in settings.keys() - allowed.keys():
        known = ", ".join(allowed) or "none"
        raise InputError(f"Head '{name}' has no setting '{unknown}'; it has {known}.")
    return {row.name: row.checked(settings.get(row.name, row.default), name, "head") for row in head.settings}


def _check_outputs(head: type[Head], outputs: Outputs) -> None:
    if outputs not in get_args(Outputs):
        raise InputError(f"Expected outputs to be one of {', '.join(get_args(Outputs))}, got {outputs!r}.")
    if outputs not in head.gives:
        able = [other.name for other in _ALL if outputs in other.gives]
        raise InputError(
            f"The loss takes {outputs}, which head '{head.name}' does not give; use head {', '.join(able[:-1])} or "
            f"{able[-1]}, or a loss on logits."
        )
