"""What FiftyOne Brain knows of the features of a run: which images are alike, and the map of all."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelmend_app.fiftyone_bridge.layout import EMBEDDINGS, object_id
from labelmend_core.projection import kept_plane

SIMILARITY, MAP = "labelmend_similarity", "labelmend_map"
_FEWEST = 3  # images that make a map


def remember(dataset: Any, features: NDArray[np.float16] | None, planes: Path) -> None:
    """Let the App sort by similarity and draw the map of *Explore*; without features it can do neither.

    The map is ours, so that it needs neither UMAP nor a network, and is the same in both places.

    Args:
        dataset: whose samples hold the features already.
        features: (N, D), rows that are not finite are images that could not be read.
        planes: folder of the maps of the workspace.
    """
    import fiftyone.brain

    for key in (SIMILARITY, MAP):
        if dataset.has_brain_run(key):
            dataset.delete_brain_run(key)
    if features is None:
        return
    finite = np.isfinite(features).all(axis=1)
    if finite.sum() < _FEWEST or features.shape[1] < 2:
        return
    quiet: dict[str, Any] = {"progress": False}
    fiftyone.brain.compute_similarity(dataset, embeddings=EMBEDDINGS, brain_key=SIMILARITY, backend="sklearn", **quiet)
    plane = kept_plane(planes, features)
    points = {str(sample_id(dataset._doc.id, image)): plane[image] for image in np.flatnonzero(finite).tolist()}
    fiftyone.brain.compute_visualization(dataset, points=points, brain_key=MAP, **quiet)


def sample_id(dataset_id: object, image: int) -> object:
    """Return the id of the sample of an image."""
    return object_id(dataset_id, "sample", image)
