"""Every cell that may be an error, in little room, says what the ranked rows of the same cells say."""

import numpy as np
import pandas as pd
import pytest

from labelmend_core.detection.audit import draw_audit, frame_of
from labelmend_core.detection.combine import scores_of
from labelmend_core.detection.rank import Candidates, judge, ranked
from labelmend_core.types import LabelMatrix

N, K = 300, 4
CELL = ["image_index", "class_index", "kind"]


@pytest.fixture
def candidates() -> list[Candidates]:
    """Of labels of all three values, a third dropped; one image could not be read."""
    rng = np.random.default_rng(0)
    truth = rng.random((N, K)) < 0.3
    given = np.where(truth & (rng.random((N, K)) < 0.7), 1, 0)
    given[(given == 0) & ~truth & (rng.random((N, K)) < 0.2)] = -1
    p = 1 / (1 + np.exp(-rng.normal(np.where(truth, 1, -2), 1)))
    p[7] = np.nan
    labels = LabelMatrix.from_dense(given.astype(np.int8))
    return judge(labels, scores_of(labels, p.astype(np.float32)))


def _every(candidates: list[Candidates]) -> pd.DataFrame:
    return pd.concat([found.every() for found in candidates], ignore_index=True)


def test_every_cell_is_there_once_with_the_probability_that_it_is_ranked_by(candidates: list[Candidates]) -> None:
    every, rows = _every(candidates).astype({"kind": "str"}), ranked(candidates, 0)
    assert len(every) == (N - 1) * K
    both = every.merge(rows, on=CELL, suffixes=("", "_ranked"), validate="one_to_one")
    assert len(both) == len(every)
    np.testing.assert_array_equal(both["error_probability"], both["error_probability_ranked"])


def test_a_least_probability_leaves_the_head_of_each_kind(candidates: list[Candidates]) -> None:
    rows = ranked(candidates, 0)
    likely = rows[rows["error_probability"] >= 0.3].reset_index(drop=True)
    assert 0 < len(likely) < len(rows)
    pd.testing.assert_frame_equal(ranked(candidates, 0.3), likely)


def test_the_sample_of_cells_in_little_room_is_that_of_ordinary_rows(candidates: list[Candidates]) -> None:
    every = _every(candidates)
    plain = every.astype({"image_index": np.int64, "class_index": np.int64, "kind": "str"})
    pd.testing.assert_frame_equal(draw_audit(every, 40, seed=3), draw_audit(plain, 40, seed=3))
    np.testing.assert_array_equal(frame_of(every, (N, K)).codes, frame_of(plain, (N, K)).codes)
