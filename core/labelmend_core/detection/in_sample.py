"""Candidates of a run whose probabilities have seen the labels: judged by labels that it was deceived about."""

import numpy as np
from numpy.typing import NDArray

from labelmend_core.detection.combine import Scores, combine
from labelmend_core.detection.rank import Candidates, Mask, compared
from labelmend_core.types import ABSENT, PRESENT, IntArray, Kind, LabelMatrix

Cells = tuple[IntArray, IntArray]


def judge_in_sample(labels: LabelMatrix, scores: Scores, planted: Cells, added: Cells) -> list[Candidates]:
    """Return what `judge` does, for scores of a network that has seen the labels and repeats them.

    Args:
        labels: (N, K), as given.
        scores: of every cell, `scores_of(…, in_sample=True)`.
        planted: image and class indices of the present cells that training did not see: they look as missing labels do.
        added: image and class indices of the unobserved cells that training took as present: they look as spurious
            labels do.
    """
    known, given = ~np.isnan(scores["out_of_sample"]), labels.dense()
    present, absent = known & (given == PRESENT), known & (given == ABSENT)
    unobserved = known & ~present & ~absent
    hidden, wrong = _mask(planted, known), _mask(added, known)
    seen = {kind: combine(scores, kind) for kind in Kind}
    seen[Kind.SPURIOUS] = _beside_its_class(seen[Kind.SPURIOUS], present & ~hidden & ~wrong)
    error_like = {
        Kind.MISSING: seen[Kind.MISSING][hidden if hidden.any() else present],
        Kind.SPURIOUS: seen[Kind.SPURIOUS][wrong if wrong.any() else known & ~present],
    }
    order = {
        kind: _as_if_untouched(_as_if_untouched(score, present, hidden), unobserved, wrong)
        for kind, score in seen.items()
    }
    return compared(order, (unobserved, absent, present), error_like)


def _beside_its_class(score: NDArray[np.float32], peers: Mask) -> NDArray[np.float32]:
    """Return the score less the median of the labelled cells of each class.

    A class that the network has hardly learned scores low where it is labelled, right or wrong: so a low score says
    nothing but where the others of its class score higher.
    """
    middle = np.zeros(score.shape[1], dtype=np.float32)
    for k in np.flatnonzero(peers.any(axis=0)):
        middle[k] = np.median(score[peers[:, k], k])
    return score - middle


def _mask(cells: Cells, known: Mask) -> Mask:
    mask = np.zeros_like(known)
    mask[cells] = known[cells]
    return mask


def _as_if_untouched(score: NDArray[np.float32], peers: Mask, changed: Mask) -> NDArray[np.float32]:
    """Return the score with that of cells whose label was changed moved by what this did to them in the median."""
    peers = peers & ~changed
    if not peers.any() or not changed.any():
        return score
    moved = score.copy()
    moved[changed] += np.median(score[peers]) - np.median(score[changed])
    return moved
