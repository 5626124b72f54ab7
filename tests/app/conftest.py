"""The real server on the loopback address, on a workspace of a dozen pictures."""

import base64
import http.client
import json
import re
import shutil
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
from streamlit.testing.v1 import AppTest

from labelmend_app import recipes
from labelmend_app.importing import import_annotations
from labelmend_app.review.api import workspace_key
from labelmend_app.run_options import run_settings
from labelmend_app.training import train_in
from labelmend_core.ledger import Status
from labelmend_core.models import BackboneSpec
from labelmend_core.training import RunSettings, Schedule
from labelmend_core.types import AnnotatedDataset, LabelMatrix
from labelmend_core.workspace import Workspace
from labelmend_datasets.digits import make_scenes

N_IMAGES = 12
BROKEN, ABSENT_FILE, ODD_NAME = 9, 10, 11
CLASS_NAMES = ("dog", "<img src=x onerror=alert(1)>")
LARGE = (900, 600)
SERVE = "import sys; from pathlib import Path; from labelmend_app.server import serve; serve(Path(sys.argv[1]), port={port}, open_browser=False{options})"  # noqa: E501


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

    def opens_websocket(self, **headers: str) -> bool:
        """Whether Streamlit's websocket, by which a page gets all that it shows, opens."""
        sent = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Version": "13", **headers}
        key = base64.b64encode(bytes(16)).decode()
        connection = http.client.HTTPConnection(self.host, timeout=60)
        with closing(connection):
            names = {name.replace("_", "-"): value for name, value in sent.items()}
            connection.request("GET", "/_stcore/stream", headers={"Sec-WebSocket-Key": key, **names})
            return connection.getresponse().status == 101

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


def start(folder: Path, port: int = 0, options: str = "", cwd: Path | None = None) -> tuple[subprocess.Popen[str], str]:
    """Start a server and return it with host:port as it printed them, once it answers."""
    command = [sys.executable, "-c", SERVE.format(port=port, options=options), str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=cwd)
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if found := re.search(r"http://\S+/review", line):
            break
    else:
        raise AssertionError("".join(said))
    host = urlsplit(found[0]).netloc
    connection = http.client.HTTPConnection(host, timeout=60)
    with closing(connection):
        connection.request("GET", "/_stcore/health")  # waits in the socket's backlog until the app is up
        assert connection.getresponse().status in (200, 401)  # it may ask for a token
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
def untouched_server(tmp_path: Path) -> Iterator[Server]:
    """A server that no other test has asked or told anything."""
    with closing(make_workspace(tmp_path)) as workspace:
        process, host = start(workspace.folder)
        yield Server(workspace, host, process)
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def looking_server(scenes_workspace: Callable[[], Workspace]) -> Iterator[tuple[Server, str, str]]:
    """A server with two runs that left a network: a probe, and one that was trained whole."""
    workspace = scenes_workspace()
    schedule = Schedule(epochs=1, lr=1e-3)
    backbone = BackboneSpec("test_resnet", "random", image_size=128)
    probe = train_in(workspace, RunSettings("probe", "bce", backbone, schedule, folds=2, planted=0))
    whole = train_in(workspace, RunSettings("finetune", "bce", backbone, schedule, folds=1, planted=0))
    process, host = start(workspace.folder)
    yield Server(workspace, host, process), probe.run_id, whole.run_id
    process.kill()
    process.communicate()
    workspace.close()


@pytest.fixture(scope="session")
def start_server() -> Iterator[Callable[..., tuple[subprocess.Popen[str], str]]]:
    """Starts another server on a workspace from a port on, and kills it after the tests."""
    started: list[subprocess.Popen[str]] = []

    def start_another(
        folder: Path, port: int, options: str = "", cwd: Path | None = None
    ) -> tuple[subprocess.Popen[str], str]:
        process, host = start(folder, port, options, cwd)
        started.append(process)
        return process, host

    yield start_another
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of 50 scenes of digits, 10 more for validation, to make copies of: nothing is trained in it."""
    folder = tmp_path_factory.mktemp("recipes")
    for name, n in (("train", 50), ("validation", 10)):
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
    return folder / "workspace"


@pytest.fixture(scope="session")
def scenes_workspace(untouched: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Workspace]:
    """Return a call that opens a workspace of 50 scenes of digits, 10 more for validation."""
    folder = shutil.copytree(untouched, tmp_path_factory.mktemp("scenes") / "workspace")
    return lambda: Workspace.open(folder)


@pytest.fixture
def smoke_epoch(scenes_workspace: Callable[[], Workspace]) -> Callable[..., dict[str, Any]]:
    """Return a call that trains one epoch of a recipe on small images from random weights and gives its metrics."""

    def train(name: str, **changes: Any) -> dict[str, Any]:
        settings = run_settings(
            recipes.read(name).settings,
            {
                "backbone.weights": "random",
                "backbone.image_size": 32,
                "schedule.epochs": 1,
                "batch_size": 15,
                "hold_out": 0.4,  # 20 images, the fewest
                **changes,
            },
        )
        with closing(scenes_workspace()) as workspace:
            record = train_in(workspace, settings)
            shutil.rmtree(workspace.run_folder(record.run_id))  # up to two gigabytes of weights and moments
            return dict(record.metrics)

    return train


@pytest.fixture
def open_screen(workspace: Workspace) -> Callable[..., AppTest]:
    """Draw a screen as a fresh page would, with the given query parameters."""

    def draw(screen: str, of: Workspace = workspace, **query: str | list[str]) -> AppTest:
        page = AppTest.from_function(_script, args=(str(of.folder), screen), default_timeout=600)
        for name, value in query.items():
            page.query_params[name] = value
        page.run()
        assert not page.exception, page.exception
        return page

    return draw


@pytest.fixture
def charts() -> Callable[[AppTest], list[dict[str, Any]]]:
    """Return the plotly figures of a page as plain values."""

    def of(page: AppTest) -> list[dict[str, Any]]:
        return [json.loads(chart.proto.spec, object_hook=_decoded) for chart in page.get("plotly_chart")]

    return of


def _decoded(value: dict[str, Any]) -> Any:
    """Plotly sends numbers as base64."""
    if "bdata" in value:
        return np.frombuffer(base64.b64decode(value["bdata"]), value["dtype"]).tolist()
    return value


def _script(folder: str, screen: str) -> None:
    import importlib
    from pathlib import Path

    from labelmend_core.workspace import Workspace

    importlib.import_module(f"labelmend_app.screens.{screen}").render(Workspace.open(Path(folder)))


@pytest.fixture(scope="session")
def train() -> Iterator[Callable[..., Any]]:
    """Return a call that trains in a process of its own and returns what it says; None when it was killed."""
    command = [sys.executable, "-W", "error", str(Path(__file__).parent / "forked_trainer.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as trainer:

        def ask(workspace: Path, settings: RunSettings, **more: Any) -> Any:
            line = {"run": None, "die_at": None, "fail_in": None, "processes": 1, **more}
            line |= {"workspace": str(workspace), "settings": settings.to_dict()}
            assert trainer.stdin is not None
            assert trainer.stdout is not None
            print(json.dumps(line), file=trainer.stdin, flush=True)
            return json.loads(trainer.stdout.readline())

        yield ask
        trainer.stdin.close()  # type: ignore[union-attr]
