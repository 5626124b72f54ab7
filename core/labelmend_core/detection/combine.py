"""All scores of the cells, and how they become one, for each kind of error.

The weights are fixed, and were chosen on the cases of `labelmend bench detection`. Weights that are learned from
planted drops (logistic regression of hidden present cells against unlabelled cells, weighted by how sure they are to
be absent, cross-fitted, drawn to the fixed weights) were tried on coco18's four lists and found no more missing labels
on any: among the most suspicious cells, which an order is about, unlabelled and hidden cells are the same thing, and
the fit is decided by the easy rest.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from labelmend_core.detection.scores import (
    expected_others,
    kernel_machine,
    labelling,
    neighbours,
    other_labels,
    out_of_sample,
    probability,
    training_dynamics,
)
from labelmend_core.types import PRESENT, Dynamics, Kind, LabelMatrix

Scores = dict[str, NDArray[np.float32]]

# Say that a class is present; their mean is the core.
OPINIONS = ("out_of_sample", "training_dynamics", "neighbours", "kernel_machine")
# Added to it. How labels came about says more of missing labels than of spurious ones.
CONTEXT = {
    Kind.MISSING: {"labelling": 0.5, "expected_others": 0.25},
    Kind.SPURIOUS: {"labelling": 0.25, "expected_others": 0.5, "other_labels": 0.25},
}
NAMES = (*OPINIONS, "labelling", "other_labels", "expected_others")
# Where p has seen the labels, so that nothing can be told of how they came about.
_IN_SAMPLE = {"expected_others": 0.5, "other_labels": 0.25}


def scores_of(
    labels: LabelMatrix,
    pred_probs: NDArray[np.floating],
    dynamics: Dynamics | None = None,
    embeddings: NDArray[np.floating] | None = None,
    *,
    given: LabelMatrix | None = None,
    in_sample: bool = False,
) -> Scores:
    """Return every score that there is evidence for, by name, each (N, K) float32; NaN where p is.

    Args:
        labels: (N, K), as they are now.
        pred_probs: (N, K) in [0, 1], each row from a model that has not seen the image.
        dynamics: what was recorded of each cell in training. It has seen the cell's own label, so it only orders.
        embeddings: (N, n_features) of the images; then the time grows with N squared.
        given: (N, K), as they were before anybody corrected them, when they differ.
        in_sample: whether p comes from models that have seen the labels.
    """
    found: Scores = {"out_of_sample": out_of_sample(pred_probs)}
    if embeddings is not None:
        present = labels.dense() == PRESENT
        found["neighbours"] = neighbours(pred_probs, embeddings)
        expected = np.where(present & ~np.isnan(pred_probs), np.float32(1), pred_probs)
        found["kernel_machine"] = kernel_machine(expected, embeddings)
    opinion = mean_opinion(found)
    if not in_sample and (by_labels := labelling(opinion, labels, given)) is not None:
        found["labelling"] = by_labels
    p = probability(opinion)
    found["other_labels"] = other_labels(p, labels)
    found["expected_others"] = expected_others(p)
    if dynamics is not None:
        found["training_dynamics"] = training_dynamics(dynamics.mean)
    return found


def weights_of(scores: Mapping[str, object], kind: Kind) -> dict[str, float]:
    """Return what each of the scores weighs in the sum for one kind of error; one that weighs nothing is left out.

    Example:
        >>> weights_of({"out_of_sample": None, "neighbours": None, "other_labels": None}, Kind.SPURIOUS)
        {'out_of_sample': 0.5, 'neighbours': 0.5, 'other_labels': 0.25}
    """
    opinions = [name for name in OPINIONS if name in scores]
    context = CONTEXT[kind] if "labelling" in scores else _IN_SAMPLE
    return {name: 1 / len(opinions) for name in opinions} | {n: w for n, w in context.items() if n in scores}


def combine(scores: Mapping[str, NDArray[np.float32]], kind: Kind) -> NDArray[np.float32]:
    """Return the weighted sum of scores for one kind of error, (N, K), higher = more likely present.

    The mean in log-odds is the product of experts (Hinton 2002): a cell ranks high only when no score speaks
    strongly against it.

    Args:
        scores: at least one of `OPINIONS`, each (N, K).
        kind: of error.

    Example:
        >>> scores = {"out_of_sample": np.float32([[2.0]]), "neighbours": np.float32([[-1.0]])}
        >>> combine(scores, Kind.MISSING).tolist()
        [[0.5]]
    """
    weights = weights_of(scores, kind)
    total = np.zeros(next(iter(scores.values())).shape, dtype=np.float32)
    for name, weight in weights.items():
        total += np.float32(weight) * scores[name]
    return total


def mean_opinion(scores: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return the mean of `OPINIONS`, (N, K) log-odds."""
    mean: NDArray[np.float32] = np.mean([scores[name] for name in OPINIONS if name in scores], axis=0, dtype=np.float32)
    return mean
