"""Optimiser and schedule: no decay on biases and norms, one cycle of the learning rate, EMA."""

from typing import Literal

from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import AveragedModel

OptimiserName = Literal["adamw", "adam", "sgd"]
_MOMENTUM = 0.9  # of SGD


def parameter_groups(network: nn.Module, loss: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Return the trainable parameters in two groups: matrices and kernels with decay, all else without.

    What a loss learns (an estimate of the labels) has no decay either.
    """
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    without = [p for p in trainable if p.ndim <= 1] + list(loss.parameters())
    return [
        {"params": [p for p in trainable if p.ndim > 1], "weight_decay": weight_decay},
        {"params": without, "weight_decay": 0.0},
    ]


def build_optimiser(
    network: nn.Module,
    loss: nn.Module,
    *,
    name: OptimiserName = "adamw",
    lr: float,
    weight_decay: float,
    warm_up: float = 0.2,
    total_steps: int,
) -> tuple[Optimizer, OneCycleLR]:
    """Return the optimiser and its one-cycle schedule; step both after every batch.

    Args:
        network: whose trainable parameters are optimised.
        loss: whose own parameters, if it has any, are optimised with them.
        name: "adamw" (decoupled decay), "adam" (decay in the gradient, as the papers' scripts), or "sgd" (with
            momentum .9 after Nesterov, decay in the gradient).
        lr: highest learning rate of the cycle.
        weight_decay: of matrices and kernels.
        warm_up: share of the steps in which the learning rate rises, in (0, 1).
        total_steps: batches in all epochs.
    """
    groups = parameter_groups(network, loss, weight_decay)
    optimiser: Optimizer
    # One kernel for all parameters instead of several for each, where PyTorch has it.
    devices = {parameter.device.type for parameter in network.parameters()}
    fused = devices <= {"cpu", "cuda"}
    if name == "sgd":
        optimiser = SGD(groups, lr=lr, momentum=_MOMENTUM, nesterov=True, fused=fused)
    else:
        optimiser = {"adamw": AdamW, "adam": Adam}[name](groups, lr=lr, fused=fused)
    # OneCycleLR divides by zero when its rise is shorter than two steps.
    steps = max(total_steps, round(2 / warm_up))
    return optimiser, OneCycleLR(optimiser, max_lr=lr, total_steps=steps, pct_start=warm_up)


def moving_average(network: nn.Module, decay: float) -> AveragedModel:
    """Return an exponential moving average of weights and buffers; call `update_parameters` after each step.

    The decay rises with the number of steps to `decay`, or a short run would average in its random start.
    """

    def blend(average: Tensor, current: Tensor, n_averaged: Tensor | int) -> Tensor:
        n = int(n_averaged)
        return average + (1 - min(decay, (1 + n) / (10 + n))) * (current - average)

    return AveragedModel(network, avg_fn=blend, use_buffers=True)
