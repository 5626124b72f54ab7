"""The pages of docs: their commands run, they build without a warning, and their figures can be drawn again."""

import functools
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from defusedxml import ElementTree

from labelmend_app import digits_demo
from labelmend_core.types import AnnotatedDataset, LabelMatrix
from labelmend_datasets.digits import make_scenes
from labelmend_datasets.formats import FORMATS

REPOSITORY = Path(__file__).resolve().parent.parent
PAGES = sorted(str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "docs").rglob("*.md"))
ON_A_SERVER = "docs/how-to/postgresql.md"
# Beside libraries of others, in test_documents.py and app/fiftyone_bridge/test_how_to.py.
RUN_ELSEWHERE = ("docs/how-to/own-training.md", "docs/how-to/fiftyone.md")
N_TRAIN, N_COMPLETE, N_DEMO = 60, 30, 90
COMMAND = re.compile(r"^(labelmend|make) ", re.MULTILINE)
FIGURE = re.compile(r"(?<!\d)\.\d{2,3}\b|\b\d+ %")
IMAGE_SERVER = "https://images.example.org"  # of which a test has one of its own
PLAIN_REVIEW = re.compile(r"labelmend review( --workspace \S+)?")  # the test of the README opens one
# What a page loads, and not where its links lead.
LOADED = re.compile(
    r"<(?:script|img|iframe|source)[^>]*\ssrc=[\"']?https?:|<link[^>]*\shref=[\"']?https?:|@import|url\(http"
)


def _text(page: str) -> str:
    return (REPOSITORY / page).read_text(encoding="utf-8")


