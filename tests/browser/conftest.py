"""A real Chromium, a real server on a small workspace, and the page between them."""

import http.client
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from labelmend_app.benchmarks.review import find_chromium
from labelmend_app.training import train_in
from labelmend_core.ledger import Status, standing
from labelmend_core.models import BackboneSpec
from labelmend_core.training import RunSettings, Schedule
from labelmend_core.types import AnnotatedDataset, Decision, LabelMatrix
from labelmend_core.workspace import Workspace
from labelmend_datasets.digits import make_scenes

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
HOSTILE = ("<img src=x onerror=alert(1)>", "a\"b'c", "كلب صغير", "🐕‍🦺 dog", "w" * 200)
CLASS_NAMES = (*HOSTILE, *(f"class {i}" for i in range(20)))
FIRST_PLAIN = len(HOSTILE)
# More than there are tests that take one, each of which may be tried twice.
MANY_CLASS_NAMES = (*HOSTILE, *(f"class {i}" for i in range(80)))
N_IMAGES, N_MISSING, BROKEN = 60, 30, 29
N_SCENES = 40
SERVE = "import sys; from pathlib import Path; from labelmend_app.server import serve; serve(Path(sys.argv[1]), port=int(sys.argv[2]), open_browser=False, token_file=Path(sys.argv[3]) if sys.argv[3:] else None)"  # noqa: E501

PATIENCE = 90_000  # ms: on a busy machine a first heat map, a training, a page of Streamlit take long
expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    found = find_chromium()
    if found is None or not Path(found).exists():
        pytest.skip(f"no Chromium at {found or 'hand'}; install one or set LABELMEND_CHROMIUM")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True)
    made.set_default_timeout(PATIENCE)
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page on which no script of a class name may run, no module of ours may fail, and nothing is loaded in vain."""
    opened, wrong = context.new_page(), []
    opened.on("dialog", lambda dialog: (wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    opened.on("console", lambda said: wrong.append(said.text) if "Content Security Policy" in said.text else None)
    opened.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    yield opened
    assert not wrong


@dataclass
class Site:
    """A workspace and the server of it."""

    workspace: Workspace
    port: int = 0
    process: subprocess.Popen[str] | None = field(default=None)
    token_file: Path | None = None

    def start(self) -> None:
        """Start the server, again on the same port if it ran before."""
        command = [sys.executable, "-c", SERVE, str(self.workspace.folder), str(self.port)]
        command += [] if self.token_file is None else [str(self.token_file)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert self.process.stdout is not None
        said = []
        for line in self.process.stdout:
            said.append(line)
            if found := re.search(r"http://\S+/review", line):
                break
        else:
            raise AssertionError("".join(said))
        port = urlsplit(found[0]).port or 0
        assert self.port in (0, port), "somebody has taken the port meanwhile"
        self.port = port
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.request("GET", "/_stcore/health")
            assert connection.getresponse().status == (200 if self.token_file is None else 401)

    def kill(self) -> None:
        """SIGKILL: no chance to finish anything."""
        assert self.process is not None
        self.process.kill()
        self.process.communicate()

    def url(self, screen: str = "review", **query: object) -> str:
        return f"http://127.0.0.1:{self.port}/{screen}?{urlencode(query)}"

    def decisions(self) -> list[Decision]:
        return self.workspace.ledger.decisions()


@dataclass
class Grid:
    """What a person sees of the review grid."""

    page: Page

    def in_new_tab(self) -> "Grid":
        return Grid(self.page.context.new_page())

    def open(self, site: Site, class_index: int, kind: str = "missing") -> None:
        self.page.goto(site.url(**{"class": class_index, "kind": kind}))
        self.pictures_are_shown()

    def pictures_are_shown(self) -> None:
        expect(self.page.locator(".tile").first).to_be_visible()
        expect(self.page.locator(".tile .frame:empty")).to_have_count(0)

    def accept_one(self) -> None:
        """Press the key until it counts: while pictures are drawn anew, larger, none can be answered."""
        for _ in range(PATIENCE // 500):
            self.page.keyboard.press("a")
            if "accept" in self.answers():
                return
            self.page.wait_for_timeout(500)
        raise AssertionError("no picture can be answered")

    def all_is_saved(self) -> None:
        expect(self.page.locator(".saved")).to_have_text("all saved")

    def shown(self) -> list[str]:
        return self.page.locator(".tile .caption bdi").all_text_contents()

    def answers(self) -> list[str]:
        tiles = self.page.locator(".tile")
        return [tiles.nth(i).get_attribute("data-answer") or "" for i in range(tiles.count())]

    @staticmethod
    def said(site: Site, class_index: int) -> dict[int, str]:
        """The standing verdict on each image; two of them on one image would be a mistake of the page."""
        found: dict[int, str] = {}
        for decision in standing(site.decisions()):
            if decision.class_index == class_index:
                assert decision.image not in found
                found[decision.image] = decision.verdict.value
        return found


@pytest.fixture
def grid(page: Page) -> Grid:
    return Grid(page)


@pytest.fixture
def settled_box() -> Callable[[Locator], dict[str, float]]:
    """Return a call that says where something is once it stays there: a chart is laid out more than once."""

    def box(seen: Locator) -> dict[str, float]:
        expect(seen).to_be_visible()
        boxes = [seen.bounding_box()]
        while len(boxes) < 5 or any(other != boxes[-1] for other in boxes[-5:]):
            assert len(boxes) < PATIENCE / 250, "it never stays where it is"
            seen.page.wait_for_timeout(250)
            boxes.append(seen.bounding_box())
        return dict(boxes[-1] or {})

    return box


@pytest.fixture
def own_site(tmp_path: Path) -> Iterator[Site]:
    """A server of this test alone, which it may kill."""
    yield from _served(tmp_path)


@pytest.fixture
def guarded_site(tmp_path: Path) -> Iterator[Site]:
    """A server that asks for a token."""
    file = tmp_path / "token"
    file.write_text("0123456789abcdef0123456789abcdef", encoding="ascii")
    yield from _served(tmp_path, token_file=file)


@pytest.fixture
def hostile_site(tmp_path: Path) -> Iterator[Site]:
    """A server of a workspace that has no class but those with hostile names."""
    yield from _served(tmp_path, HOSTILE)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One server for the tests that each take a class of their own."""
    yield from _served(tmp_path_factory.mktemp("site"), MANY_CLASS_NAMES)


