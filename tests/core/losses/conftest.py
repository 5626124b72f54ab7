"""The loss values that the public implementations gave, kept beside the repository."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor


@dataclass(frozen=True)
class Golden:
    """One run of a public implementation: its input, loss and gradient, and what it was run with."""

    name: str
    logits: Tensor
    targets: Tensor
    loss: float
    gradient: Tensor
    cells: Tensor | None
    hp: dict[str, Any]

    @property
    def tolerance(self) -> dict[str, float]:
        """How closely the run can be met: the float32 runs carry the rounding of their own steps."""
        if self.logits.dtype == torch.float64:
            return {"rtol": 1e-6, "atol": 1e-12}
        return {"rtol": 1e-5, "atol": 2e-6}


def _read(path: Path) -> Golden:
    with np.load(path) as arrays:
        inputs = "cosines" if "cosines" in arrays else "logits"
        targets = next(arrays[key] for key in ("targets", "label_vec_obs", "targets_idx") if key in arrays)
        return Golden(
            name=path.stem,
            logits=torch.from_numpy(arrays[inputs]),
            targets=torch.from_numpy(targets),
            loss=float(arrays["loss"].sum()),  # where it is per image, the gradient is that of the sum
            gradient=torch.from_numpy(arrays[f"grad_{inputs}"]),
            cells=torch.from_numpy(arrays["loss_elementwise"]) if "loss_elementwise" in arrays else None,
            hp=json.loads(arrays["hp"].item()),
        )


@pytest.fixture(scope="session")
def goldens(shared_dir: Path) -> Callable[[str], list[Golden]]:
    """Return all runs whose file name starts with a family's name."""

    def read_family(family: str) -> list[Golden]:
        paths = sorted((shared_dir / "goldens").glob(f"{family}_*.npz"))
        assert paths, f"no golden file of family {family}"
        return [_read(path) for path in paths]

    return read_family


@pytest.fixture(scope="session")
def golden_arrays(shared_dir: Path) -> Callable[[str], dict[str, Any]]:
    """Return the arrays of one run, for runs of another form than a loss of logits and targets."""

    def read(name: str) -> dict[str, Any]:
        with np.load(shared_dir / "goldens" / f"{name}.npz") as arrays:
            return dict(arrays)

    return read


@pytest.fixture(scope="session")
def loss_and_gradient() -> Callable[..., tuple[Tensor, Tensor]]:
    """Return a call that gives the loss and the gradient of its sum in the logits."""

    def call(loss: torch.nn.Module, logits: Tensor, targets: Tensor, epoch: int = 0) -> tuple[Tensor, Tensor]:
        logits = logits.detach().clone().requires_grad_()
        value = loss(logits, targets, epoch)
        (gradient,) = torch.autograd.grad(value.sum(), logits)
        return value.detach(), gradient

    return call
