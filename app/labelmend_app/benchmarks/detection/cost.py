"""Time and memory of finding errors by probabilities alone, beside cleanlab: synthetic probabilities, sparse labels.

Every measurement has a process of its own, so that none starts with what another has left in memory.
"""

import gc
import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from scipy import sparse

from labelmend_app.benchmarks.detection.baselines import has_cleanlab
from labelmend_core.errors import InputError

SIZES = ((82_081, 80), (200_000, 500))
GROWTH = ((12_500, 200), (50_000, 200), (200_000, 200), (800_000, 200))
LARGE = (1_000_000, 1_000)
OURS, SCORES, MASKS = "labelmend", "cleanlab, scores per class", "cleanlab, masks"
_POSITIVES = 3  # an image
_LEFT = 0.7  # of the labels
_BLOCK = 1 << 22  # cells that are made at a time
_STATUS = Path("/proc/self/status")
Show = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Row:
    """One method on one size.

    Attributes:
        dtype: of the probabilities; "mapped" after it where they stay in a file.
        seconds, processor_seconds: of one call, by the clock and of all its threads, the median of the repeats.
        megabytes: most that the call held above its inputs, resident.
        resident: most that the whole process held, its libraries and inputs included, in megabytes.
        found: cells that were returned.
    """

    method: str
    images: int
    classes: int
    dtype: str
    seconds: float
    processor_seconds: float
    megabytes: float
    resident: float
    found: int


def compare(
    folder: Path,
    show: Show,
    *,
    sizes: Sequence[tuple[int, int]] = SIZES,
    masks: bool = False,
    repeats: int = 3,
) -> Iterator[Row]:
    """Yield a row for each size and method, float32 in memory; cleanlab's where it is installed.

    Args:
        folder: where the probabilities of one size lie for as long as they are needed.
        show: told how many of how many steps are done.
        sizes: images and classes.
        masks: cleanlab's masks, too, which take minutes.
        repeats: of each measurement; the methods take turns, so that a noisy machine is noisy for all.
    """
    methods = [OURS]
    if has_cleanlab():
        methods += [SCORES, MASKS] if masks else [SCORES]
    for number, size in enumerate(sizes):
        with _made(folder, size, np.float32) as made:
            runs: dict[str, list[Row]] = {method: [] for method in methods}
            for _ in range(repeats):
                for method in methods:
                    runs[method].append(_measured(made, method))
        show("cost", number + 1, len(sizes))
        yield from (_median(rows) for rows in runs.values())


def growth(folder: Path, show: Show, *, sizes: Sequence[tuple[int, int]] = GROWTH, repeats: int = 3) -> list[Row]:
    """Return a row a size of labelmend alone, float32 in memory; `slope` says how time grows."""
    rows = []
    for number, size in enumerate(sizes):
        with _made(folder, size, np.float32) as made:
            rows.append(_median([_measured(made, OURS) for _ in range(repeats)]))
        show("growth", number + 1, len(sizes))
    return rows


def slope(rows: Sequence[Row]) -> float:
    """Return the slope of time over cells on a log-log plot: 1 is linear, lower is better."""
    cells = np.log([row.images * row.classes for row in rows])
    return float(np.polyfit(cells, np.log([row.seconds for row in rows]), 1)[0])


def large(folder: Path, show: Show, *, size: tuple[int, int] = LARGE) -> Row:
    """Return the row of float16 probabilities that stay in a file of images x classes x 2 bytes; it is removed after.

    Raises:
        InputError: the file does not fit into the folder.
    """
    with _made(folder, size, np.float16) as made:
        show("large", 0, 1)
        row = _measured(made, OURS, mapped=True)
    show("large", 1, 1)
    return row


class _made:  # noqa: N801 - reads as what it is: `with _made(…) as folder`
    """A folder with `probs.npy` and `labels.npz`, gone after the block."""

    def __init__(self, folder: Path, size: tuple[int, int], dtype: type[np.floating]) -> None:
        needed = size[0] * size[1] * np.dtype(dtype).itemsize * 1.05
        if shutil.disk_usage(folder).free < needed:
            raise InputError(
                f"Expected {needed / 1e9:.1f} GB free in {folder} for the benchmark; choose another folder"
            )
        self._temporary = TemporaryDirectory(dir=folder, prefix="cost-")
        self._size, self._dtype = size, dtype

    def __enter__(self) -> Path:
        path = Path(self._temporary.name)
        _make(path, self._size, self._dtype)
        return path

    def __exit__(self, *_: object) -> None:
        self._temporary.cleanup()


