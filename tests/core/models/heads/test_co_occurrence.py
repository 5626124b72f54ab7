"""Which classes hear of one another, beside naive loops."""

import numpy as np
import pytest

from labelmend_core.errors import InputError
from labelmend_core.models import co_occurrence_adjacency
from labelmend_core.types import LabelMatrix


def _by_loops(dense: np.ndarray, threshold: float, rho: float) -> np.ndarray:
    k = dense.shape[1]
    adjacency = np.zeros((k, k))
    for i in range(k):
        carriers = [row for row in dense if row[i] == 1]
        neighbours = []
        for j in range(k):
            together = sum(row[j] == 1 for row in carriers)
            if j != i and carriers and together / len(carriers) >= threshold:
                neighbours.append(j)
        for j in neighbours:
            adjacency[i, j] = rho / len(neighbours)
        adjacency[i, i] = 1 - rho if neighbours else 1
    return adjacency


def _labels(seed: int) -> np.ndarray:
    dense = np.random.default_rng(seed).integers(-1, 2, (40, 9))
    dense[:, 4] = np.where(dense[:, 4] == 1, 0, dense[:, 4])  # never present
    dense[:, 5] = np.where(dense[:, 6] == 1, 1, dense[:, 5])
    return dense


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("threshold", "rho"), [(0.4, 0.25), (0.3, 1.0), (1.0, 0.5), (0.2, 0.0)])
def test_the_graph_is_that_of_naive_loops(seed, threshold, rho) -> None:
    dense = _labels(seed)
    found = co_occurrence_adjacency(LabelMatrix.from_dense(dense), threshold, rho)
    np.testing.assert_allclose(found, _by_loops(dense, threshold, rho), atol=1e-7)


def test_every_row_sums_to_one_and_none_is_nan() -> None:
    for labels in (LabelMatrix.from_dense(_labels(0)), LabelMatrix.empty((5, 3)), LabelMatrix.empty((0, 3))):
        found = co_occurrence_adjacency(labels)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)


def test_a_class_without_positives_is_alone() -> None:
    found = co_occurrence_adjacency(LabelMatrix.from_dense(_labels(0)), 0.1)
    np.testing.assert_array_equal(found[4], np.eye(9)[4])
    np.testing.assert_array_equal(found[:, 4], np.eye(9)[4])


def test_an_implied_class_is_heard_of_in_one_direction() -> None:
    # Every dog lies on a sofa, few sofas carry a dog.
    found = co_occurrence_adjacency(LabelMatrix.from_dense([[1, 1], [0, 1], [0, 1], [0, 1]]))
    assert found.tolist() == [[0.75, 0.25], [0.0, 1.0]]


def test_renaming_the_classes_renames_the_graph() -> None:
    dense, order = _labels(1), np.random.default_rng(2).permutation(9)
    found = co_occurrence_adjacency(LabelMatrix.from_dense(dense[:, order]))
    expected = co_occurrence_adjacency(LabelMatrix.from_dense(dense))[np.ix_(order, order)]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("threshold", "rho"), [(0.0, 0.5), (1.1, 0.5), (float("nan"), 0.5), (0.4, -0.1), (0.4, 2)])
def test_values_out_of_range_are_refused(threshold, rho) -> None:
    with pytest.raises(InputError, match="of the co-occurrence in"):
        co_occurrence_adjacency(LabelMatrix.empty((2, 2)), threshold, rho)
