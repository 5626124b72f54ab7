"""Labels hidden on purpose: what a missing label looks like to this very run, for calibration.

A network repeats the labels that it was trained on, so a present cell scores higher than an unlabelled one that
is just as present. A present cell that was hidden from training scores as a missing label does. Annotators give an
image at least one label as a rule, so labels are missing beside others: hiding an image's only label would show
the scores of its one large object, not of what was overlooked next to it (on coco18 with 40 % of the labels the
estimate of 3,511 missing labels is 1,478 without planting, and 4,302 with it; loss Hill).
"""

import numpy as np

from labelmend_core.types import PRESENT, UNOBSERVED, IntArray, LabelMatrix

LEAST_PLANTED = 50  # fewer say nothing about a share
_LEAST_POSITIVES = 20  # a class with fewer keeps them all


def plant_drops(labels: LabelMatrix, share: float, rng: np.random.Generator) -> tuple[LabelMatrix, IntArray, IntArray]:
    """Return labels of which a share of the present ones is unobserved, and which: image and class indices.

    Each image keeps a label where enough images have several. Nothing is hidden of classes with fewer than 20
    positives, nor where all that could be hidden is fewer than 50 cells.

    Args:
        labels: (N, K).
        share: of the present cells, in [0, 1).
        rng: where chance comes from.

    Example:
        >>> labels = LabelMatrix.from_dense(np.ones((1000, 2)))
        >>> hidden, images, classes = plant_drops(labels, 0.1, np.random.default_rng(0))
        >>> hidden.n_observed + len(images) == labels.n_observed, 150 < len(images) < 250
        (True, True)
    """
    images, classes, values = labels.cells()
    images, classes = images[values == PRESENT], classes[values == PRESENT]
    can = labels.positives_per_class()[classes] >= _LEAST_POSITIVES
    beside = can & (np.bincount(images, minlength=labels.shape[0])[images] > 1)
    if beside.sum() * share >= LEAST_PLANTED:
        can = beside
    chance = rng.random(len(images))
    largest = np.zeros(labels.shape[0])
    np.maximum.at(largest, images, chance)
    chosen = can & (chance < share)
    if can is beside:
        chosen &= chance < largest[images]
    if chosen.sum() < LEAST_PLANTED:
        chosen[:] = False
    images, classes = images[chosen], classes[chosen]
    return labels.replace(images, classes, np.full(len(images), UNOBSERVED, dtype=np.int8)), images, classes