def _make(folder: Path, size: tuple[int, int], dtype: type[np.floating]) -> None:
    """Write probabilities of a fair model, and labels of which some are missing and one in 200 is spurious."""
    rng = np.random.default_rng(0)
    images, classes = size
    probs = np.lib.format.open_memmap(folder / "probs.npy", mode="w+", dtype=dtype, shape=size)
    labels = []
    for start in range(0, images, max(1, _BLOCK // classes)):
        block = probs[start : start + max(1, _BLOCK // classes)]
        truth = rng.random(block.shape, dtype=np.float32) < _POSITIVES / classes
        logits = rng.standard_normal(block.shape, dtype=np.float32) + np.where(truth, np.float32(2), np.float32(-4.5))
        block[:] = 1 / (1 + np.exp(-logits))
        given = truth & (rng.random(block.shape, dtype=np.float32) < _LEFT)
        given |= rng.random(block.shape, dtype=np.float32) < 0.005 * _POSITIVES / classes
        labels.append(sparse.csr_array(given, dtype=np.int8))
    probs.flush()
    sparse.save_npz(folder / "labels.npz", sparse.vstack(labels, format="csr"))


def _measured(made: Path, method: str, *, mapped: bool = False) -> Row:
    code = "import sys; from labelmend_app.benchmarks.detection.cost import in_this_process as run; run(*sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", code, str(made), method, "mapped" if mapped else ""],
        capture_output=True,
        text=True,
        check=True,
    )
    return Row(**json.loads(done.stdout.splitlines()[-1]))


def in_this_process(made: str, method: str, mapped: str) -> None:
    """Print the figures of one call as a line of JSON; for a process that does nothing else."""
    if not _STATUS.exists():
        raise InputError("Expected /proc/self/status to read the resident memory from; measure on Linux")
    probs = np.load(Path(made) / "probs.npy", mmap_mode="r" if mapped else None)
    labels = sparse.load_npz(Path(made) / "labels.npz")
    call = _ours(labels, probs) if method == OURS else _cleanlab(labels, probs, masks=method == MASKS)
    del labels
    gc.collect()
    before = _forget_peak()
    started, spent = time.perf_counter(), time.process_time()
    found = call()
    seconds, processor = time.perf_counter() - started, time.process_time() - spent
    peak = _resident("VmHWM")
    dtype = f"{probs.dtype}{', mapped' if mapped else ''}"
    row: dict[str, Any] = {"method": method, "images": len(probs), "classes": probs.shape[1], "dtype": dtype}
    row |= {"seconds": seconds, "processor_seconds": processor, "megabytes": peak - before, "resident": peak}
    sys.stdout.write(json.dumps(row | {"found": found}) + "\n")


def _ours(labels: sparse.csr_array, probs: np.ndarray) -> Callable[[], int]:
    from labelmend_core import LabelMatrix, find_label_issues

    find_label_issues(np.eye(3, dtype=np.int8), np.eye(3))  # imports what is imported late
    matrix = LabelMatrix.from_sparse(labels)
    return lambda: len(find_label_issues(matrix, probs))


def _cleanlab(labels: sparse.csr_array, probs: np.ndarray, *, masks: bool) -> Callable[[], int]:
    from cleanlab.multilabel_classification.filter import find_multilabel_issues_per_class
    from cleanlab.multilabel_classification.rank import get_label_quality_scores_per_class

    lists = [labels.indices[labels.indptr[i] : labels.indptr[i + 1]].tolist() for i in range(labels.shape[0])]
    get_label_quality_scores_per_class([[0], [1]] * 3, np.full((6, 2), 0.5))
    if masks:
        return lambda: int(np.asarray(find_multilabel_issues_per_class(lists, probs)).sum())
    return lambda: int(np.asarray(get_label_quality_scores_per_class(lists, probs)).size)


def _forget_peak() -> float:
    """Begin a new peak of resident memory and return what is resident now, in megabytes."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _resident("VmRSS")


def _resident(name: str) -> float:
    line = next(line for line in _STATUS.read_text(encoding="ascii").splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024


def _median(rows: Sequence[Row]) -> Row:
    """Return the row of the median time, with the median of each figure."""
    figures = {
        name: statistics.median(getattr(row, name) for row in rows)
        for name in ("seconds", "processor_seconds", "megabytes", "resident")
    }
    first = rows[0]
    return Row(first.method, first.images, first.classes, first.dtype, **figures, found=first.found)
