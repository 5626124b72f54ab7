"""The real server on the loopback address, on a workspace of a dozen pictures."""

import http.client
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from labelmend_app import recipes
from labelmend_app.api import workspace_key
from labelmend_app.importing import import_annotations
from labelmend_app.run_options import run_settings
from labelmend_app.training import train_in
from labelmend_core.ledger import Status
from labelmend_core.types import AnnotatedDataset, LabelMatrix
from labelmend_core.workspace import Workspace
from labelmend_datasets.digits import make_scenes

N_IMAGES = 12
BROKEN, ABSENT_FILE, ODD_NAME = 9, 10, 11
CLASS_NAMES = ("dog", "<img src=x onerror=alert(1)>")
LARGE = (900, 600)
SERVE = "import sys; from pathlib import Path; from labelmend_app.server import serve; serve(Path(sys.argv[1]), port={port}, open_browser=False)"  # noqa: E501


@pytest.fixture(autouse=True)
def _own_main_module() -> Iterator[None]:
    """Give `__main__` back: AppTest puts the drawn script there, which a worker spawned later would run."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def sentence(self) -> str:
        assert self.headers["Content-Type"] == "application/json"
        sentence: str = self.json["error"]
        assert re.fullmatch(r"[A-Z].*[.?]", sentence), sentence
        return sentence


@dataclass
class Server:
    workspace: Workspace
    host: str
    process: subprocess.Popen[str]

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        connection = http.client.HTTPConnection(self.host, timeout=60)
        with closing(connection):
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, **headers)

    def decide(self, message: Any, **headers: str) -> Answer:
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        sent = {"Content_Type": "application/json", "Origin": f"http://{self.host}", **headers}
        return self.ask("POST", "/api/decisions", body, **sent)

    def batch(self, client: str, *events: dict[str, Any], **changed: Any) -> dict[str, Any]:
        message = {"workspace": workspace_key(self.workspace), "client": client, "reviewer": "Anna", **changed}
        return {**message, "decisions": list(events)}

    def stored(self, client: str) -> list[tuple[int, int, int, str]]:
        decisions = self.workspace.ledger.decisions()
        return [(d.seq, d.image, d.class_index, d.verdict.value) for d in decisions if d.client == client]


def make_workspace(folder: Path) -> Workspace:
    images = folder / "images"
    images.mkdir(parents=True)
    names = [f"{i:02}.png" for i in range(N_IMAGES - 1)] + ["a b#%41?&é.png"]
    rng = np.random.default_rng(0)
    for i, name in enumerate(names):
        size = LARGE if i == 0 else (64, 48)
        Image.fromarray(rng.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)).save(images / name)
    (images / names[BROKEN]).write_text("<html>404</html> no picture")
    (images / names[ABSENT_FILE]).unlink()
    labels = LabelMatrix.from_cells([0], [1], [1], (N_IMAGES, len(CLASS_NAMES)))
    source = folder / "train.txt"
    source.write_text("".join(f"{name},{'1' if i == 0 else ''}\n" for i, name in enumerate(names)))
    dataset = AnnotatedDataset(names, names, CLASS_NAMES, labels)
    workspace = Workspace.create(folder / "workspace", dataset, format_name="list", image_folder=images, source=source)
    run_id = workspace.runs.start(mode="probe", loss="bce", labels="given", n_decisions=0, settings={})
    workspace.queue.save(run_id, suggestions())
    workspace.runs.finish(run_id, Status.DONE)
    return workspace


def suggestions() -> pd.DataFrame:
    rows = [
        {
            "image_index": i,
            "class_index": 0,
            "kind": "missing",
            "rank": i + 1,
            "label_quality": 0.1 + i / 100,
            "error_probability": 0.9 - i / 100,
            "low": 0.8,
            "high": 1.0,
            "reason": {"out_of_sample_p": 0.9, "flip_epoch": None},
        }
        for i in range(N_IMAGES)
    ]
    return pd.DataFrame(rows)


def start(folder: Path, port: int = 0) -> tuple[subprocess.Popen[str], str]:
    """Start a server and return it with host:port as it printed them, once it answers."""
    command = [sys.executable, "-c", SERVE.format(port=port), str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.search(r"http://\S+/review", line)
    assert found, line + process.stdout.read()
    host = urlsplit(found[0]).netloc
    connection = http.client.HTTPConnection(host, timeout=60)
    with closing(connection):
        connection.request("GET", "/_stcore/health")  # waits in the socket's backlog until the app is up
        assert connection.getresponse().status == 200
    return process, host


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    workspace = make_workspace(tmp_path_factory.mktemp("served"))
    process, host = start(workspace.folder)
    yield Server(workspace, host, process)
    process.kill()
    process.communicate()
    workspace.close()


@pytest.fixture
def start_server() -> Iterator[Callable[[Path, int], tuple[subprocess.Popen[str], str]]]:
    """Starts another server on a workspace from a port on, and kills it after the test."""
    started: list[subprocess.Popen[str]] = []

    def start_another(folder: Path, port: int) -> tuple[subprocess.Popen[str], str]:
        process, host = start(folder, port)
        started.append(process)
        return process, host

    yield start_another
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def scenes_workspace(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Workspace]:
    """Return a call that opens a workspace of 80 scenes of digits, 20 more for validation."""
    folder = tmp_path_factory.mktemp("recipes")
    for name, n in (("train", 80), ("validation", 20)):
        made = make_scenes(folder / "photos" / name, n, np.random.default_rng(n), 32)
        lines = [
            f"{name}/{image}," + " ".join(map(str, made.given_labels.positives(i)))
            for i, image in enumerate(made.image_ids)
        ]
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "classes.txt").write_text("\n".join(made.class_names) + "\n", encoding="utf-8")
    import_annotations(
        folder / "workspace",
        folder / "train.txt",
        folder / "photos",
        format_name="list",
        classes=folder / "classes.txt",
        validation=folder / "validation.txt",
    ).close()
    return lambda: Workspace.open(folder / "workspace")


@pytest.fixture
def smoke_epoch(scenes_workspace: Callable[[], Workspace]) -> Callable[[str], dict[str, Any]]:
    """Return a call that trains one epoch of a recipe on small images from random weights and gives its metrics."""

    def train(name: str) -> dict[str, Any]:
        settings = run_settings(
            recipes.read(name).settings,
            {
                "backbone.weights": "random",
                "backbone.image_size": 32,
                "schedule.epochs": 1,
                "batch_size": 30,
                "hold_out": 0.25,
            },
        )
        with closing(scenes_workspace()) as workspace:
            return dict(train_in(workspace, settings).metrics)

    return train
