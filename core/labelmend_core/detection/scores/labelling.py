"""Score: what an image's labels say, by how labels came about."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from labelmend_core.detection.labelling import fit_labelling, share_wrong
from labelmend_core.types import PRESENT, UNOBSERVED, LabelMatrix

_EDGE = 1e-6


def labelling(
    opinion: NDArray[np.floating], labels: LabelMatrix, given: LabelMatrix | None = None
) -> NDArray[np.float32] | None:
    """Return the log-odds that each class is present, its own label considered, (N, K); None where nothing can be told.

    Of an unlabelled cell that is what it looks like against how often a present class of such an image is not
    labelled; of a labelled one, against how often an absent class is labelled by mistake (less those that only look so,
    see `share_wrong`). Cells that somebody saw to be absent keep the opinion.

    Args:
        opinion: (N, K) log-odds that each class is present, from models that have not seen the cell's label; NaN
            stays NaN.
        labels: (N, K), as they are now.
        given: as they were before anybody corrected them, when they differ: how labels came about shows in these. A
            review that has answered all that looks most like an error would look like annotators who miss nothing.

    Source: `labelmend_core.detection.labelling`.
    """
    known, others = ~np.isnan(opinion), number_of_others(opinion)
    first, now = (given or labels).dense(), labels.dense()
    found = fit_labelling(opinion, others, known & (first == PRESENT), known & (first == UNOBSERVED))
    if found is None:
        return None
    score = np.array(opinion, dtype=np.float32)
    present, unlabelled = known & (now == PRESENT), known & (now == UNOBSERVED)
    missing, spurious = (
        found.wrong(np.nonzero(cells)[1], opinion[cells], others[cells], labelled=cells is present)
        for cells in (unlabelled, present)
    )
    spurious *= share_wrong(len(spurious), spurious.sum())
    score[unlabelled] = logit(np.clip(missing, _EDGE, 1 - _EDGE))
    score[present] = -logit(np.clip(spurious, _EDGE, 1 - _EDGE))
    return score


def number_of_others(opinion: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return how many other classes each image is expected to show, (N, K).

    Example:
        >>> number_of_others(np.array([[0.0, 0.0, 40.0]]))
        array([[1.5, 1.5, 1. ]], dtype=float32)
    """
    p: NDArray[np.float32] = expit(np.asarray(opinion, dtype=np.float32))
    others: NDArray[np.float32] = p.sum(axis=1, keepdims=True) - p
    return others
