"""The report: one file that stands alone, tells what was mended, and shows names as text."""

import base64
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from labelmend_app.report import write_report
from labelmend_app.report._figures import line_chart
from labelmend_app.report._pictures import MOST_BYTES, small_picture
from labelmend_app.review.answered import answered_suggestions
from labelmend_core.errors import InputError
from labelmend_core.ledger import Status
from labelmend_core.run_folder import RunFolder
from labelmend_core.types import AnnotatedDataset, Decision, LabelMatrix, Verdict
from labelmend_core.workspace import Workspace

HOSTILE = ("<img src=x onerror=alert(1)>", "a\"b'c", "w" * 200, "كلب", "🐕‍🦺 {{ 7*7 }}")
N = 12
P, A = Verdict.PRESENT, Verdict.ABSENT


class Page(HTMLParser):
    """What a browser would load or run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.handlers: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "srcset", "data", "action"):
                self.sources.append(value or "")
            if name.startswith("on"):
                self.handlers.append(name)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """A dozen noisy photographs, of which one is broken, and classes with names that want to be more than text."""
    images = tmp_path / "images"
    images.mkdir()
    names = [f"<b>{i}.png" for i in range(N)]
    rng = np.random.default_rng(0)
    for name in names:
        Image.fromarray(rng.integers(0, 255, (600, 900, 3), dtype=np.uint8)).save(images / name, compress_level=0)
    (images / names[1]).write_bytes(b"no picture")
    source = tmp_path / "labels.txt"
    source.write_text("".join(f"{name},1\n" for name in names))
    given = LabelMatrix.from_cells(list(range(N)), [1] * N, [1] * N, (N, len(HOSTILE)))
    dataset = AnnotatedDataset(names, names, HOSTILE, given)
    with closing(
        Workspace.create(tmp_path / "work", dataset, format_name="list", image_folder=images, source=source)
    ) as made:
        yield made


@pytest.fixture
def trained(workspace: Workspace) -> Callable[..., str]:
    """Records a finished run with curves, and suggestions for class 0 (missing) and class 1 (spurious)."""

    def make(mean_average_precision: float, *, n_suggestions: int = 6, on: str = "validation") -> str:
        run_id = workspace.runs.start(mode="probe", loss="hill", labels="given", n_decisions=0, settings={})
        run = RunFolder(workspace.run_folder(run_id))
        run.path.mkdir(parents=True)
        epochs = [{"epoch": e, "loss": 2 - e, "map": 0.1 * e, "cf1": np.nan, "of1": 0.1} for e in range(2)]
        run.write_table("metrics", epochs)
        per_class = {"class_index": range(5), "average_precision": [mean_average_precision] * 4 + [np.nan]}
        run.write_table("per_class", pd.DataFrame({**per_class, "positives": 1}))
        rows = [
            {"image_index": i, "class_index": k, "kind": kind, "rank": i + 1, "label_quality": 0.2}
            | {"error_probability": 0.75, "low": 0.7, "high": 0.8, "reason": {}}
            for k, kind in enumerate(("missing", "spurious"))
            for i in range(n_suggestions)
        ]
        workspace.queue.save(run_id, pd.DataFrame(rows))
        workspace.runs.finish(run_id, Status.DONE, {"map": mean_average_precision, "on": on})
        return run_id

    return make


def decide(workspace: Workspace, *said: tuple[int, int, Verdict], reviewer: str = "<i>Anna") -> None:
    start = workspace.ledger.count()
    now = datetime.now(UTC)
    workspace.ledger.append(
        [Decision(f"{reviewer}{start}", n, *cell, reviewer, now) for n, cell in enumerate(said, start=1)]
    )


def written(workspace: Workspace) -> str:
    path = workspace.folder / "exports" / "report.html"
    write_report(workspace, path, force=True, command="labelmend report")
    return path.read_text(encoding="utf-8")


def test_the_page_loads_nothing_and_runs_nothing(workspace, trained):
    trained(0.25)
    trained(0.5)
    decide(workspace, (0, 0, P), (1, 0, P), (2, 1, A), (3, 4, P))
    text = written(workspace)
    page = Page(text)
    assert not set(page.tags) & {"script", "link", "iframe", "object", "embed", "base", "form"}
    assert not page.handlers
    assert page.sources
    assert all(source.startswith(("#", "data:image/jpeg;base64,")) for source in page.sources)
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in text
    words = "".join(page.words)
    for name in (*HOSTILE, "<b>0.png", "<i>Anna"):
        assert name in words, name


def test_pictures_are_small_whatever_they_show_and_a_broken_one_is_told(workspace, trained):
    trained(0.25)
    decide(workspace, (0, 0, P), (1, 0, P))
    text = written(workspace)
    pictures = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', text)
    assert len(pictures) == 1
    assert len(base64.b64decode(pictures[0])) <= MOST_BYTES
    assert "cannot be read" in text
    assert small_picture(workspace, 1) is None


def test_rates_count_each_cell_once_by_its_last_answer(workspace, trained):
    trained(0.25)
    decide(workspace, (0, 0, P), (1, 0, A), (2, 0, Verdict.UNSURE), (0, 1, A))
    decide(workspace, (1, 0, P), reviewer="Ben")
    trained(0.5, n_suggestions=4)  # suggests answered cells again, which `suggest` would not: still counted once
    found = answered_suggestions(workspace).set_index(["class_index", "kind"])
    missing, spurious = found.loc[(0, "missing")], found.loc[(1, "spurious")]
    assert missing.to_dict() == {"suggested": 3, "answered": 2, "accepted": 2, "expected": 1.5, "open": 1}
    assert spurious.to_dict() == {"suggested": 4, "answered": 1, "accepted": 1, "expected": 0.75, "open": 3}


def test_before_and_after_are_the_first_and_the_newest_run_on_the_validation_images(workspace, trained):
    trained(0.25)
    trained(0.9, on="out-of-sample probabilities against the labels trained on")
    trained(0.5)
    text = written(workspace)
    assert "<b>0.250</b>" in text
    assert "<b>0.500</b>" in text
    assert "+0.250" in text
    assert text.count("<svg") == 3


def test_agreement_appears_with_a_second_reviewer(workspace, trained):
    trained(0.25)
    decide(workspace, (0, 0, P), (1, 0, P), (2, 0, A))
    assert 'id="reviewers"' not in written(workspace)
    decide(workspace, (0, 0, A), (1, 0, P), reviewer="Ben")
    text = re.sub(r"<[^>]+>", " ", written(workspace))
    assert re.search(r"\s2\s+1\s+50 %\s+fewer than 10 cells have two answers", text)


def test_an_empty_workspace_says_what_to_do_next(workspace):
    text = written(workspace)
    for command in ("labelmend review", "labelmend train", "labelmend suggest"):
        assert f"<code>{command}</code>" in text


def test_a_file_that_is_there_is_replaced_only_when_forced(workspace, tmp_path):
    path = tmp_path / "mine.html"
    path.write_text("mine")
    with pytest.raises(InputError, match="--force"):
        write_report(workspace, path)
    assert path.read_text() == "mine"
    write_report(workspace, path, force=True)
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_line_has_a_gap_where_a_value_is_missing_and_nothing_is_drawn_of_nothing():
    chart = line_chart("<b>", "epoch", "loss", [1, 2, 3, 4], {"a": [1.0, float("nan"), 2.0, 3.0]})
    assert chart.count("<polyline") == 2
    assert "&lt;b&gt;" in chart
    assert line_chart("Loss", "epoch", "loss", [1], {"a": [float("nan")]}) == ""
