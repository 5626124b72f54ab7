"""The real FiftyOne with its real MongoDB: one database for all tests of this process."""

import atexit
import os
import shutil
import socket
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from labelmend_app.fiftyone_bridge.connection import URI_VARIABLE, connect
from labelmend_app.fiftyone_bridge.mongod import Mongod
from labelmend_core.errors import WorkspaceError
from labelmend_core.ledger import Status
from labelmend_core.run_folder import OUT_OF_SAMPLE, RunFolder, write_array
from labelmend_core.types import AnnotatedDataset, LabelMatrix
from labelmend_core.workspace import Workspace

N_IMAGES = 6
CLASS_NAMES = ("dog", "<img src=x onerror=alert(1)>", "猫")


@pytest.fixture(scope="session")
def fiftyone_database() -> Iterator[ModuleType]:
    """Return fiftyone, connected to a MongoDB of its own: that of `FIFTYONE_DATABASE_URI` may be somebody's."""
    folder = Path(tempfile.mkdtemp(prefix="mongo"))  # pytest deletes its own before the process ends
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    server = Mongod(folder)
    try:
        uri = server.join()
    except WorkspaceError as error:
        pytest.skip(str(error))
    before = os.environ.get(URI_VARIABLE)
    os.environ[URI_VARIABLE] = uri
    atexit.register(server.leave)  # fiftyone asks its database once more when the process ends
    yield connect(Path())
    if before is None:
        del os.environ[URI_VARIABLE]
    else:
        os.environ[URI_VARIABLE] = before


@pytest.fixture(autouse=True)
def _warnings_of_others() -> Iterator[None]:
    """FiftyOne warns of its own use of other libraries."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """Six images, of which the first four lack a dog and the fifth has a cat too many."""
    (tmp_path / "images").mkdir()
    names = [f"{i}.png" for i in range(N_IMAGES)]
    for name in names:
        Image.new("RGB", (8, 8)).save(tmp_path / "images" / name)
    source = tmp_path / "labels.txt"
    source.write_text("\n", encoding="utf-8")
    labels = LabelMatrix.from_cells([4, 5, 5], [2, 1, 0], [1, 1, -1], (N_IMAGES, len(CLASS_NAMES)))
    dataset = AnnotatedDataset(names, names, CLASS_NAMES, labels)
    made = Workspace.create(
        tmp_path / "workspace", dataset, format_name="list", image_folder=tmp_path / "images", source=source
    )
    run_id = made.runs.start(mode="probe", loss="bce", labels="given", n_decisions=0, settings={})
    run = RunFolder(made.run_folder(run_id))
    run.path.mkdir(parents=True, exist_ok=True)
    run.write_pred_probs(np.linspace(0, 1, N_IMAGES * 3).reshape(N_IMAGES, 3))
    write_array(run.path / "embeddings.npy", np.eye(N_IMAGES, 4, dtype=np.float16))
    made.queue.save(run_id, _suggestions())
    made.runs.finish(run_id, Status.DONE, {"pred_probs": OUT_OF_SAMPLE})
    yield made
    made.close()


def _suggestions() -> pd.DataFrame:
    rows = [(i, 0, "missing", i + 1) for i in range(4)] + [(4, 2, "spurious", 1)]
    frame = pd.DataFrame(rows, columns=["image_index", "class_index", "kind", "rank"])
    reason = {"p": 0.9, "flip_epoch": None, "scores": {"neighbours": 1.5}}
    return frame.assign(
        label_quality=0.1, error_probability=0.9 - frame["rank"] / 10, low=0.2, high=0.95, reason=[reason] * len(frame)
    )


@pytest.fixture
def decide(fiftyone_database: ModuleType) -> Callable[..., None]:
    """Return a call that decides on the suggestion of an image as somebody does in FiftyOne."""

    def decide(name: str, image: int, **attributes: Any) -> None:
        sample = fiftyone_database.load_dataset(name).match(fiftyone_database.ViewField("image_index") == image).first()
        for attribute, value in attributes.items():
            sample["suggestions"].classifications[0][attribute] = value
        sample.save()

    return decide


@pytest.fixture
def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
