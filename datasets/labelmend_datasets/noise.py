"""Planting label errors, so that what finds them can be measured: every function returns new labels and a mask.

What an unobserved cell is matters to `partial_labels` and `add_spurious`: absent where the labels are annotated
completely, unknown where they are partial already (`labelmend_core.metrics.how_to_read_unobserved` tells by itself).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from labelmend_core.errors import InputError
from labelmend_core.metrics import how_to_read_unobserved
from labelmend_core.types import ABSENT, PRESENT, UNOBSERVED, Int8Array, IntArray, LabelMatrix

# Rows of a dense block: bounds the memory, does not change a result.
_BLOCK = 4096


@dataclass(frozen=True)
class Noised:
    """Labels after noise.

    Attributes:
        labels: (N, K), 1 present, -1 absent, 0 unobserved.
        noise_mask: bool (N, K), true exactly where `labels` differ from the labels that went in.
    """

    labels: LabelMatrix
    noise_mask: sparse.csr_array


def drop_labels(labels: LabelMatrix, keep: float, rng: np.random.Generator) -> Noised:
    """Return labels of which each present one is kept with a probability, at least one in an image that had one.

    Args:
        labels: (N, K); verified negatives stay.
        keep: probability in [0, 1]. Because of the last one kept, a little more than this share stays.
        rng: where chance comes from.

    Raises:
        InputError: `keep` is no probability.

    Source:
        Zhang et al. 2021, "Simple and Robust Loss Design for Multi-Label Learning with Missing Labels",
        arXiv:2112.07368, section 4.1 (75 % and 40 % of the labels left).

    Example:
        >>> labels = LabelMatrix.from_dense([[1, 1, 1, 1], [0, 1, 0, 0]])
        >>> drop_labels(labels, 0.5, np.random.default_rng(0)).labels.dense().tolist()
        [[0, 1, 1, 1], [0, 1, 0, 0]]
    """
    _require_share("keep", keep)
    images, classes, values = labels.cells()
    images, classes = images[values == PRESENT], classes[values == PRESENT]
    chance = rng.random(images.size)
    # The smallest draw of an image is the one that stays whatever happens: each of its labels is it equally often.
    smallest = np.full(labels.shape[0], np.inf)
    np.minimum.at(smallest, images, chance)
    dropped = (chance >= keep) & (chance > smallest[images])
    return _noised(labels, images[dropped], classes[dropped], UNOBSERVED)


def single_positive(labels: LabelMatrix, rng: np.random.Generator) -> Noised:
    """Return labels of which one present one an image stays, each of its labels with the same chance.

    Source:
        Cole et al. 2021, "Multi-Label Learning from Single Positive Labels", arXiv:2106.09708, section 5.
    """
    return drop_labels(labels, 0.0, rng)


def partial_labels(labels: LabelMatrix, known: float, rng: np.random.Generator, *, unobserved: str = "auto") -> Noised:
    """Return labels of which each cell is known with a probability: present stays 1, absent becomes -1, the rest 0.

    Of labels that are partial already only the known cells can stay known: no cell that nobody has looked at
    becomes a verified negative, and `known` is a share of the cells that are 1 or -1.

    Args:
        labels: (N, K).
        known: probability in [0, 1] that a cell, present or absent, is known; of all cells about this share is.
            The literature takes .1 to .9.
        rng: where chance comes from.
        unobserved: what a 0 is: "absent", unknown and so "left_out", or "auto" for what `how_to_read_unobserved` says.

    Raises:
        InputError: `known` is no probability, or `unobserved` is something else.

    Source:
        Durand et al. 2019, "Learning a Deep ConvNet for Multi-label Classification with Partial Labels",
        arXiv:1902.09720, section 4.1.

    Example:
        >>> labels = LabelMatrix.from_dense([[1, 0, 0, 1, 0, 0]])
        >>> partial_labels(labels, 0.5, np.random.default_rng(0)).labels.dense().tolist()
        [[0, -1, -1, 1, 0, 0]]
    """
    _require_share("known", known)
    reading = how_to_read_unobserved(labels, unobserved)
    cells = []
    for start, dense in _blocks(labels):
        chosen = rng.random(dense.shape) < known
        rows, columns = np.nonzero(chosen if reading == "absent" else chosen & (dense != UNOBSERVED))
        cells.append((rows + start, columns, np.where(dense[rows, columns] == PRESENT, PRESENT, ABSENT)))
    images, classes, values = (np.concatenate(parts) for parts in zip(*cells, strict=True))
    partial = LabelMatrix.from_cells(images, classes, values, labels.shape)
    return Noised(partial, _mask(labels.shape, *labels.changed_cells(partial)))


def add_spurious(
    labels: LabelMatrix, image_fraction: float, rng: np.random.Generator, *, unobserved: str = "auto"
) -> Noised:
    """Return labels of which a share of the images has one more class, drawn by frequency from those that it lacks.

    An image lacks the classes that are -1, and where the labels are annotated completely those that are 0 as well;
    of partial labels an unknown class may well be there and would be no error.

    Args:
        labels: (N, K).
        image_fraction: share of all N images in [0, 1], rounded to whole images.
        rng: where chance comes from.
        unobserved: what a 0 is: "absent", unknown and so "left_out", or "auto" for what `how_to_read_unobserved` says.

    Raises:
        InputError: `image_fraction` is no share, fewer images than that lack a class that occurs, or `unobserved` is
            something else.
    """
    _require_share("image_fraction", image_fraction)
    lacked = (ABSENT,) if how_to_read_unobserved(labels, unobserved) == "left_out" else (ABSENT, UNOBSERVED)
    n = round(image_fraction * labels.shape[0])
    frequency = labels.positives_per_class()
    lacking = np.flatnonzero(_frequency_lacked(labels, frequency, lacked) > 0)
    if lacking.size < n:
        raise InputError(
            f"Expected {n} images that lack a class that occurs, got {lacking.size}; choose a smaller image_fraction."
        )
    chosen = np.sort(rng.choice(lacking, n, replace=False))
    added = [
        _drawn_class(labels.dense(chosen[start : start + _BLOCK]), frequency, lacked, rng)
        for start in range(0, n, _BLOCK)
    ]
    return _noised(labels, chosen, np.concatenate([np.zeros(0, dtype=np.int64), *added]), PRESENT)


@dataclass(frozen=True)
class NoiseKind:
    """One kind of noise, as the command line offers it.

    Attributes:
        name: how the command line and the registry call it.
        description: one sentence.
        parameter: the name of the amount in [0, 1]; nothing if there is none.
        default: of that amount.
        reads_unobserved: whether it matters what an unobserved cell is.
    """

    name: str
    description: str
    function: Callable[..., Noised]
    parameter: str | None = None
    default: float | None = None
    reads_unobserved: bool = False

    def apply(
        self, labels: LabelMatrix, rng: np.random.Generator, amount: float | None = None, *, unobserved: str = "auto"
    ) -> Noised:
        """Return noised labels; without an amount the default holds.

        Args:
            labels: (N, K).
            rng: where chance comes from.
            amount: in [0, 1].
            unobserved: what a 0 is, see `how_to_read_unobserved`.

        Raises:
            InputError: the amount is out of range, or this kind has none; or a kind to which it does not matter was
                told what a 0 is.
        """
        if unobserved != "auto" and not self.reads_unobserved:
            raise InputError(f"Expected nothing about unobserved cells for noise {self.name!r}, got {unobserved!r}")
        reading = {"unobserved": unobserved} if self.reads_unobserved else {}
        if self.parameter is None:
            if amount is not None:
                raise InputError(f"Expected no amount for noise {self.name!r}, got {amount}")
            return self.function(labels, rng)
        return self.function(labels, self.default if amount is None else amount, rng, **reading)


NOISES: dict[str, NoiseKind] = {
    kind.name: kind
    for kind in (
        NoiseKind("drop", "Each label is kept with a probability, at least one an image.", drop_labels, "keep", 0.4),
        NoiseKind("single", "One label an image is kept.", single_positive),
        NoiseKind("partial", "Each cell is known with a probability.", partial_labels, "known", 0.5, True),
        NoiseKind("spurious", "A share of images gets a wrong class.", add_spurious, "image_fraction", 0.08, True),
    )
}


def _require_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise InputError(f"Expected {name} in [0, 1], got {value}; is it a percentage?")


def _noised(labels: LabelMatrix, images: IntArray, classes: IntArray, value: int) -> Noised:
    changed = labels.replace(images, classes, np.full(images.size, value))
    return Noised(changed, _mask(labels.shape, images, classes))


def _mask(shape: tuple[int, int], images: IntArray, classes: IntArray) -> sparse.csr_array:
    return sparse.csr_array((np.ones(images.size, dtype=bool), (images, classes)), shape=shape)


def _blocks(labels: LabelMatrix) -> Iterator[tuple[int, Int8Array]]:
    for start in range(0, labels.shape[0], _BLOCK):
        yield start, labels.dense(slice(start, start + _BLOCK))


def _frequency_lacked(labels: LabelMatrix, frequency: IntArray, lacked: tuple[int, ...]) -> IntArray:
    """Return the summed frequency of the classes that each image lacks, (N,); no dense array of all cells is made."""
    images, classes, values = labels.cells()
    n = labels.shape[0]

    def of(value: int) -> IntArray:
        here = values == value
        return np.bincount(images[here], weights=frequency[classes[here]], minlength=n).astype(np.int64)

    return frequency.sum() - of(PRESENT) if UNOBSERVED in lacked else of(ABSENT)


def _drawn_class(dense: Int8Array, frequency: IntArray, lacked: tuple[int, ...], rng: np.random.Generator) -> IntArray:
    """Return one class an image that it lacks, with a chance proportional to the class's frequency."""
    weights = np.cumsum(frequency * np.isin(dense, lacked), axis=1)
    target = rng.random(len(dense)) * weights[:, -1]
    drawn: IntArray = np.argmax(weights > target[:, None], axis=1)
    return drawn
