"""What the blockwise path keeps in memory: neither a mapped file nor results that nobody has taken."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from labelmend_core.detection.chunks import probabilities
from labelmend_core.detection.parts import Parts
from labelmend_core.types import LabelMatrix

_RESIDENT = """
import os, resource, sys, numpy as np
os.sched_getaffinity = lambda pid: {0, 1}  # each further core reads a chunk of its own
from labelmend_core import LabelMatrix, find_label_issues
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
def resident(name):
    line = next(line for line in open("/proc/self/status") if line.startswith(name))
    return int(line.split()[1]) // 1024
p = np.load(sys.argv[1], mmap_mode="r")
labels = LabelMatrix.from_cells(range(0, 1000, 2), range(500), [1] * 500, p.shape)
find_label_issues(np.eye(3), np.eye(3))
before = resident("VmRSS")
assert 200 <= len(find_label_issues(labels, p)) <= 500
print(resident("VmHWM") - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="resident memory is read from /proc")
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_mapped_file_does_not_stay_in_memory(tmp_path: Path, order: str) -> None:
    shape, megabytes = (400_000, 500), 400
    path = tmp_path / "p.npy"
    header = {"descr": "<f2", "fortran_order": order == "F", "shape": shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + 2 * shape[0] * shape[1])  # a hole: zeros that take no room on the disk
    p = np.load(path, mmap_mode="r+")
    p[range(1000), np.repeat(range(500), 2)] = 0.9  # every second one of these is labelled
    p.flush()
    done = subprocess.run(
        [sys.executable, "-c", _RESIDENT, str(path)], check=True, capture_output=True, text=True, env=os.environ
    )
    assert int(done.stdout) < megabytes / 3


def test_no_more_chunks_are_worked_on_than_the_threads_need() -> None:
    shape, threads = (40, 3), 2
    p = probabilities(np.full(shape, 0.5, dtype=np.float32))
    begun: list[int] = []
    parts = Parts(LabelMatrix.empty(shape), p, passes=1, chunk_cells=3, threads=threads)
    for taken, _ in enumerate(parts.each(lambda part: begun.append(1))):
        if not taken:
            time.sleep(0.2)  # threads that went on would be through all by now
        assert len(begun) <= taken + threads + 2
    assert len(begun) == taken + 1 > 2 * threads