@pytest.fixture(scope="session")
def looking_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server whose run left a network that can be asked where it sees a class; every scene seems to lack a zero."""
    folder = tmp_path_factory.mktemp("looking")
    made = make_scenes(folder / "scenes", N_SCENES, np.random.default_rng(0), 64)
    (folder / "train.txt").write_text("".join(f"{name},\n" for name in made.image_ids), encoding="utf-8")
    dataset = AnnotatedDataset(made.image_ids, made.paths, made.class_names, LabelMatrix.empty((N_SCENES, 10)))
    places = {"image_folder": folder / "scenes", "source": folder / "train.txt"}
    workspace = Workspace.create(folder / "workspace", dataset, format_name="list", **places)
    settings = RunSettings(
        mode="finetune",
        loss="bce",
        backbone=BackboneSpec("test_resnet", "random", image_size=128),
        schedule=Schedule(epochs=1, lr=1e-3),
        folds=1,
        planted=0,
    )
    run_id = train_in(workspace, settings).run_id
    rows = [
        {"image_index": i, "class_index": 0, "kind": "missing", "rank": i + 1, "label_quality": 0.1}
        | {"error_probability": 0.9, "low": 0.8, "high": 1.0, "reason": {}}
        for i in range(N_SCENES)
    ]
    workspace.queue.save(run_id, pd.DataFrame(rows))
    served = Site(workspace)
    served.start()
    yield served
    served.kill()
    workspace.close()


@pytest.fixture(scope="session")
def _plain_classes() -> Iterator[int]:
    return iter(range(FIRST_PLAIN, len(MANY_CLASS_NAMES)))


@pytest.fixture
def class_index(_plain_classes: Iterator[int]) -> int:
    """A class of `site` that no other test reviews."""
    return next(_plain_classes)


def _served(folder: Path, class_names: Sequence[str] = CLASS_NAMES, token_file: Path | None = None) -> Iterator[Site]:
    made = Site(make_workspace(folder, class_names), token_file=token_file)
    made.start()
    yield made
    made.kill()
    made.workspace.close()


def make_workspace(folder: Path, class_names: Sequence[str] = CLASS_NAMES) -> Workspace:
    """60 pictures; of every class the first 30 seem to lack it, and the last 10 carry it and seem not to."""
    images = folder / "images"
    images.mkdir()
    names = [f"{i:02}.png" for i in range(N_IMAGES)]
    rng = np.random.default_rng(0)
    for i, name in enumerate(names):
        blocks = rng.integers(0, 255, (6, 8 if i % 2 else 6, 3), dtype=np.uint8)
        Image.fromarray(blocks).resize((160 if i % 2 else 120, 120), Image.Resampling.BICUBIC).save(images / name)
    (images / names[BROKEN]).write_bytes(b"no picture")
    labelled = range(N_IMAGES - 10, N_IMAGES)
    given = np.zeros((N_IMAGES, len(class_names)), dtype=np.int8)
    given[labelled] = 1
    source, classes = folder / "train.txt", folder / "classes.txt"
    source.write_text(
        "".join(f"{name},{' '.join(map(str, np.flatnonzero(given[i])))}\n" for i, name in enumerate(names))
    )
    classes.write_text("".join(f"{name}\n" for name in class_names), encoding="utf-8")
    dataset = AnnotatedDataset(names, names, tuple(class_names), LabelMatrix.from_dense(given))
    places = {"image_folder": images, "source": source, "classes": classes}
    workspace = Workspace.create(folder / "workspace", dataset, format_name="list", **places)
    run_id = workspace.runs.start(mode="probe", loss="bce", labels="given", n_decisions=0, settings={})
    workspace.queue.save(run_id, _suggestions(labelled, len(class_names)))
    workspace.runs.finish(run_id, Status.DONE)
    return workspace


SCORES = {"out_of_sample": 0.62, "kernel_machine": 0.8, "other_labels": -0.31}


def _suggestions(labelled: range, n_classes: int) -> pd.DataFrame:
    rows = []
    for kind, images in (("missing", range(N_MISSING)), ("spurious", labelled)):
        for place, image in enumerate(images):
            for k in range(n_classes):
                p = 0.95 - place / 100
                row = {"image_index": image, "class_index": k, "kind": kind, "rank": 1 + place * n_classes + k}
                row |= {"label_quality": 1 - p, "error_probability": p, "low": p - 0.05, "high": p + 0.04}
                rows.append({**row, "reason": {"p": p, "p_source": "out-of-sample", "flip_epoch": 3, "scores": SCORES}})
    return pd.DataFrame(rows)
