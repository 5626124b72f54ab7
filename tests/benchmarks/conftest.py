"""A problem that is small enough for every part of the detection benchmark."""

from collections.abc import Callable

import numpy as np
import pytest

from labelmend_app.benchmarks.detection.problem import Problem, plant
from labelmend_app.benchmarks.detection.session import MakeSession, maker
from labelmend_core.models import BackboneSpec
from labelmend_core.training import RunSettings, Schedule
from labelmend_core.types import LabelMatrix

N, V, F, K = 400, 80, 96, 4  # F: what timm's test_resnet gives


@pytest.fixture(scope="session")
def small_problem() -> Callable[[str], Problem]:
    """Return what makes a problem of a name: features that a linear head learns, labels dropped and planted."""

    def make(name: str = "planted 0") -> Problem:
        rng = np.random.default_rng(0)
        features = rng.normal(size=(N + V, F)).astype(np.float16)
        hidden = features[:, :10].astype(np.float32) @ rng.normal(size=(10, K))
        truth = LabelMatrix.from_dense((hidden > 1).astype(np.int8))
        rows = np.arange(N + V)
        settings = RunSettings(
            "probe",
            "bce",
            BackboneSpec("test_resnet", "random", image_size=32),
            Schedule(4, 1e-2, 0.1),
            batch_size=40,
            folds=3,
        )
        given = plant(truth.select(rows[:N]), 0)
        names = tuple("abcd")
        return Problem(name, features, given, truth.select(rows[:N]), truth.select(rows[N:]), names, settings)

    return make


@pytest.fixture(scope="session")
def make_session(tmp_path_factory: pytest.TempPathFactory) -> MakeSession:
    """Return what makes sessions, which keep nothing."""
    return maker(tmp_path_factory.mktemp("sessions"))
