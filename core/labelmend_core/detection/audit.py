"""The audit sample: cells drawn at random before anybody answers, which later say what is left in the dataset.

The queue shows the most suspicious cells, so its answers say nothing of the rest. A sample with known inclusion
probabilities does. It is stratified by suspicion and by class group; each stratum gets at least a few cells, and the
rest goes where an answer narrows the estimate most (Neyman 1934, with what is expected beforehand as in Ericson 1965).
"""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from labelmend_core.errors import InputError, WorkspaceError
from labelmend_core.run_folder import write_array
from labelmend_core.types import IntArray, Kind

STEPS = np.array([0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 0.6, 0.85])  # error_probability at which a step begins
N_STEPS = len(STEPS) + 1
OUTSIDE = 255  # a cell that was answered, or could not be scored, when the sample was drawn
DEFAULT_SIZE = 200  # cells a kind
COLUMNS = ["image_index", "class_index", "kind", "inclusion_probability", "error_probability"]

_GROUPS = 3
_LEAST = 3  # cells of every stratum that has as many
_CLOSEST = 1e-6
_DOUBT = 0.7  # small probabilities are off by the largest factors, so each stratum is thought to hold more errors
_GAP = 2, 6  # suggestions between one cell of the sample and the next
_AGAIN = 100  # suggestions until a cell is asked a second time: more than the review fetches ahead
_KINDS = list(Kind)


@dataclass(frozen=True, eq=False)
class Frame:
    """What a sample is drawn from: every cell that nobody has answered, by class and step of suspicion.

    Attributes:
        codes: uint8 (N, K); the step of a missing-label candidate, `N_STEPS` plus the step of a spurious one, or
            `OUTSIDE`.
        sizes: int64 (2, K, N_STEPS), cells of each kind (in the order of `Kind`), class and step.
        expected: float64 (2, K, N_STEPS), sum of their error_probability.
    """

    codes: NDArray[np.uint8]
    sizes: IntArray
    expected: NDArray[np.float64]

    def steps(self, images: IntArray, classes: IntArray, kind: Kind) -> IntArray:
        """Return the step of each cell (images[i], classes[i]), -1 where it is no candidate of this kind."""
        steps = self.codes[images, classes].astype(np.int64) - N_STEPS * _KINDS.index(kind)
        return np.where((steps >= 0) & (steps < N_STEPS), steps, -1)

    def of(self, kind: Kind) -> tuple[IntArray, NDArray[np.float64]]:
        """Return sizes and expected errors of one kind, each (K, N_STEPS)."""
        return self.sizes[_KINDS.index(kind)], self.expected[_KINDS.index(kind)]

    def write(self, folder: Path) -> None:
        """Write it into the folder of a run, as `audit/*.npy`."""
        (folder / "audit").mkdir(exist_ok=True)
        for field in fields(self):
            write_array(folder / "audit" / f"{field.name}.npy", getattr(self, field.name))

    @classmethod
    def read(cls, folder: Path) -> "Frame":
        """Return what `write` wrote, memory-mapped.

        Raises:
            WorkspaceError: a file is gone.
        """
        try:
            return cls(**{f.name: np.load(folder / "audit" / f"{f.name}.npy", mmap_mode="r") for f in fields(cls)})
        except FileNotFoundError as error:
            raise WorkspaceError(
                f"Expected what the audit sample was drawn from in {folder / 'audit'}, but {error.filename} is gone; "
                "restore it from a backup, or train again."
            ) from error


def frame_of(cells: pd.DataFrame, shape: tuple[int, int]) -> Frame:
    """Return the frame of all cells that may be errors.

    Args:
        cells: with image_index, class_index, kind and error_probability; each cell once.
        shape: N images, K classes.
    """
    classes = cells["class_index"].to_numpy(np.int32)  # small numbers: there may be millions of cells
    probability = cells["error_probability"].to_numpy(np.float64)
    kinds = (cells["kind"] == Kind.SPURIOUS.value).to_numpy().astype(np.int32)
    steps = _steps(probability)
    codes = np.full(shape, OUTSIDE, dtype=np.uint8)
    codes[cells["image_index"].to_numpy(), classes] = kinds * N_STEPS + steps
    place = (kinds * shape[1] + classes) * N_STEPS + steps
    whole = (2, shape[1], N_STEPS)
    n = int(np.prod(whole))
    expected = np.bincount(place, weights=probability, minlength=n).astype(np.float64)
    return Frame(codes, np.bincount(place, minlength=n).reshape(whole), expected.reshape(whole))


def draw_audit(cells: pd.DataFrame, size: int = DEFAULT_SIZE, *, seed: int) -> pd.DataFrame:
    """Return a random sample of each kind with the probability with which each cell came into it.

    Args:
        cells: every cell that may be an error, with image_index, class_index, kind and error_probability in [0, 1].
        size: cells of each kind, or all where there are fewer.
        seed: the same seed draws the same cells.

    Returns:
        A frame with a row a cell: image_index, class_index, kind, inclusion_probability in (0, 1],
        error_probability; in random order.

    Raises:
        InputError: a negative size.

    Example:
        >>> cells = pd.DataFrame({"image_index": range(100), "class_index": 0, "kind": "missing",
        ...                       "error_probability": [0.9] * 10 + [0.001] * 90})
        >>> drawn = draw_audit(cells, 20, seed=0)
        >>> len(drawn), round(float((1 / drawn["inclusion_probability"]).sum()))
        (20, 100)
    """
    if size < 0:
        raise InputError(f"Expected an audit sample of 0 cells or more, got {size}.")
    rng = np.random.default_rng(seed)
    drawn = [_draw_kind(cells[cells["kind"] == kind.value], size, rng) for kind in _KINDS]
    plain = {"image_index": np.int64, "class_index": np.int64, "kind": "str"}  # whatever the millions were kept in
    return pd.concat(drawn, ignore_index=True)[COLUMNS].astype(plain)