def _code(page: str) -> list[tuple[str, str]]:
    """Language and content of every block, in their order."""
    return re.findall(r"^```(\w*)\n(.*?)^```", _text(page), flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def files_of_a_user(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the pages of docs speak of: photos, labels and boxes of them, and predictions."""
    folder = tmp_path_factory.mktemp("user")
    rng = np.random.default_rng(0)
    made = make_scenes(folder / "photos", N_TRAIN + N_COMPLETE, rng, 32)
    shutil.make_archive(str(folder / "photos"), "zip", folder / "photos")
    splits = {"instances": slice(0, N_TRAIN), "complete": slice(N_TRAIN, None)}
    for name, rows in splits.items():
        part = replace(made, image_ids=made.image_ids[rows], paths=made.paths[rows], given_labels=_rows(made, rows))
        (folder / f"{name}.json").write_text(json.dumps(_boxes(part)), encoding="utf-8")
        FORMATS["csv"].create(folder / ("labels.csv" if name == "instances" else "others.csv"), part)
        if name == "instances":
            guessed = np.clip((part.given_labels.dense() == 1) * 0.6 + rng.random((N_TRAIN, 10)) * 0.4, 0, 1)
            np.save(folder / "probs.npy", guessed)
            lines = [",".join((image, *map(str, row))) for image, row in zip(part.image_ids, guessed, strict=True)]
            (folder / "probs.csv").write_text("\n".join((f"image,{','.join(made.class_names)}", *lines)) + "\n")
    return folder


def _rows(made: AnnotatedDataset, rows: slice) -> LabelMatrix:
    return made.given_labels.select(np.arange(len(made.image_ids))[rows])


def _boxes(dataset: AnnotatedDataset) -> dict[str, list[dict[str, object]]]:
    """The labels as COCO has them, each with a box in the corner."""
    cells = [(i, int(k)) for i in range(len(dataset.image_ids)) for k in dataset.given_labels.positives(i)]
    return {
        "images": [{"id": i, "file_name": name, "width": 32, "height": 32} for i, name in enumerate(dataset.image_ids)],
        "categories": [{"id": k, "name": name} for k, name in enumerate(dataset.class_names)],
        "annotations": [
            {"id": n, "image_id": i, "category_id": k, "bbox": [0, 0, 8, 8]} for n, (i, k) in enumerate(cells)
        ],
    }


@pytest.fixture(scope="module")
def workspace_of_a_user(
    files_of_a_user: Path, tmp_path_factory: pytest.TempPathFactory, run_here: Callable[[str], None]
) -> Path:
    """A workspace with suggestions, for the pages that begin after the first training."""
    folder = tmp_path_factory.mktemp("trained") / ".labelmend"
    run_here(f"labelmend import {files_of_a_user}/labels.csv --images {files_of_a_user}/photos --workspace {folder}")
    small = "--backbone test_resnet --weights random --image-size 32"
    run_here(f"labelmend train {small} --workspace {folder}")
    run_here(f"labelmend suggest --workspace {folder}")
    return folder


@pytest.fixture
def at_home(
    tmp_path: Path, files_of_a_user: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Callable[[bool], None]:
    """Return a call that changes into a copy of these files, with the workspace or without."""

    def change(with_workspace: bool) -> None:
        shutil.copytree(files_of_a_user, tmp_path, dirs_exist_ok=True)
        if with_workspace:
            shutil.copytree(request.getfixturevalue("workspace_of_a_user"), tmp_path / ".labelmend")
        chosen = {"BACKBONE": "test_resnet", "WEIGHTS": "random", "IMAGE_SIZE": "32"}
        for name, value in chosen.items():
            monkeypatch.setenv(f"LABELMEND_{name}", value)
        monkeypatch.setenv("LABELMEND_IMAGE_CACHE", str(tmp_path / "fetched images"))
        monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
        monkeypatch.setattr(digits_demo, "N_TRAIN", N_DEMO)  # 3,000 are made in test_demo.py
        monkeypatch.setattr(digits_demo, "N_VALIDATION", N_COMPLETE)
        monkeypatch.chdir(tmp_path)

    return change


@pytest.fixture
def image_server() -> Iterator[Callable[[], str]]:
    """Return a call that starts a server of the folder that one is in, and gives its address."""
    servers: list[ThreadingHTTPServer] = []

    def start() -> str:
        handler = functools.partial(_Quiet, directory=str(Path.cwd()))
        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _submit_all(tasks: Path, project: Path) -> None:
    """What Label Studio exports when user 1 has submitted each task as it was predicted."""
    submitted = json.loads(tasks.read_text(encoding="utf-8"))
    for task in submitted:
        result = task["predictions"][0]["result"]
        task["annotations"] = [{"completed_by": 1, "updated_at": "2026-03-01T10:00:00Z", "result": result}]
    project.write_text(json.dumps(submitted), encoding="utf-8")


@pytest.mark.parametrize("page", [page for page in PAGES if _code(page) and page not in RUN_ELSEWHERE])
def test_the_blocks_of_a_page_run_in_their_order(
    page: str,
    at_home: Callable[[bool], None],
    run_here: Callable[[str], None],
    open_and_close_the_review: Callable[[str], None],
    image_server: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    blocks = _code(page)
    assert {language for language, _ in blocks} <= {"sh", "python", "text"}
    assert not [code for language, code in blocks if language == "text" and COMMAND.search(code)]
    commands = [line for language, code in blocks if language == "sh" for line in code.splitlines()]
    at_home(bool(commands) and commands[0].split()[1] not in ("import", "demo", "find"))
    if page == ON_A_SERVER:
        monkeypatch.setenv("LABELMEND_DATABASE_URL", request.getfixturevalue("postgres").url)
    for language, code in blocks:
        if language == "python":
            exec(compile(code, page, "exec"), {"__name__": "__main__"})
        for command in code.splitlines() if language == "sh" else ():
            if IMAGE_SERVER in command:
                command = command.replace(IMAGE_SERVER, image_server())
            if command.startswith("labelmend pull project.json"):
                _submit_all(Path("tasks/labelmend_review_tasks.json"), Path("project.json"))
            if command == "labelmend demo":  # what follows in the browser is answered by the truth
                run_here(f"{command} --headless")
            elif not command.startswith("labelmend review"):
                run_here(command)
            elif not PLAIN_REVIEW.fullmatch(command):
                open_and_close_the_review(command)


@pytest.mark.parametrize("page", [page for page in PAGES if "benchmarks.md#" in _text(page)])
def test_what_a_page_quotes_of_the_benchmarks_stands_there(page: str) -> None:
    there = set(FIGURE.findall((REPOSITORY / "BENCHMARKS.md").read_text(encoding="utf-8")))
    quoting = [paragraph for paragraph in _text(page).split("\n\n") if "benchmarks.md#" in paragraph]
    assert {figure for paragraph in quoting for figure in FIGURE.findall(paragraph)} <= there


def test_the_pages_build_without_a_warning_and_load_nothing_from_elsewhere(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(build, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    pages = {
        path.relative_to(tmp_path).as_posix(): path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.html")
    }
    assert {page.removeprefix("docs/").replace(".md", ".html") for page in PAGES} <= set(pages)
    assert not [page for page, text in pages.items() if LOADED.search(text)]
    assert not [page for page, text in pages.items() if "```" in text]  # a block that is shown as a sentence
    assert "labelmend export" in pages["reference/commands.html"]
    assert "Zhang et al." in pages["reference/losses.html"]


def test_the_figures_of_the_pages_can_be_drawn_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.spec_from_file_location("figures", REPOSITORY / "docs" / "figures.py")
    assert spec is not None
    figures = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "figures", figures)
    spec.loader.exec_module(figures)
    monkeypatch.setattr(figures, "REVIEWED", 300)  # when the first estimate comes
    figures.draw_all(tmp_path, scenes=150, epochs=1, folds=2)
    shown = {Path(name).name for page in PAGES for name in re.findall(r"figures/[\w-]+\.svg", _text(page))}
    drawn = {path.name: ElementTree.parse(path).getroot().tag for path in tmp_path.iterdir()}
    assert set(drawn) == shown
    assert set(drawn.values()) == {"{http://www.w3.org/2000/svg}svg"}
