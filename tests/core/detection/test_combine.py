import numpy as np
import pytest

from labelmend_core.detection import find_label_issues
from labelmend_core.detection.combine import NAMES, combine, scores_of
from labelmend_core.detection.rank import judge, ranked, with_contributions
from labelmend_core.types import Kind, LabelMatrix


@pytest.fixture
def cells() -> tuple[LabelMatrix, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    truth = rng.random((400, 5)) < 0.3
    given = truth & (rng.random(truth.shape) < 0.6)
    embeddings = truth @ rng.normal(size=(5, 12)) + 0.3 * rng.normal(size=(400, 12))
    p = 1 / (1 + np.exp(-rng.normal(np.where(truth, 1, -2), 1)))
    return LabelMatrix.from_dense(given.astype(np.int8)), p.astype(np.float32), embeddings.astype(np.float32)


def test_the_contributions_of_a_suggestion_add_up_to_its_suspicion(cells):
    labels, p, embeddings = cells
    scores = scores_of(labels, p, None, embeddings)
    found = with_contributions(ranked(judge(labels, scores), 0), scores)
    names = [name for name in NAMES if name in found]
    assert {"neighbours", "kernel_machine", "labelling"} < set(names)
    quality = found["label_quality"].to_numpy()
    np.testing.assert_allclose(found[names].sum(axis=1), np.log(1 / quality - 1), atol=1e-3)


def test_an_opinion_that_is_missing_leaves_its_weight_to_the_others(cells):
    labels, p, _ = cells
    alone = scores_of(labels, p)
    assert set(alone) == {"out_of_sample", "labelling", "other_labels", "expected_others"}
    only = combine({"out_of_sample": alone["out_of_sample"]}, Kind.MISSING)
    np.testing.assert_allclose(only, alone["out_of_sample"])


def test_verified_negatives_do_not_share_the_probability_of_unobserved_cells(cells):
    """Of the cells that somebody saw to be absent none is wrong here; a few score as high as a missing label."""
    labels, p, embeddings = cells
    truth_absent = p < 0.5
    rows, columns = np.nonzero(truth_absent & (labels.dense() == 0))
    chosen = slice(None, None, 2)
    verified = labels.replace(rows[chosen], columns[chosen], np.full(len(rows[chosen]), -1, dtype=np.int8))
    found = ranked(judge(verified, scores_of(verified, p, None, embeddings)), 0)
    missing = found[found["kind"] == "missing"]
    negative = verified.values(missing["image_index"], missing["class_index"]) == -1
    assert missing.loc[negative, "error_probability"].sum() < 0.3 * missing.loc[~negative, "error_probability"].sum()


def test_a_public_call_with_embeddings_says_the_same_as_the_ranking_of_cells(cells):
    labels, p, embeddings = cells
    found = find_label_issues(labels, p, embeddings=embeddings, min_probability=0)
    cells = ranked(judge(labels, scores_of(labels, p, None, embeddings)), 0)
    np.testing.assert_array_equal(found["image"], cells["image_index"])
    np.testing.assert_array_equal(found["error_probability"], cells["error_probability"])
