"""Suggestions: which cells look wrong, missing and spurious ranked apart."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from labelmend_core.detection.calibrate import calibrate
from labelmend_core.detection.combine import combine
from labelmend_core.detection.scores import neighbours, out_of_sample, training_dynamics
from labelmend_core.errors import InputError
from labelmend_core.types import PRESENT, Dynamics, IntArray, Kind, LabelMatrix

COLUMNS = ["image", "class", "kind", "label_quality", "error_probability", "low", "high", "rank"]


def find_label_issues(
    given_labels: LabelMatrix | ArrayLike,
    pred_probs: NDArray[np.floating],
    *,
    class_names: Sequence[str] | None = None,
    image_ids: Sequence[str] | None = None,
    embeddings: NDArray[np.floating] | None = None,
    dynamics: Dynamics | None = None,
    min_probability: float = 0.5,
) -> pd.DataFrame:
    """Return the cells that look wrong, the most likely error of each kind first, missing before spurious.

    Args:
        given_labels: (N, K), 1 present, -1 absent, 0 unobserved.
        pred_probs: (N, K) in [0, 1], each row from a model that was not trained on that image.
        class_names: length K; class indices where not given.
        image_ids: length N; image indices where not given.
        embeddings: (N, n_features) of the same images, finite; then the nearest images count, too.
        dynamics: what was recorded of each cell during training, when there is such a record.
        min_probability: least error_probability of a returned cell, in [0, 1]; 0 returns every cell.

    Returns:
        A frame with a row a cell: image, class, kind ("missing": the cell is 0 or -1 and should be 1;
        "spurious": it is 1 and should be absent), label_quality in [0, 1] (low = suspicious),
        error_probability in [0, 1] with its 90 % interval low … high, and rank within its kind (1 = most
        likely error).

    Raises:
        InputError: shapes that differ, labels other than 1, 0, -1, probabilities outside [0, 1] or NaN.

    Example:
        >>> given = [[1, 0], [0, 1], [1, 0], [0, 0]]
        >>> ids = ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
        >>> probs = np.array([[0.9, 0.1], [0.2, 0.8], [0.8, 0.1], [0.95, 0.1]])
        >>> issues = find_label_issues(given, probs, class_names=["cat", "dog"], image_ids=ids, min_probability=0)
        >>> print(issues.loc[0, ["image", "class", "kind"]].to_list())
        ['d.jpg', 'cat', 'missing']
    """
    labels = given_labels if isinstance(given_labels, LabelMatrix) else LabelMatrix.from_dense(given_labels)
    pred_probs = np.asarray(pred_probs)
    _check(labels, pred_probs, class_names, image_ids, dynamics, min_probability)
    _check_embeddings(labels, embeddings)
    cells = rank_cells(labels, pred_probs, dynamics, embeddings=embeddings, min_probability=min_probability)
    rows, columns = cells["image_index"], cells["class_index"]
    cells["image"] = rows if image_ids is None else np.asarray(image_ids, dtype=object)[rows]
    cells["class"] = columns if class_names is None else np.asarray(class_names, dtype=object)[columns]
    return cells[COLUMNS]


def rank_cells(
    labels: LabelMatrix,
    pred_probs: NDArray[np.floating],
    dynamics: Dynamics | None,
    *,
    embeddings: NDArray[np.floating] | None = None,
    planted: tuple[IntArray, IntArray] | None = None,
    min_probability: float,
) -> pd.DataFrame:
    """Return suspicious cells as `find_label_issues` does, with image_index and class_index; NaN rows are left out.

    `planted` are the present cells that training did not see: they look as missing labels do, and say nothing
    about spurious ones.
    """
    scores = [out_of_sample(pred_probs)]
    if dynamics is not None:
        scores.append(training_dynamics(dynamics.mean))
    if embeddings is not None:
        scores.append(neighbours(pred_probs, embeddings))
    score = combine(scores)
    known = ~np.isnan(score)
    present = labels.dense() == PRESENT
    seen, error_like = known & present, known & present
    if planted is not None and planted[0].size:
        error_like = np.zeros_like(known)
        error_like[planted] = known[planted]
        seen[planted] = False
    unlabelled = known & ~present
    missing = _rank_kind(Kind.MISSING, score, unlabelled, error_like, min_probability)
    spurious = _rank_kind(Kind.SPURIOUS, score, seen, unlabelled, min_probability)
    return pd.concat([missing, spurious], ignore_index=True)


def _rank_kind(
    kind: Kind,
    score: NDArray[np.float32],
    among: NDArray[np.bool_],
    error_like: NDArray[np.bool_],
    min_probability: float,
) -> pd.DataFrame:
    """Rank the cells of `among` as errors of one kind; those of `error_like` look as such errors do."""
    sign = np.float32(1 if kind is Kind.MISSING else -1)
    rows, columns = np.nonzero(among)
    suspicion = sign * score[rows, columns]
    probability, low, high = calibrate(suspicion, sign * score[error_like])(suspicion)
    kept = np.flatnonzero(probability >= min_probability)
    kept = kept[np.argsort(-suspicion[kept], kind="stable")]
    return pd.DataFrame(
        {
            "image_index": rows[kept],
            "class_index": columns[kept],
            "kind": kind.value,
            "label_quality": 1 / (1 + np.exp(suspicion[kept].astype(np.float64))),
            "error_probability": probability[kept],
            "low": low[kept],
            "high": high[kept],
            "rank": np.arange(1, len(kept) + 1),
        }
    )


def _check_embeddings(labels: LabelMatrix, embeddings: NDArray[np.floating] | None) -> None:
    if embeddings is None:
        return
    if embeddings.ndim != 2 or len(embeddings) != labels.shape[0]:
        raise InputError(f"Expected embeddings of shape ({labels.shape[0]}, n_features), got {embeddings.shape}")
    if not np.isfinite(embeddings).all():
        row = int(np.flatnonzero(~np.isfinite(embeddings).all(axis=1))[0])
        raise InputError(f"Expected finite embeddings, got NaN or infinity for image {row}; drop that image")


def _check(
    labels: LabelMatrix,
    pred_probs: NDArray[np.floating],
    class_names: Sequence[str] | None,
    image_ids: Sequence[str] | None,
    dynamics: Dynamics | None,
    min_probability: float,
) -> None:
    n, k = labels.shape
    arrays = {"pred_probs": pred_probs} if dynamics is None else {"pred_probs": pred_probs, "dynamics": dynamics.mean}
    for name, array in arrays.items():
        if array.shape != (n, k):
            raise InputError(
                f"Expected {name} of shape ({n}, {k}) to match given_labels, got {array.shape}; "
                "was a class or an image dropped on export?"
            )
    for name, values, length in (("class_names", class_names, k), ("image_ids", image_ids, n)):
        if values is not None and len(values) != length:
            raise InputError(f"Expected {length} {name} to match given_labels, got {len(values)}")
    if not 0 <= min_probability <= 1:
        raise InputError(f"Expected min_probability in [0, 1], got {min_probability}")
    outside = ~((pred_probs >= 0) & (pred_probs <= 1))
    if outside.any():
        row, column = np.argwhere(outside)[0]
        value = pred_probs[row, column]
        cure = "fill or drop that image" if np.isnan(value) else "are these logits? Apply the sigmoid first"
        raise InputError(f"Expected pred_probs in [0, 1], got {value} for image {row}, class {column}; {cure}.")
