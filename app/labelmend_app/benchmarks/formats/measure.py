"""Peak memory and time of reading, and of writing back, annotations of many images; a process for each."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from labelmend_app.benchmarks.formats._sources import SOURCES
from labelmend_core.errors import InputError
from labelmend_core.types import ABSENT
from labelmend_datasets.formats import FORMATS

_STATUS = Path("/proc/self/status")
_EVERY = 100  # every hundredth image is corrected


@dataclass(frozen=True)
class Row:
    """What one format took.

    Attributes:
        megabytes: of the source, 10^6 bytes.
        read_seconds, write_seconds: of the processor, of each alone; writing reads the source again.
        read_peak, write_peak: resident memory of the process at its highest, 10^6 bytes, Python and all libraries
            included; writing with the dataset in memory. None where writing was not measured.
        labels: that were read.
    """

    format: str
    images: int
    megabytes: float
    read_seconds: float
    read_peak: float
    labels: int
    write_seconds: float | None = None
    write_peak: float | None = None


def run(
    folder: Path, images: int, only: Sequence[str], show: Callable[[str, int, int], None], *, write: bool = True
) -> Iterator[Row]:
    """Yield a row a format.

    Args:
        folder: for what is made up, one format at a time.
        images: N.
        only: names of formats; all of them when empty.
        show: told what is done.
        write: whether to measure writing, too.

    Raises:
        InputError: a name is of no format.
    """
    unknown = sorted(set(only) - set(FORMATS))
    if unknown:
        raise InputError(f"Expected formats among {', '.join(FORMATS)}, got {unknown[0][:80]!r}.")
    chosen = [name for name in FORMATS if name in only or not only]
    for number, name in enumerate(chosen):
        show(name, number, len(chosen))
        made = folder / name
        made.mkdir()
        source = made / f"source{FORMATS[name].suffix}"
        SOURCES[name](source, images)
        read, written = _measured(name, source), _measured(name, source, made / "out") if write else {}
        size = sum(one.stat().st_size for one in source.rglob("*")) if source.is_dir() else source.stat().st_size
        shutil.rmtree(made)
        yield Row(name, images, size / 1e6, **read, **written)


def _measured(name: str, source: Path, out: Path | None = None) -> dict[str, Any]:
    code = "import sys; from labelmend_app.benchmarks.formats.measure import in_this_process as run; run(*sys.argv[1:])"
    arguments = [name, str(source), "" if out is None else str(out)]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def in_this_process(name: str, source: str, out: str) -> None:
    """Print the figures of one call as a line of JSON; for a process that does nothing else."""
    if not _STATUS.exists():
        raise InputError("Expected /proc/self/status to read the resident memory from; measure on Linux.")
    format_, place = FORMATS[name], Path(source)
    began = time.process_time()
    dataset = format_.read(place)
    seconds = time.process_time() - began
    figures = {"read_seconds": seconds, "read_peak": _peak(), "labels": dataset.given_labels.n_observed}
    if out:
        images = np.arange(0, len(dataset.image_ids), _EVERY)
        classes = np.array([dataset.given_labels.positives(image)[0] for image in images.tolist()])
        corrected = dataset.given_labels.replace(images, classes, np.full(len(images), ABSENT))
        began = time.process_time()
        format_.write(place, Path(out) / f"out{format_.suffix}", dataset, corrected)
        figures = {"write_seconds": time.process_time() - began, "write_peak": _peak()}
    sys.stdout.write(json.dumps(figures) + "\n")


def _peak() -> float:
    """Return the highest resident memory of this process so far."""
    line = next(line for line in _STATUS.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6
