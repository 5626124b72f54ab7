"""Label issues by anybody's own predictions: which cells look wrong, missing and spurious ranked apart."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from labelmend_core.detection.blockwise import rank_probabilities
from labelmend_core.detection.chunks import CHUNK, probabilities
from labelmend_core.detection.combine import scores_of
from labelmend_core.detection.parts import Progress
from labelmend_core.detection.rank import judge, ranked
from labelmend_core.errors import InputError
from labelmend_core.label_matrix import as_labels
from labelmend_core.top_scores import TopScores
from labelmend_core.types import Dynamics, LabelMatrix

COLUMNS = ["image", "class", "kind", "label_quality", "error_probability", "low", "high", "rank"]


def find_label_issues(
    given_labels: LabelMatrix | ArrayLike | sparse.sparray | sparse.spmatrix,
    pred_probs: NDArray[np.floating] | sparse.sparray | sparse.spmatrix | TopScores,
    *,
    class_names: Sequence[str] | None = None,
    image_ids: Sequence[str] | None = None,
    embeddings: NDArray[np.floating] | None = None,
    dynamics: Dynamics | None = None,
    min_probability: float = 0.5,
    top: int | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Return the cells that look wrong, the most likely error of each kind first, missing before spurious.

    By probabilities alone it goes over them in blocks, in several threads: they may be float16 in a memory-mapped
    file, larger than the memory, or sparse. With embeddings or dynamics they are dense in memory.

    Args:
        given_labels: (N, K), 1 present, -1 absent, 0 unobserved; dense or sparse.
        pred_probs: (N, K) in [0, 1], each row from a model that was not trained on that image; in a sparse one, what
            is not stored is 0, as with `TopScores`.
        class_names: length K; class indices where not given.
        image_ids: length N; image indices where not given.
        embeddings: (N, n_features) of the same images, finite; then the nearest images count, too.
        dynamics: what was recorded of each cell during training, when there is such a record.
        min_probability: least error_probability of a returned cell, in [0, 1]; 0 returns every cell.
        top: at most so many cells of each class and kind, the likeliest errors; all of them without.
        progress: called with how many of how many steps are done, for probabilities alone.

    Returns:
        A frame with a row a cell: image, class, kind ("missing": the cell is 0 or -1 and should be 1;
        "spurious": it is 1 and should be absent), label_quality in [0, 1] (low = suspicious; by probabilities alone it
        is p of the given label, and two cells may come the other way round where their images show more or less
        else), error_probability in [0, 1] with its 90 % interval low … high, and rank within its kind (1 = most
        likely error). Cells that are 0 and -1 are calibrated apart: at the same label_quality a verified negative
        is less likely to be wrong.

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
    labels = as_labels(given_labels)
    _check_shapes(labels, pred_probs, class_names, image_ids, dynamics)
    check_embeddings(labels, embeddings)
    if not 0 <= min_probability <= 1:
        raise InputError(f"Expected min_probability in [0, 1], got {min_probability}")
    if top is not None and top < 1:
        raise InputError(f"Expected top to be at least 1, got {top}; leave it out for all cells")
    if isinstance(pred_probs, TopScores):
        labels = pred_probs.readable(labels)
        if embeddings is not None or dynamics is not None:
            raise InputError("Expected neither embeddings nor dynamics beside the highest probabilities of each image")
    if isinstance(pred_probs, TopScores) or (embeddings is None and dynamics is None):
        chunks = probabilities(pred_probs)
        cells = rank_probabilities(labels, chunks, min_probability=min_probability, top=top, progress=progress)
    else:
        dense = _dense(pred_probs)
        cells = ranked(judge(labels, scores_of(labels, dense, dynamics, embeddings)), min_probability)
        cells = cells if top is None else _top_of_each_class(cells, top)
    return named(cells, class_names, image_ids)


def named(cells: pd.DataFrame, class_names: Sequence[str] | None, image_ids: Sequence[str] | None) -> pd.DataFrame:
    """Return cells as `find_label_issues` does: by the names of images and classes, or by index without them."""
    rows, columns = cells["image_index"], cells["class_index"]
    cells["image"] = rows if image_ids is None else np.asarray(image_ids, dtype=object)[rows]
    cells["class"] = columns if class_names is None else np.asarray(class_names, dtype=object)[columns]
    return cells[COLUMNS]


def _dense(pred_probs: NDArray[np.floating] | sparse.sparray | sparse.spmatrix) -> NDArray[np.floating]:
    """Return dense probabilities in [0, 1], in memory or mapped."""
    chunks = probabilities(pred_probs)
    for lines in chunks.ranges(CHUNK):
        chunk = chunks.chunk(*lines)
        chunk.check()
        chunk.release()
    return np.asarray(sparse.csr_array(pred_probs).toarray() if sparse.issparse(pred_probs) else pred_probs)


def _top_of_each_class(cells: pd.DataFrame, top: int) -> pd.DataFrame:
    kept = cells[cells.groupby(["kind", "class_index"]).cumcount() < top].reset_index(drop=True)
    kept["rank"] = kept.groupby("kind").cumcount() + 1
    return kept


def check_embeddings(labels: LabelMatrix, embeddings: NDArray[np.floating] | None) -> None:
    """Raise InputError where embeddings are not finite numbers (N, n_features)."""
    if embeddings is None:
        return
    if embeddings.ndim != 2 or len(embeddings) != labels.shape[0]:
        raise InputError(f"Expected embeddings of shape ({labels.shape[0]}, n_features), got {embeddings.shape}")
    if not np.isfinite(embeddings).all():
        row = int(np.flatnonzero(~np.isfinite(embeddings).all(axis=1))[0])
        raise InputError(f"Expected finite embeddings, got NaN or infinity for image {row}; drop that image")


def _shape_of(
    pred_probs: NDArray[np.floating] | sparse.sparray | sparse.spmatrix | TopScores,
) -> tuple[int, ...]:
    """Return (N, K), also of nested lists."""
    if sparse.issparse(pred_probs) or isinstance(pred_probs, TopScores):
        shape: tuple[int, ...] = pred_probs.shape
        return shape
    return np.shape(pred_probs)


def _check_shapes(
    labels: LabelMatrix,
    pred_probs: NDArray[np.floating] | sparse.sparray | sparse.spmatrix | TopScores,
    class_names: Sequence[str] | None,
    image_ids: Sequence[str] | None,
    dynamics: Dynamics | None,
) -> None:
    n, k = labels.shape
    shapes = {"pred_probs": _shape_of(pred_probs)}
    if dynamics is not None:
        shapes["dynamics"] = dynamics.mean.shape
    for name, shape in shapes.items():
        if shape != (n, k):
            raise InputError(
                f"Expected {name} of shape ({n}, {k}) to match given_labels, got {shape}; "
                "was a class or an image dropped on export?"
            )
    for name, values, length in (("class_names", class_names, k), ("image_ids", image_ids, n)):
        if values is not None and len(values) != length:
            raise InputError(f"Expected {length} {name} to match given_labels, got {len(values)}")
