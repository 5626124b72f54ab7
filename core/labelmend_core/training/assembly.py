"""What a run's settings stand for: its loss, head, network and augmentation; and the p that its network gives."""

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from labelmend_core.errors import InputError
from labelmend_core.losses import LOSSES, MultiLabelLoss, build_loss
from labelmend_core.models import build_backbone
from labelmend_core.models.heads import HEADS, Head, build_head
from labelmend_core.training.augment import Augmentation, Cutout, MirrorAndMove, RandomOperations, Step
from labelmend_core.training.settings import RunSettings
from labelmend_core.types import LabelMatrix


def loss_of(settings: RunSettings, targets: Tensor) -> MultiLabelLoss:
    """Return the run's loss, begun and on the device of the targets.

    Args:
        settings: of the run.
        targets: int8 (N, K), what is trained on; rows are those of the batches' indices.
    """
    loss = build_loss(settings.loss, reduction="batch", **settings.hyperparameters)
    loss.begin(targets)
    return loss.to(targets.device)


def head_of(settings: RunSettings, n_features: int, labels: LabelMatrix, class_names: tuple[str, ...]) -> Head:
    """Return the run's head, which gives what the run's loss takes.

    Args:
        settings: of the run.
        n_features: of the backbone.
        labels: (N, K), what is trained on; class frequencies and co-occurrences come from them.
        class_names: length K.
    """
    outputs = LOSSES[settings.loss].input_kind
    return build_head(
        settings.head, n_features, labels, outputs=outputs, class_names=class_names, **settings.head_settings
    )


def network_of(settings: RunSettings, labels: LabelMatrix, class_names: tuple[str, ...]) -> nn.Sequential:
    """Return backbone and head of a fine-tuning run: uint8 pixels (B, 3, S, S) to what the run's loss takes, (B, K).

    Args:
        settings: of the run.
        labels: (N, K), what is trained on.
        class_names: length K.
    """
    takes = HEADS[settings.head].takes
    backbone = build_backbone(settings.backbone, takes=takes, local_global=settings.local_global)
    if settings.local_global:
        backbone.freeze_all_but()
    return nn.Sequential(backbone, head_of(settings, backbone.n_features, labels, class_names))


def with_shared_norms(network: nn.Sequential, accelerator: Accelerator) -> nn.Sequential:
    """Return the network with batch norms that take the statistics of all processes together, by the same names.

    Raises:
        InputError: not on GPUs, on which alone PyTorch has them.
    """
    if accelerator.num_processes == 1:
        return network
    if accelerator.device.type != "cuda":
        raise InputError(
            f"Expected GPUs for batch norms across processes, got {accelerator.device.type}; "
            "leave --sync-batchnorm out, or train in one process."
        )
    shared: nn.Sequential = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
    return shared


def augmentation_of(settings: RunSettings) -> Augmentation:
    """Return what changes the run's images in fine-tuning."""
    augment = settings.augment
    steps: list[Step] = []
    if augment.rand_augment:
        steps.append(RandomOperations(augment.rand_augment))
    if augment.flip or augment.shift:
        steps.append(MirrorAndMove(flip=augment.flip, shift=augment.shift))
    if augment.cutout:
        steps.append(Cutout(augment.cutout))
    return Augmentation(steps, settings.seed)


@torch.no_grad()
def probabilities(network: nn.Module, loss: MultiLabelLoss, inputs: Tensor) -> Tensor:
    """Return the p of every cell that a network gives, float32 (B, K) in [0, 1], on the CPU."""
    return loss.as_logits(network(inputs).float()).sigmoid().cpu()
