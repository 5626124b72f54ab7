"""A workspace to review, and its server, which may be killed."""

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import psutil

from labelmend_core.errors import InputError
from labelmend_core.ledger import Status
from labelmend_core.types import AnnotatedDataset, Kind, LabelMatrix
from labelmend_core.workspace import Workspace
from labelmend_datasets.digits import make_scenes

_SCENES, _SIDE = 2_000, 160
_PICTURES = {".jpg", ".jpeg", ".png", ".webp"}
_ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)")


def pictures(data: Path | None, folder: Path) -> tuple[Path, list[str]]:
    """Return a folder of images and their names in it: those of `data`, else scenes of digits.

    Raises:
        InputError: there are none.
    """
    if data is None:
        made = make_scenes(folder / "scenes", _SCENES, np.random.default_rng(0), _SIDE)
        return folder / "scenes", list(made.paths)
    images = data / "images" if (data / "images").is_dir() else data
    names = (
        sorted(path.name for path in images.iterdir() if path.suffix.lower() in _PICTURES) if images.is_dir() else []
    )
    if not names:
        raise InputError(f"Expected a folder of images, or one with such a folder 'images', found none in {data}.")
    return images, names


def make_workspace(folder: Path, images: Path, names: list[str], suggestions: int) -> Workspace:
    """Return a workspace with so many open suggestions, all of missing labels, in random order.

    What is suggested plays no part in how fast a screen is, so nothing is trained for it: the classes are made up, as
    many as the suggestions take.
    """
    rng = np.random.default_rng(0)
    n_classes = -(-suggestions // len(names))
    classes = [f"class {k}" for k in range(n_classes)]
    source = folder / "labels.txt"
    source.write_text("\n", encoding="utf-8")
    dataset = AnnotatedDataset(names, names, classes, LabelMatrix.empty((len(names), n_classes)))
    workspace = Workspace.create(folder / "workspace", dataset, format_name="list", image_folder=images, source=source)
    run_id = workspace.runs.start(mode="probe", loss="hill", labels="given", n_decisions=0, settings={})
    cells = rng.permutation(len(names) * n_classes)[:suggestions]
    scores = {"out_of_sample": 1.23, "neighbours": 0.51, "other_labels": -0.05}
    frame = pd.DataFrame(
        {
            "image_index": cells // n_classes,
            "class_index": cells % n_classes,
            "kind": Kind.MISSING.value,
            "rank": np.arange(1, suggestions + 1),
            "label_quality": 0.1,
            "error_probability": np.linspace(0.98, 0.2, suggestions),
            "low": 0.1,
            "high": 0.99,
            "reason": [{"p": 0.5123, "p_source": "out of sample", "flip_epoch": 3, "scores": scores}] * suggestions,
        }
    )
    workspace.queue.save(run_id, frame)
    workspace.runs.finish(run_id, Status.DONE)
    return workspace


_FIRST_PORT = 20_000 + os.getpid() % 10_000  # that no other benchmark takes while the server is away


class Server:
    """`labelmend review` of one workspace, always at the same address once it has one."""

    def __init__(self, workspace: Path) -> None:
        self._workspace = workspace
        self._port: int | None = None
        self._process: subprocess.Popen[str] | None = None

    def start(self, *, wait: bool = True) -> None:
        """Start it; without `wait` return before it answers."""
        port = str(self._port or _FIRST_PORT)
        command = [sys.executable, "-m", "labelmend_app.cli", "review", "--no-open", "--port", port]
        self._process = subprocess.Popen(
            [*command, "--workspace", str(self._workspace)], stdout=subprocess.PIPE, text=True
        )
        if wait:
            self.wait()

    def wait(self) -> None:
        """Wait until it says its address, and refuse another port than before, where no page would look for it."""
        assert self._process is not None
        assert self._process.stdout is not None
        found = next((match for line in self._process.stdout if (match := _ADDRESS.search(line))), None)
        if found is None:
            raise InputError(
                f"Expected 'labelmend review' to say its address, but it ended with {self._process.wait()}."
            )
        if self._port not in (None, int(found[1])):
            raise InputError(f"Expected port {self._port} to be free again, but something else took it; try again.")
        self._port = int(found[1])

    @property
    def port(self) -> int:
        """Where it listens, once it has said so."""
        assert self._port is not None
        return self._port

    def kill(self) -> None:
        """End it as a power cut does."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def megabytes(self) -> float:
        """Return the memory that it alone holds."""
        assert self._process is not None
        return float(psutil.Process(self._process.pid).memory_full_info().uss / 1e6)

    def url(self, **query: object) -> str:
        """Return the address of the review."""
        return f"http://127.0.0.1:{self.port}/review?{urlencode(query)}"
