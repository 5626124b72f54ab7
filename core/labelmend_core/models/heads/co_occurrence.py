"""Which classes come together: a weighted graph of the classes from the labels."""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from labelmend_core.errors import InputError
from labelmend_core.types import PRESENT, LabelMatrix


def co_occurrence_adjacency(labels: LabelMatrix, threshold: float = 0.4, rho: float = 0.25) -> NDArray[np.float32]:
    """Return how much class i hears of class j, float32 (K, K); every row sums to 1, larger is more.

    Row i gives `rho` in equal parts to the classes j ≠ i with P(j present | i present) >= threshold, and
    1 - rho to i itself; a class with no such neighbour, or no positive at all, keeps 1 for itself.

    Args:
        labels: (N, K); 1 counts as present, -1 and 0 alike as not.
        threshold: in (0, 1]; larger gives fewer edges.
        rho: in [0, 1]; larger listens more to the neighbours.

    Raises:
        InputError: threshold or rho is out of range.

    Source: Chen et al., "Multi-Label Image Recognition with Graph Convolutional Networks", CVPR 2019,
    arXiv 1904.03582, the re-weighted correlation matrix. The authors' code divides by the sum of the column instead
    of the row and gives 1 to the class itself. A class without neighbours keeps 1 here, where the formula leaves
    1 - rho.

    Example:
        >>> labels = LabelMatrix.from_dense([[1, 1, 0], [1, 0, 0], [1, 1, 0], [1, 0, 0]])
        >>> co_occurrence_adjacency(labels, threshold=0.6).round(2).tolist()
        [[1.0, 0.0, 0.0], [0.25, 0.75, 0.0], [0.0, 0.0, 1.0]]
    """
    if not 0 < threshold <= 1:
        raise InputError(f"Expected a threshold of the co-occurrence in (0, 1], got {threshold}.")
    if not 0 <= rho <= 1:
        raise InputError(f"Expected a rho of the co-occurrence in [0, 1], got {rho}.")
    rows, columns, values = labels.cells()
    here = values == PRESENT
    shape = labels.shape
    present = sparse.csr_array((np.ones(int(here.sum()), np.int64), (rows[here], columns[here])), shape=shape)
    together = (present.T @ present).toarray(order="C")
    times = np.diagonal(together).copy()
    np.fill_diagonal(together, 0)
    # Compared without a division, so that a class without positives needs no exception: it has no neighbour.
    edges = (together >= threshold * times[:, None]) & (together > 0)
    n_neighbours = edges.sum(axis=1)
    adjacency: NDArray[np.float32] = edges * (rho / np.maximum(n_neighbours, 1)).astype(np.float32)[:, None]
    np.fill_diagonal(adjacency, np.where(n_neighbours > 0, 1 - rho, 1.0))
    return adjacency