def _draw_kind(cells: pd.DataFrame, size: int, rng: np.random.Generator) -> pd.DataFrame:
    """Sample one kind: each stratum without replacement, spread over its classes."""
    probability = cells["error_probability"].to_numpy(np.float64)
    classes = cells["class_index"].to_numpy(np.int32)
    steps = _steps(probability)
    strata = _class_groups(classes, probability)[classes] * N_STEPS + steps if len(cells) else steps
    n = np.bincount(strata, minlength=_GROUPS * N_STEPS)
    mean = np.bincount(strata, weights=probability, minlength=n.size) / np.maximum(n, 1)
    sizes = _allocate(n, mean**_DOUBT, min(size, len(cells)))
    # By class in random order, then at random: a step through this order meets the classes in proportion.
    class_order = rng.permutation(classes.max(initial=0) + 1).astype(np.int32)
    order = np.lexsort((rng.random(len(cells)), class_order[classes], strata))
    first = np.concatenate([[0], np.cumsum(n)[:-1]])
    taken = [
        order[first[h] + ((np.arange(sizes[h]) + rng.random()) * n[h] / sizes[h]).astype(np.int64)]
        for h in np.flatnonzero(sizes)
    ]
    chosen = rng.permutation(np.concatenate(taken)) if taken else np.zeros(0, dtype=np.int64)
    sample = cells.iloc[chosen].copy()
    sample["inclusion_probability"] = sizes[strata[chosen]] / n[strata[chosen]]
    return sample


def _steps(probability: NDArray[np.float64]) -> NDArray[np.int32]:
    return np.searchsorted(STEPS, probability, side="right").astype(np.int32)


def _class_groups(classes: NDArray[np.int32], probability: NDArray[np.float64]) -> NDArray[np.int32]:
    """Return the group of each class: a third of the classes each, by the number of errors expected."""
    expected = np.bincount(classes, weights=probability)
    place = np.empty(expected.size, dtype=np.int32)
    place[np.argsort(-expected, kind="stable")] = np.arange(expected.size)
    return place * _GROUPS // max(expected.size, 1)


def _allocate(n: IntArray, mean: NDArray[np.float64], size: int) -> IntArray:
    """Return how many cells of each stratum to draw: a floor everywhere, then each next one where it helps most.

    What is expected beforehand counts as one error's worth of answers (1 / mean of them), so the variance that is left
    after m answers is n² mean (1 - mean) / (m + 1 / mean).
    """
    p = np.clip(mean, _CLOSEST, 1 - _CLOSEST)
    spread, before = n**2 * p * (1 - p), 1 / p
    sizes = np.zeros(n.size, dtype=np.int64)
    for _ in range(size):
        gain = spread / ((sizes + before) * (sizes + 1 + before))
        short = (sizes < _LEAST) & (sizes < n)
        gain = np.where(short, np.inf, gain) if short.any() else gain
        gain[sizes >= n] = -1.0
        # Of several below the floor the one with most to gain and fewest cells so far comes first.
        best = np.lexsort((-spread, sizes, -gain))[0] if short.any() else int(np.argmax(gain))
        sizes[best] += 1
    return sizes


def with_places(audit: pd.DataFrame, suggestions: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Return the sample with the places at which the review shows its cells among the suggestions.

    About one picture in five of the queue of a class and kind is one of the sample, until all of its are shown.

    Args:
        audit: as `draw_audit` returns it.
        suggestions: image_index, class_index, kind and rank; each rank once within its kind.
        seed: the same seed finds the same places.

    Returns:
        The sample with two more columns: `place`, the rank of the suggestion that a cell is shown after when it is
        asked for the first time, and `again`, for the second time.
    """
    rng = np.random.default_rng(seed)
    cell = ["image_index", "class_index", "kind"]
    shown = suggestions.merge(audit[cell], on=cell, how="left", indicator=True)
    ranks = shown[shown["_merge"] == "left_only"].groupby(["class_index", "kind"])["rank"]
    ranks_of = {queue: np.sort(found.to_numpy(np.int64)) for queue, found in ranks}
    place, again = np.empty(len(audit), dtype=np.int64), np.empty(len(audit), dtype=np.int64)
    for queue, rows in audit.groupby(["class_index", "kind"], sort=True).indices.items():
        order = rng.permutation(rows)  # which cells are still unanswered must not depend on what they are
        place[order], again[order] = _places(ranks_of.get(queue, np.zeros(0, dtype=np.int64)), len(order), rng)
    return audit.assign(place=place, again=again)


def _places(ranks: IntArray, n: int, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Return n places in rising order among suggestions of these ranks, and those of the second showing."""
    if not ranks.size:
        return np.arange(1, n + 1), np.arange(n + 1, 2 * n + 1)
    after = np.cumsum(rng.integers(*_GAP, size=n, endpoint=True))
    if after[-1] > ranks.size:  # a short queue: closer together
        after = np.maximum(after * ranks.size // after[-1], 1)
    return ranks[after - 1], ranks[np.minimum(after + _AGAIN, ranks.size) - 1]
