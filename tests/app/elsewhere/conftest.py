"""A workspace of two images with suggestions that a task of another tool asks about."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from labelmend_core.ledger import Status
from labelmend_core.types import AnnotatedDataset, LabelMatrix
from labelmend_core.workspace import Workspace

NAMES = ["cat", "<img src=x onerror=alert(1)>", "a\"b'c & كلب 🐕‍🦺"]
IMAGES = ["a b.jpg", "b.jpg"]
SUGGESTED = [(0, 1, "missing", 0.9), (0, 0, "spurious", 0.7), (1, 2, "missing", 0.8), (1, 0, "missing", 0.2)]


@pytest.fixture
def names() -> list[str]:
    return NAMES


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    source = tmp_path / "train.txt"
    source.write_text("a b.jpg,0\nb.jpg,\n")
    dataset = AnnotatedDataset(IMAGES, IMAGES, NAMES, LabelMatrix.from_cells([0], [0], [1], (2, 3)))
    made = Workspace.create(tmp_path / "workspace", dataset, format_name="list", image_folder=tmp_path, source=source)
    yield made
    made.close()


@pytest.fixture
def suggest(workspace: Workspace) -> Callable[[], str]:
    def save() -> str:
        run_id = workspace.runs.start(mode="probe", loss="bce", labels="given", n_decisions=0, settings={})
        columns = ["image_index", "class_index", "kind", "error_probability"]
        frame = pd.DataFrame(SUGGESTED, columns=columns)
        frame["rank"] = frame.groupby("kind")["error_probability"].rank(ascending=False).astype(int)
        workspace.queue.save(run_id, frame.assign(label_quality=0.1, low=0.1, high=1.0, reason=[{}] * len(frame)))
        workspace.runs.finish(run_id, Status.DONE)
        return run_id

    return save
