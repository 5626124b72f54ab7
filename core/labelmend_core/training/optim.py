"""Optimiser and schedule: AdamW without decay on biases and norms, one cycle of the learning rate, EMA."""

from torch import Tensor, nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import AveragedModel

WARM_UP = 0.2  # share of the steps in which the learning rate rises (Ridnik et al. 2021, arXiv 2009.14119)


def parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Return the trainable parameters in two groups: matrices and kernels with decay, vectors without."""
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in trainable if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trainable if p.ndim <= 1], "weight_decay": 0.0},
    ]


def build_optimiser(
    network: nn.Module, *, lr: float, weight_decay: float, total_steps: int
) -> tuple[AdamW, OneCycleLR]:
    """Return AdamW and its one-cycle schedule; step both after every batch.

    Args:
        network: whose trainable parameters are optimised.
        lr: highest learning rate of the cycle.
        weight_decay: decoupled decay of matrices and kernels.
        total_steps: batches in all epochs.
    """
    optimiser = AdamW(parameter_groups(network, weight_decay), lr=lr)
    # OneCycleLR divides by zero when its rise is shorter than two steps.
    steps = max(total_steps, round(2 / WARM_UP))
    return optimiser, OneCycleLR(optimiser, max_lr=lr, total_steps=steps, pct_start=WARM_UP)


def moving_average(network: nn.Module, decay: float) -> AveragedModel:
    """Return an exponential moving average of weights and buffers; call `update_parameters` after each step.

    The decay rises with the number of steps to `decay`, or a short run would average in its random start.
    """

    def blend(average: Tensor, current: Tensor, n_averaged: Tensor | int) -> Tensor:
        n = int(n_averaged)
        return average + (1 - min(decay, (1 + n) / (10 + n))) * (current - average)

    return AveragedModel(network, avg_fn=blend, use_buffers=True)
