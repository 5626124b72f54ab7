"""Simulated sessions: the interval of what remains holds the truth, for a reviewer who errs as well."""

import numpy as np
import pandas as pd
import pytest

from labelmend_app.benchmarks.detection.stopping import REVIEWERS, stopping_rows
from labelmend_core.types import Kind, LabelMatrix

N, K = 1500, 6


@pytest.fixture(scope="module")
def problem() -> tuple[LabelMatrix, LabelMatrix, pd.DataFrame]:
    """Labels with a third of them dropped, and error probabilities that are too low by half in odds."""
    rng = np.random.default_rng(0)
    truth = rng.random((N, K)) < rng.uniform(0.05, 0.3, K)
    given = truth & (rng.random((N, K)) > 0.35)
    score = np.where(truth, 2.0, -2.0) + rng.normal(0, 1.5, (N, K))
    images, classes = np.nonzero(~given)
    odds = (truth & ~given).sum() / (~truth).sum() * np.exp(4 / 1.5**2 * score[images, classes])
    frame = pd.DataFrame({"image_index": images, "class_index": classes, "kind": Kind.MISSING.value})
    frame["error_probability"] = 0.5 * odds / (1 + 0.5 * odds)
    frame = frame.sort_values("error_probability", ascending=False, ignore_index=True)
    frame["rank"] = np.arange(1, len(frame) + 1)
    return LabelMatrix.from_dense(given.astype(int)), LabelMatrix.from_dense(truth.astype(int)), frame


@pytest.mark.parametrize("by_class", [False, True], ids=["best first", "class by class"])
def test_the_interval_covers_the_truth_whoever_answers(
    problem: tuple[LabelMatrix, LabelMatrix, pd.DataFrame], by_class: bool
) -> None:
    rows = stopping_rows(*problem, sessions=6, checkpoints=(400,), by_class=by_class)
    assert {row["reviewer"] for row in rows} == set(REVIEWERS)
    for name in REVIEWERS:
        of_reviewer = [row for row in rows if row["reviewer"] == name]
        covered = np.average([row["covered"] for row in of_reviewer], weights=[row["sessions"] for row in of_reviewer])
        assert covered >= 0.6  # of six; .88 of 24
        assert max(row["relative_width"] for row in of_reviewer) < 3
