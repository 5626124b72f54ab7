"""How good predictions are: average precision by class, CF1, OF1; higher is better.

An unobserved cell is either absent (labels that are annotated completely) or unknown, and then left out of every
metric (partial labels); `how_to_read_unobserved` is the one place that tells which.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from labelmend_core.errors import InputError
from labelmend_core.types import LabelMatrix

Unobserved = Literal["absent", "left_out"]
UnobservedChoice = Literal["auto", "absent", "left_out"]


class F1(NamedTuple):
    """CF1 (harmonic mean of class-averaged precision and recall) and OF1 (of the pooled cells), in [0, 1]."""

    cf1: float
    of1: float


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """The metrics of one evaluation; all in [0, 1], higher is better, NaN where undefined.

    Args:
        mean_average_precision: Over the classes that are not left out.
        average_precision: float64 (K,), NaN for classes left out.
        cf1: See `cf1_of1`.
        of1: See `cf1_of1`.
        left_out: Indices of the classes that have no average precision, ascending: nothing to rank.
    """

    mean_average_precision: float
    average_precision: NDArray[np.float64]
    cf1: float
    of1: float
    left_out: tuple[int, ...]


def how_to_read_unobserved(given_labels: LabelMatrix, choice: str = "auto") -> Unobserved:
    """Return what an unobserved cell of these labels is: "absent", or unknown and "left_out".

    By itself it is left out where the labels hold a verified negative: who writes down that a class is absent
    does so because elsewhere nobody knows. Labels without any are annotated completely, and 0 is absent.

    Args:
        given_labels: (N, K), as they were imported. Not corrected ones: a decision that rejects a suggestion is a
            verified negative, too, and does not make complete labels partial.
        choice: "auto" for that rule; "absent" or "left_out" is what somebody who knows better says.

    Raises:
        InputError: another choice.

    Example:
        >>> how_to_read_unobserved(LabelMatrix.from_dense([[1, 0, 0], [0, 1, 0]]))
        'absent'
        >>> how_to_read_unobserved(LabelMatrix.from_dense([[1, 0, -1], [0, 1, 0]]))
        'left_out'
    """
    if choice == "auto":
        return "left_out" if given_labels.negatives_per_class().any() else "absent"
    if choice not in get_args(Unobserved):
        raise InputError(f"Expected unobserved to be one of {', '.join(get_args(UnobservedChoice))}, got {choice!r}.")
    return "absent" if choice == "absent" else "left_out"


def evaluate(
    labels: NDArray[np.int8],
    scores: NDArray[np.floating],
    *,
    threshold: float = 0.5,
    unobserved: Unobserved = "absent",
) -> Evaluation:
    """Return all metrics of predictions against labels; higher is better.

    Args:
        labels: (N, K), 1 present, -1 absent, 0 unobserved.
        scores: (N, K), higher is more probably present; probabilities for `threshold` to make sense.
        threshold: A class counts as predicted where its score is above it.
        unobserved: What a 0 is: `"absent"` (complete annotation) or `"left_out"` of every metric.

    Raises:
        InputError: See `average_precision_per_class`.
    """
    average_precision = average_precision_per_class(labels, scores, unobserved=unobserved)
    f1 = cf1_of1(labels, scores, threshold, unobserved=unobserved)
    return Evaluation(
        mean_average_precision=_mean_of_defined(average_precision),
        average_precision=average_precision,
        cf1=f1.cf1,
        of1=f1.of1,
        left_out=tuple(np.flatnonzero(np.isnan(average_precision)).tolist()),
    )


def average_precision_per_class(
    labels: NDArray[np.int8], scores: NDArray[np.floating], *, unobserved: Unobserved = "absent"
) -> NDArray[np.float64]:
    """Return the average precision of every class, float64 (K,); higher is better, NaN where it is undefined.

    It is undefined for a class without a present cell, and never counted as 0. Where unobserved cells are left
    out it is undefined as well for a class without an absent one: among present cells alone any order scores 1.

    Args:
        labels: (N, K), 1 present, -1 absent, 0 unobserved.
        scores: (N, K), finite, higher is more probably present. Ties are one step of the curve.
        unobserved: What a 0 is: `"absent"` (complete annotation) or `"left_out"`.

    Raises:
        InputError: The shapes differ or are not (N, K), labels hold other values, or scores hold NaN or infinity.

    Example:
        >>> labels = np.array([[1, 0], [0, 0], [1, 0]], dtype=np.int8)
        >>> average_precision_per_class(labels, np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]])).round(4)
        array([0.8333,    nan])
    """
    _check(labels, scores, unobserved)
    average_precision = np.full(labels.shape[1], np.nan)
    for k in range(labels.shape[1]):
        present, score = labels[:, k] == 1, scores[:, k]
        if unobserved == "left_out":
            seen = labels[:, k] != 0
            present, score = present[seen], score[seen]
            if present.all():
                continue
        if present.any():
            average_precision[k] = average_precision_score(present, score)
    return average_precision


def cf1_of1(
    labels: NDArray[np.int8],
    scores: NDArray[np.floating],
    threshold: float = 0.5,
    *,
    unobserved: Unobserved = "absent",
) -> F1:
    """Return CF1 and OF1 of the predictions `scores > threshold`; higher is better.

    CF1 is 2·CP·CR / (CP + CR) of the precision CP and recall CR averaged over the classes with a present cell; a
    class never predicted has precision 0. OF1 pools all cells of all classes.

    Args:
        labels: (N, K), 1 present, -1 absent, 0 unobserved.
        scores: (N, K), higher is more probably present.
        threshold: In the unit of the scores.
        unobserved: What a 0 is: `"absent"` (complete annotation) or `"left_out"`.

    Returns:
        Both in [0, 1], NaN if no cell is present.

    Raises:
        InputError: See `average_precision_per_class`.
    """
    _check(labels, scores, unobserved)
    return _f1_of(labels, scores > threshold, unobserved)


def cf1_of1_top(
    labels: NDArray[np.int8],
    scores: NDArray[np.floating],
    k: int = 3,
    threshold: float | None = None,
    *,
    unobserved: Unobserved = "absent",
) -> F1:
    """Return CF1 and OF1 where the k classes with the highest scores of each image are the predicted ones.

    Higher is better. Papers mean two different things by "top-3": Gong et al. annotate every image with k classes;
    the code of Chen et al., and of those who took it over, with those of the k whose probability reaches 0.5. Give
    a threshold for the latter.

    Args:
        labels: (N, K), 1 present, -1 absent, 0 unobserved.
        scores: (N, K), higher is more probably present. Of equal scores the lower class index goes first.
        k: Classes predicted for an image, at least 1; K where there are fewer.
        threshold: A class is only predicted where its score is above it, too; None predicts k for every image.
        unobserved: What a 0 is: `"absent"` (complete annotation) or `"left_out"`: then a prediction for an
            unobserved cell is not judged, and takes one of the k places all the same.

    Returns:
        Both in [0, 1], NaN if no cell is present.

    Raises:
        InputError: See `average_precision_per_class`; or `k` is less than 1.

    Source:
        Gong et al. 2013, "Deep Convolutional Ranking for Multilabel Image Annotation", arXiv:1312.4894; Chen et al.
        2019, "Multi-Label Image Recognition with Graph Convolutional Networks", arXiv:1904.03582, by the authors'
        code (`overall_topk`). Deviations: CF1 averages over the classes with a present cell, their code over all;
        a score at the threshold is not predicted here.

    Example:
        >>> labels = np.array([[1, 0, 0, 1]], dtype=np.int8)
        >>> scores = np.array([[0.9, 0.2, 0.1, 0.4]])
        >>> cf1_of1_top(labels, scores, k=3).of1, round(cf1_of1_top(labels, scores, 3, 0.5).of1, 4)
        (0.8, 0.6667)
    """
    _check(labels, scores, unobserved)
    if k < 1:
        raise InputError(f"Expected at least 1 class predicted for an image, got {k}.")
    predicted = np.zeros(labels.shape, dtype=bool)
    np.put_along_axis(predicted, np.argsort(-scores, axis=1, kind="stable")[:, :k], True, axis=1)
    if threshold is not None:
        predicted &= scores > threshold
    return _f1_of(labels, predicted, unobserved)


def _f1_of(labels: NDArray[np.int8], predicted: NDArray[np.bool_], unobserved: Unobserved) -> F1:
    present = labels == 1
    if unobserved == "left_out":
        predicted = predicted & (labels != 0)
    hits = (predicted & present).sum(axis=0)
    predictions, positives = predicted.sum(axis=0), present.sum(axis=0)
    judged = positives > 0
    if not judged.any():
        return F1(np.nan, np.nan)
    precision = (hits[judged] / np.maximum(predictions[judged], 1)).mean()
    recall = (hits[judged] / positives[judged]).mean()
    cf1 = 2.0 * precision * recall / (precision + recall) if hits.any() else 0.0
    return F1(float(cf1), float(2.0 * hits.sum() / (predictions.sum() + positives.sum())))


def _mean_of_defined(average_precision: NDArray[np.float64]) -> float:
    defined = average_precision[~np.isnan(average_precision)]
    return float(defined.mean()) if defined.size else np.nan


def _check(labels: NDArray[np.int8], scores: NDArray[np.floating], unobserved: str) -> None:
    if labels.ndim != 2 or labels.shape != scores.shape:
        raise InputError(
            f"Expected labels and scores of one shape (N, K), got labels {labels.shape} and scores {scores.shape}."
        )
    if not ((labels >= -1) & (labels <= 1) & (labels == np.trunc(labels))).all():
        raise InputError("Expected labels to be 1 (present), -1 (absent) or 0 (unobserved), got other values.")
    if unobserved not in get_args(Unobserved):
        raise InputError(f"Expected unobserved to be 'absent' or 'left_out', got {unobserved!r}.")
    if not np.isfinite(scores).all():
        raise InputError("Expected finite scores, got NaN or infinity; did the training diverge?")
