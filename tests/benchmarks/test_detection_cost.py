"""The cost benchmark measures what it says, on sizes that take a moment."""

from pathlib import Path

import numpy as np
import pytest

from labelmend_app.benchmarks.detection import cost
from labelmend_app.benchmarks.detection.baselines import has_cleanlab
from labelmend_core.errors import InputError

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="resident memory is read from /proc")


def _show(phase: str, done: int, total: int) -> None:
    pass


def test_every_method_is_measured_at_every_size(tmp_path: Path) -> None:
    rows = list(cost.compare(tmp_path, _show, sizes=((300, 8), (400, 6)), repeats=1))
    methods = [cost.OURS, cost.SCORES] if has_cleanlab() else [cost.OURS]
    assert [(row.method, row.images, row.classes) for row in rows] == [
        (method, *size) for size in ((300, 8), (400, 6)) for method in methods
    ]
    for row in rows:
        assert row.seconds > 0
        assert 0 <= row.megabytes < row.resident
        assert row.found > 0
    assert list(tmp_path.iterdir()) == []


def test_a_mapped_file_of_half_precision_is_measured(tmp_path: Path) -> None:
    row = cost.large(tmp_path, _show, size=(500, 6))
    assert (row.method, row.dtype) == (cost.OURS, "float16, mapped")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_room_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="GB free"):
        cost.large(tmp_path, _show, size=(10**9, 10**6))


def test_the_slope_of_what_grows_linearly_is_one() -> None:
    rows = [cost.Row(cost.OURS, n, 10, "float32", n / 1e5, 0, 0, 0, 0) for n in (10, 100, 1_000)]
    assert cost.slope(rows) == pytest.approx(1)


def test_the_synthetic_labels_are_sparse_and_the_model_fair(tmp_path: Path) -> None:
    cost._make(tmp_path, (2_000, 40), np.float32)
    probs = np.load(tmp_path / "probs.npy")
    labels = np.load(tmp_path / "labels.npz")
    given = np.zeros(probs.shape, dtype=bool)
    given[np.repeat(np.arange(2_000), np.diff(labels["indptr"])), labels["indices"]] = True
    assert 1 < given.sum(axis=1).mean() < 4
    assert probs[given].mean() > 0.7
    assert probs[~given].mean() < 0.1
