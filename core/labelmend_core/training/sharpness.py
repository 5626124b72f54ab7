"""Sharpness-aware minimisation: the gradient is taken where the loss is worst nearby."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextmanager
def ascended(network: nn.Module, rho: float) -> Iterator[None]:
    """Move the weights up their gradient by `rho` (in the 2-norm over all of them), and back at the end.

    Compute the gradients that the optimiser is to follow within the block; batch norms do not count its batch a
    second time.

    Args:
        network: with gradients.
        rho: length of the move, ≥ 0.

    Source: Foret et al. 2021, "Sharpness-Aware Minimization for Efficiently Improving Generalization", arXiv
    2010.01412, equation 2; the papers that use it with AAM take rho = .05.
    """
    moved = [(parameter, parameter.grad) for parameter in network.parameters() if parameter.grad is not None]
    norms = [norm[1] for norm in network.named_modules() if isinstance(norm[1], _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    steps = _steps([gradient for _, gradient in moved], rho)
    with torch.no_grad():
        before = [parameter.clone() for parameter, _ in moved]
        for (parameter, _), step in zip(moved, steps, strict=True):
            parameter.add_(step)
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        with torch.no_grad():
            # A copy, since x + e - e is not x in floating point.
            for (parameter, _), weights in zip(moved, before, strict=True):
                parameter.copy_(weights)


def _steps(gradients: list[Tensor], rho: float) -> list[Tensor]:
    if not gradients:
        return []
    norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(gradient) for gradient in gradients]))
    return [gradient * (rho / norm.clamp_min(1e-12)) for gradient in gradients]
