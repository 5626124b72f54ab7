"""A problem with known errors that a small network learns in a second."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
import torch

N, K, FEATURES = 600, 4, 16


@dataclass(frozen=True)
class Problem:
    """Features, labels with errors, and where the errors are."""

    features: torch.Tensor
    given: torch.Tensor
    missing: np.ndarray
    spurious: np.ndarray

    def hits(self, issues: pd.DataFrame, kind: str, n: int) -> float:
        """Return the share of real errors among the n likeliest of a kind."""
        best = issues[issues["kind"] == kind].head(n)
        mask = {"missing": self.missing, "spurious": self.spurious}[kind]
        return float(mask[best["image"].to_numpy(int), best["class"].to_numpy(int)].mean())


@pytest.fixture(scope="session")
def problem() -> Problem:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(N, FEATURES))
    present = features @ rng.normal(size=(FEATURES, K)) > 2
    missing = present & (rng.random((N, K)) < 0.3)
    spurious = ~present & (rng.random((N, K)) < 0.02)
    given = torch.from_numpy(((present & ~missing) | spurious).astype(np.int8))
    return Problem(torch.from_numpy(features).float(), given, missing, spurious)


@pytest.fixture(scope="session")
def new_network() -> Callable[[], torch.nn.Module]:
    """Return a call that makes the same network each time."""

    def make() -> torch.nn.Module:
        torch.manual_seed(0)
        return torch.nn.Linear(FEATURES, K)

    return make
