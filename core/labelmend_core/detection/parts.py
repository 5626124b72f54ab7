"""Labels and probabilities of a chunk side by side, and threads that go over all chunks."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from labelmend_core.cores import cores
from labelmend_core.detection.chunks import Probabilities
from labelmend_core.types import ABSENT, PRESENT, IntArray, LabelMatrix

_MOST_THREADS = 16  # each holds a chunk
_Result = TypeVar("_Result")

Progress = Callable[[int, int], None]


class Part:
    """A chunk of the probabilities with its given labels.

    Attributes:
        chunk: the probabilities.
        present, absent: keys of the cells with that label, rising.
    """

    def __init__(self, pred_probs: Probabilities, lines: LabelMatrix, start: int, stop: int) -> None:
        self.chunk = pred_probs.chunk(start, stop)
        self._start, self._width, self._by_class = start, pred_probs.width, pred_probs.by_class
        self._n_classes = pred_probs.shape[1]
        line, place, value = lines.cells(start, stop)
        keys: IntArray = (line - start) * self._width + place
        self.present, self.absent = keys[value == PRESENT], keys[value == ABSENT]
        self._labelled = keys

    def classes(self, keys: IntArray) -> IntArray:
        """Return the class of each cell."""
        line, place = np.divmod(keys, max(1, self._width))
        classes: IntArray = line + self._start if self._by_class else place
        return classes

    def images(self, keys: IntArray) -> IntArray:
        """Return the image of each cell."""
        line, place = np.divmod(keys, max(1, self._width))
        images: IntArray = place if self._by_class else line + self._start
        return images

    def numbers(self, keys: IntArray) -> IntArray:
        """Return image x K + class of each cell."""
        if self._by_class:
            numbers: IntArray = keys % max(1, self._width) * self._n_classes + self.classes(keys)
            return numbers
        return keys + self._start * self._width

    def unobserved(self, keys: IntArray) -> IntArray:
        """Return those of the cells that have no label."""
        if not self._labelled.size:
            return keys
        place = np.minimum(np.searchsorted(self._labelled, keys), len(self._labelled) - 1)
        without: IntArray = keys[self._labelled[place] != keys]
        return without


class Parts:
    """All chunks, with the labels to each, for threads to go over."""

    def __init__(
        self,
        labels: LabelMatrix,
        pred_probs: Probabilities,
        *,
        passes: int,
        chunk_cells: int,
        threads: int | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._pred_probs, self._progress, self._passes = pred_probs, progress, passes
        self._lines = labels.transposed() if pred_probs.by_class else labels
        self._threads = threads or min(cores(), _MOST_THREADS)
        self._ranges = pred_probs.ranges(chunk_cells)
        self._done = 0

    def each(self, work: Callable[[Part], _Result]) -> Iterator[_Result]:
        """Yield what `work` returns for each chunk, in order; the next ones are being worked on meanwhile."""

        def worked(lines: tuple[int, int]) -> _Result:
            part = Part(self._pred_probs, self._lines, *lines)
            result = work(part)
            part.chunk.release()
            return result

        with ThreadPoolExecutor(self._threads) as pool:
            ranges = iter(self._ranges)
            # No more than the threads need: results that nobody takes yet would pile up in memory.
            going = deque(pool.submit(worked, lines) for lines in islice(ranges, self._threads + 1))
            while going:
                result = going.popleft().result()
                going.extend(pool.submit(worked, lines) for lines in islice(ranges, 1))
                self._done += 1
                if self._progress is not None:
                    self._progress(self._done, self._passes * len(self._ranges))
                yield result


def best_of_each_class(
    classes: IntArray, suspicion: NDArray[np.number], top: int, among_equals: NDArray[np.number] | None = None
) -> IntArray:
    """Return the places of the `top` most suspicious cells of each class, rising; among equals the first.

    Args:
        classes: (M,).
        suspicion: (M,).
        top: of each class, at most.
        among_equals: (M,), what decides before the place does.

    Example:
        >>> best_of_each_class(np.array([0, 1, 0, 0]), np.array([0.5, 0.1, 0.9, 0.5]), 2).tolist()
        [0, 1, 2]
    """
    order = np.argsort(classes, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(classes[order])) + 1, len(order))
    kept = np.zeros(len(order), dtype=bool)
    for start, end in zip(np.append(0, ends[:-1]), ends, strict=True):
        places = order[start:end]
        kept[places[_best([values[places] for values in (suspicion, among_equals) if values is not None], top)]] = True
    return np.flatnonzero(kept)


def _best(keys: list[NDArray[np.number]], top: int) -> IntArray:
    """Return the places of the `top` highest by the first key, among equals by the next, then the first."""
    if not keys:
        return np.arange(top)
    values = keys[0]
    if len(values) <= top:
        return np.arange(len(values))
    last = np.partition(values, len(values) - top)[len(values) - top]
    above, equal = np.flatnonzero(values > last), np.flatnonzero(values == last)
    return np.append(above, equal[_best([key[equal] for key in keys[1:]], top - len(above))])
