"""The routes of the review on a workspace with all that a run leaves, asked without a network in between."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import anyio
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from starlette.applications import Starlette

from labelmend_app.evidence.api import EvidenceApi
from labelmend_app.guidelines.api import GuidelinesApi
from labelmend_app.review.api import ReviewApi
from labelmend_app.review.standing_api import StandingApi
from labelmend_core.ledger import Status
from labelmend_core.run_folder import RunFolder, write_array
from labelmend_core.types import AnnotatedDataset, Decision, LabelMatrix, Verdict
from labelmend_core.workspace import Workspace

N, EPOCHS = 40, 5
SUGGESTED = range(20)  # images that seem to lack class 0, ranks 1 to 20
LABELLED = range(30, 40)  # with class 0
AUDITED, PLACE = 25, 4  # an image of the audit sample, shown after rank 4
CLASS_NAMES = ("cat", "<b>dog</b>", "bus")


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    names = [f"{i:02}.jpg" for i in range(N)]
    for name in names:
        Image.new("RGB", (32, 24)).save(tmp_path / name)
    source = tmp_path / "train.txt"
    source.write_text("".join(f"{name},\n" for name in names))
    cells = [(i, 0) for i in LABELLED] + [(0, 1), (1, 1)]
    given = LabelMatrix.from_cells([i for i, _ in cells], [k for _, k in cells], [1] * len(cells), (N, 3))
    dataset = AnnotatedDataset(names, names, CLASS_NAMES, given)
    made = Workspace.create(tmp_path / "workspace", dataset, format_name="list", image_folder=tmp_path, source=source)
    yield made
    made.close()


@pytest.fixture
def run_id(workspace: Workspace) -> str:
    """Image i lies at the angle of i degrees; p of cell (i, k) rises from 0 to (i + k) / 100."""
    made = workspace.runs.start(mode="probe", loss="bce", labels="given", n_decisions=0, settings={})
    workspace.runs.finish(made, Status.DONE)
    run, angle = RunFolder(workspace.run_folder(made)), np.deg2rad(9 * np.arange(N))
    write_array(run.path / "embeddings.npy", np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float16))
    last = (np.arange(N)[:, None] + np.arange(3)) / 100
    for epoch in range(EPOCHS):
        run.write_epoch(epoch, last * epoch / (EPOCHS - 1))
    rows = [
        {"image_index": i, "class_index": 0, "kind": "missing", "rank": i + 1, "error_probability": 0.9 - i / 100}
        for i in SUGGESTED
    ]
    rows += [{**rows[0], "image_index": i, "class_index": 1, "rank": 21 + i} for i in (2, 3)]
    rows += [{**rows[0], "image_index": 30, "kind": "spurious", "rank": 1, "error_probability": 0.4}]
    common = {"label_quality": 0.1, "low": 0.5, "high": 1.0}
    reasons = [{"p": round(row["rank"] / 100, 2), "scores": {"other_labels": 0.3}} for row in rows]
    workspace.queue.save(made, pd.DataFrame(rows).assign(**common, reason=reasons))
    sample = {"image_index": [AUDITED], "class_index": [0], "kind": ["missing"], "inclusion_probability": [0.5]}
    sample |= {"error_probability": [0.01], "place": [PLACE], "again": [PLACE + 10]}
    workspace.audits.save(made, pd.DataFrame(sample))
    return made


@dataclass
class Reply:
    status: int
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Client:
    app: Starlette

    def get(self, path: str, **query: object) -> Reply:
        asking = {"reviewer": "Dee"} if path in ("/api/queue", "/api/images") else {}
        return self._ask("GET", path, urlencode(asking | query).encode())

    def post(self, path: str, message: object, **headers: str) -> Reply:
        sent = {"content-type": "application/json", "origin": "http://here", "host": "here", **headers}
        return self._ask("POST", path, b"", json.dumps(message).encode(), sent)

    def _ask(
        self, method: str, path: str, query: bytes, body: bytes = b"", sent: dict[str, str] | None = None
    ) -> Reply:
        headers = [(name.encode(), value.encode()) for name, value in (sent or {}).items()]
        scope = {"type": "http", "method": method, "path": path, "raw_path": quote(path).encode()}
        scope |= {"query_string": query, "headers": headers, "http_version": "1.1", "scheme": "http", "root_path": ""}
        got: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            got.append(message)

        with ThreadPoolExecutor(1) as thread:  # in the main one Playwright may have a loop running
            thread.submit(anyio.run, self.app, scope, receive, send).result()
        return Reply(got[0]["status"], b"".join(part.get("body", b"") for part in got[1:]))


@pytest.fixture
def client(workspace: Workspace) -> Client:
    apis = (EvidenceApi(workspace), GuidelinesApi(workspace), StandingApi(workspace), ReviewApi(workspace))
    return Client(Starlette(routes=[route for api in apis for route in api.routes()]))


@pytest.fixture
def answer(workspace: Workspace) -> Callable[[int, int, str], None]:
    """Answers a cell: image, class, verdict."""
    counted = count(1)

    def decide(image: int, class_index: int, verdict: str) -> None:
        now = datetime(2026, 3, 1, tzinfo=UTC)
        said = Decision("client-1", next(counted), image, class_index, Verdict(verdict), "Anna", now)
        workspace.ledger.append([said])

    return decide
