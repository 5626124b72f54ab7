"""Average precision of finding erroneous cells: against loops, and what is not ranked."""

import numpy as np
import pytest

from labelmend_core.cell_precision import cell_average_precision
from labelmend_core.errors import InputError


@pytest.mark.parametrize("seed", range(3))
def test_cell_average_precision_equals_loops(seed, average_precision_by_loops) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.permutation(200).reshape(40, 5) / 200
    is_error = rng.random((40, 5)) < 0.2
    is_error[:, 3] = False  # a class without an error has no place in the macro mean
    among = rng.random((40, 5)) < 0.7
    micro, macro = cell_average_precision(is_error, scores, among)
    assert micro == pytest.approx(average_precision_by_loops(is_error[among].tolist(), scores[among].tolist()))
    by_class = []
    for k in (0, 1, 2, 4):
        cells = among[:, k]
        by_class.append(average_precision_by_loops(is_error[cells, k].tolist(), scores[cells, k].tolist()))
    assert macro == pytest.approx(np.mean(by_class))


def test_errors_and_scores_outside_the_ranked_cells_do_not_matter() -> None:
    # The only error of the last class lies outside, so that the class has no place in the macro mean.
    is_error = np.array([[True, False, True], [True, False, False]])
    among = np.array([[True, True, False], [False, True, True]])
    scores = np.array([[0.5, 0.1, 0.7], [np.nan, 0.9, 0.2]])
    assert cell_average_precision(is_error, scores, among) == (0.5, 1.0)


def test_without_an_error_among_the_cells_there_is_no_precision() -> None:
    is_error, nowhere = np.ones((2, 2), dtype=bool), np.zeros((2, 2), dtype=bool)
    assert np.isnan(cell_average_precision(is_error, np.zeros((2, 2)), nowhere)).all()
    assert np.isnan(cell_average_precision(nowhere, np.zeros((2, 2)), is_error)).all()


def test_bad_cells_are_named() -> None:
    cells = np.zeros((2, 2), dtype=bool)
    with pytest.raises(InputError, match=r"\(2, 2\), \(2, 1\) and \(2, 2\)"):
        cell_average_precision(cells, np.zeros((2, 1)), cells)
    with pytest.raises(InputError, match="bool is_error and among, got int8 and bool"):
        cell_average_precision(cells.astype(np.int8), np.zeros((2, 2)), cells)
    with pytest.raises(InputError, match="finite scores"):
        cell_average_precision(cells, np.full((2, 2), np.inf), ~cells)
