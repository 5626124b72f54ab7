"""What others order cells by, all on the same out-of-sample probabilities.

Each returns a suspicion (N, K), higher = more likely an error of its cell's kind: a missing label where the cell is
not given as present, a spurious one where it is. NaN where the method says nothing.
"""

from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]
BoolArray = NDArray[np.bool_]
Baseline = Callable[[BoolArray, FloatArray], FloatArray]
_TAU = 0.6  # SPLC's


def distance(present: BoolArray, pred_probs: FloatArray) -> FloatArray:
    """Return |y - p|, in [0, 1]."""
    return np.where(present, 1 - pred_probs, pred_probs)


def self_confidence(present: BoolArray, pred_probs: FloatArray) -> FloatArray:
    """Return 1 - cleanlab's score of each cell.

    Source:
        Northcutt et al. 2021, arXiv:1911.00068; cleanlab's `get_label_quality_scores_per_class`.
    """
    return _cleanlab(present, pred_probs, adjusted=False)


def adjusted_self_confidence(present: BoolArray, pred_probs: FloatArray) -> FloatArray:
    """Return 1 - cleanlab's score of each cell after it has levelled the classes' confidence."""
    return _cleanlab(present, pred_probs, adjusted=True)


def mistakenness(present: BoolArray, pred_probs: FloatArray) -> FloatArray:
    """Return FiftyOne's mistakenness of each cell, in [0, 1].

    (m c + 1) / 2 with m = 1 where the prediction contradicts the label and -1 where it agrees, and the confidence
    c = exp(-entropy of the prediction).
    """
    p = np.clip(pred_probs.astype(np.float64), 1e-12, 1 - 1e-12)
    confidence = np.exp(p * np.log(p) + (1 - p) * np.log1p(-p))
    contradicts = np.where((p > 0.5) != present, 1.0, -1.0)
    return (contradicts * confidence + 1) / 2


def splc_flag(present: BoolArray, pred_probs: FloatArray) -> FloatArray:
    """Return p of the cells that SPLC would relabel, p > .6, and 0 of all others; it knows no spurious labels.

    Source:
        Zhang et al. 2021, arXiv:2112.07368, equation 7.
    """
    return np.where(present, np.nan, np.where(pred_probs > _TAU, pred_probs, 0.0))


BASELINES: dict[str, Baseline] = {
    "|y − p|": distance,
    "cleanlab, self-confidence": self_confidence,
    "cleanlab, adjusted": adjusted_self_confidence,
    "FiftyOne, mistakenness": mistakenness,
    "SPLC's flag": splc_flag,
}
NEEDS_CLEANLAB = {"cleanlab, self-confidence", "cleanlab, adjusted"}


def has_cleanlab() -> bool:
    """Return whether cleanlab is installed; it comes with `pip install 'labelmend[benchmark]'`."""
    return find_spec("cleanlab") is not None


def cleanlab_counts(present: BoolArray, pred_probs: FloatArray) -> tuple[float, float]:
    """Return how many missing and how many spurious labels cleanlab's confident joint counts."""
    from cleanlab.count import compute_confident_joint

    joint = compute_confident_joint(_lists(present), pred_probs.astype(np.float64), multi_label=True)
    return float(joint[:, 0, 1].sum()), float(joint[:, 1, 0].sum())


def _cleanlab(present: BoolArray, pred_probs: FloatArray, *, adjusted: bool) -> FloatArray:
    from cleanlab.multilabel_classification.rank import get_label_quality_scores_per_class

    scores = get_label_quality_scores_per_class(
        _lists(present), pred_probs.astype(np.float64), method="self_confidence", adjust_pred_probs=adjusted
    )
    suspicion: FloatArray = 1 - np.asarray(scores).reshape(pred_probs.shape)
    return suspicion


def _lists(present: BoolArray) -> list[list[int]]:
    return [np.flatnonzero(row).tolist() for row in present]
