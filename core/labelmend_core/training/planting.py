"""Labels hidden and labels added on purpose: what errors look like to this very run.

A network repeats the labels that it was trained on, so a present cell scores higher than an unlabelled one that
is just as present. A present cell that was hidden from training scores as a missing label does. Annotators give an
image at least one label as a rule, so labels are missing beside others: hiding an image's only label would show
the scores of its one large object, not of what was overlooked next to it.

A network repeats spurious labels, too: an unlabelled cell scores far below a cell that was labelled by mistake and
trained on. So does one that was added.
"""

import numpy as np

from labelmend_core.types import PRESENT, UNOBSERVED, IntArray, LabelMatrix

LEAST_PLANTED = 50  # fewer say nothing about a share
_LEAST_POSITIVES = 20  # a class with fewer keeps them all
_ADDED = 0.25  # labels added for each hidden one: they mislead the network, which hidden ones do less


def chance_of_drops(seed: int) -> np.random.Generator:
    """Return where the chance of `plant_drops` comes from: a run that goes on hides the same labels again."""
    return np.random.default_rng([seed, 1])


def chance_of_additions(seed: int) -> np.random.Generator:
    """Return where the chance of `plant_additions` comes from, apart from that of `plant_drops`."""
    return np.random.default_rng([seed, 4])


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


def plant_additions(
    labels: LabelMatrix, share: float, rng: np.random.Generator
) -> tuple[LabelMatrix, IntArray, IntArray]:
    """Return labels with wrong ones added, and which: image and class indices.

    A quarter as many as `plant_drops` hides, on unobserved cells of random images, each class as often as it is
    present: a few of them will be right. None where they would be fewer than 50.

    Args:
        labels: (N, K).
        share: of the present cells that is hidden, in [0, 1).
        rng: where chance comes from.

    Example:
        >>> labels = LabelMatrix.from_dense(np.random.default_rng(0).random((4000, 2)) < 0.3)
        >>> more, images, classes = plant_additions(labels, 0.1, np.random.default_rng(0))
        >>> more.n_observed - labels.n_observed == len(images), len(images) >= 30
        (True, True)
    """
    positives = labels.positives_per_class()
    n = round(_ADDED * share * positives.sum())
    if n < LEAST_PLANTED:
        return labels, np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    cells = rng.integers(labels.shape[0], size=n) * labels.shape[1]
    cells = np.unique(cells + rng.choice(labels.shape[1], size=n, p=positives / positives.sum()))
    images, classes = np.divmod(cells, labels.shape[1])
    free = labels.values(images, classes) == UNOBSERVED
    images, classes = images[free], classes[free]
    return labels.replace(images, classes, np.full(len(images), PRESENT, dtype=np.int8)), images, classes
