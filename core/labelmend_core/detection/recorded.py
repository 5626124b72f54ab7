"""Label issues by what was recorded of a training that has seen the labels."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from labelmend_core.detection.combine import scores_of
from labelmend_core.detection.find import check_embeddings, named
from labelmend_core.detection.in_sample import Cells, judge_in_sample
from labelmend_core.detection.rank import ranked
from labelmend_core.errors import InputError
from labelmend_core.types import Dynamics, LabelMatrix


def issues_of_dynamics(
    labels: LabelMatrix,
    dynamics: Dynamics,
    *,
    class_names: Sequence[str] | None = None,
    image_ids: Sequence[str] | None = None,
    planted: Cells,
    added: Cells,
    embeddings: NDArray[np.floating] | None = None,
    min_probability: float = 0.5,
) -> pd.DataFrame:
    """Return what `find_label_issues` does, for probabilities of a network that has seen the labels.

    Args:
        labels: (N, K), as they were given.
        dynamics: what was recorded of each cell.
        class_names: length K; class indices where not given.
        image_ids: length N; image indices where not given.
        planted, added: image and class indices of the cells that training was deceived about, see `judge_in_sample`.
        embeddings: (N, n_features) of the images, finite.
        min_probability: least error_probability of a returned cell, in [0, 1].

    Raises:
        InputError: embeddings that do not fit, or a probability outside [0, 1].
    """
    check_embeddings(labels, embeddings)
    if not 0 <= min_probability <= 1:
        raise InputError(f"Expected min_probability in [0, 1], got {min_probability}")
    scores = scores_of(labels, dynamics.mean, dynamics, embeddings, in_sample=True)
    cells = ranked(judge_in_sample(labels, scores, planted, added), min_probability)
    return named(cells, class_names, image_ids)
