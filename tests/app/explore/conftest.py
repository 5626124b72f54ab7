"""A workspace whose run left all that there is to explore: suggestions, a sample, dynamics, features and p."""

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from labelmend_core.ledger import Status
from labelmend_core.run_folder import RunFolder, write_array
from labelmend_core.types import AnnotatedDataset, Decision, Dynamics, LabelMatrix, Verdict
from labelmend_core.workspace import Workspace

N = 40
CLASS_NAMES = ("cat", "<img src=x onerror=alert(1)>", "bus")
SUGGESTED = range(20)  # images of class 0 that seem to lack it, 0.90 likely and falling by 0.01
CARRYING = (38, 39)  # images given class 2, which seem not to show it
AUDITED = 30  # image of class 0 that is no suggestion


@pytest.fixture(scope="session")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that every test gets a copy of: making it takes longer than copying it."""
    folder = tmp_path_factory.mktemp("explored")
    names = [f"{'night' if i % 2 else 'day'}_{i:02}.jpg" for i in range(N)]
    (folder / "images").mkdir()
    for i, name in enumerate(names):
        Image.new("RGB", (8, 8), (6 * i, 20, 20)).save(folder / "images" / name)
    source = folder / "train.txt"
    source.write_text("".join(f"{name},{'2' if i in CARRYING else ''}\n" for i, name in enumerate(names)))
    labels = LabelMatrix.from_cells(CARRYING, [2, 2], [1, 1], (N, len(CLASS_NAMES)))
    places = {"image_folder": folder / "images", "source": source}
    dataset = AnnotatedDataset(names, names, CLASS_NAMES, labels)
    for name in ("bare", "workspace"):
        made = Workspace.create(folder / name, dataset, format_name="list", **places)
        if name == "workspace":
            _suggest(made)
        made.close()
    return folder


@pytest.fixture
def workspace(_made: Path, tmp_path: Path) -> Iterator[Workspace]:
    shutil.copytree(_made / "workspace", tmp_path / "workspace")
    opened = Workspace.open(tmp_path / "workspace")
    yield opened
    opened.close()


@pytest.fixture
def bare(_made: Path) -> Iterator[Workspace]:
    """Nothing is trained in it; to be read only."""
    opened = Workspace.open(_made / "bare")
    yield opened
    opened.close()


@pytest.fixture
def run_id(workspace: Workspace) -> str:
    return workspace.queue.latest_run() or ""


def _suggest(workspace: Workspace) -> None:
    made = workspace.runs.start(mode="probe", loss="bce", labels="given", n_decisions=0, settings={})
    workspace.runs.finish(made, Status.DONE)
    _fill(RunFolder(workspace.run_folder(made)))
    rows = [(i, 0, "missing", i + 1, 0.9 - i / 100) for i in SUGGESTED]
    rows += [(0, 1, "missing", 21, 0.6), (38, 2, "spurious", 1, 0.8), (39, 2, "spurious", 2, 0.7)]
    frame = pd.DataFrame(rows, columns=["image_index", "class_index", "kind", "rank", "error_probability"])
    common = {"label_quality": 0.1, "low": 0.5, "high": 1.0}
    workspace.queue.save(made, frame.assign(**common, reason=[{"p": 0.5}] * len(frame)))
    cell = {"image_index": AUDITED, "class_index": 0, "kind": "missing", "place": 2, "again": 12}
    workspace.audits.save(made, pd.DataFrame([{**cell, "error_probability": 0.01, "inclusion_probability": 0.5}]))


def _fill(run: RunFolder) -> None:
    """Image i is i / N likely to show each class; the features lie on a line in the order of the images."""
    p = np.repeat((np.arange(N, dtype=np.float32) / N)[:, None], len(CLASS_NAMES), axis=1)
    never = np.full(p.shape, -1, dtype=np.int16)
    run.path.mkdir(parents=True, exist_ok=True)
    run.write_pred_probs(p)
    run.write_dynamics(Dynamics(mean=p, variance=(p * (1 - p)) ** 2, last=p, flip_epoch=never, flips=never))
    rng = np.random.default_rng(0)
    features = np.arange(N)[:, None] * np.ones(8) + rng.normal(0, 0.1, (N, 8))
    write_array(run.path / "embeddings.npy", features.astype(np.float16))


Answer = Callable[..., None]


@pytest.fixture
def answer(workspace: Workspace) -> Answer:
    counted = iter(range(1, 1000))

    def decide(
        image: int, class_index: int, verdict: Verdict, reviewer: str = "Anna", *, adjudicates: bool = False
    ) -> None:
        now = datetime(2026, 3, 1, tzinfo=UTC)
        said = Decision("client-1", next(counted), image, class_index, verdict, reviewer, now, adjudicates=adjudicates)
        workspace.ledger.append([said])

    return decide


@pytest.fixture
def select(workspace: Workspace) -> Callable[..., str]:
    """Return a call that saves cells, (image, class, kind) each, and gives their key."""

    def save(*cells: tuple[int, int, str]) -> str:
        return workspace.selections.save(pd.DataFrame(cells, columns=["image_index", "class_index", "kind"]))

    return save


@pytest.fixture
def explore(open_screen: Callable[..., AppTest]) -> Callable[..., AppTest]:
    """Return a call that draws the screen as a fresh page would, with the given query parameters."""
    return partial(open_screen, "explore")
