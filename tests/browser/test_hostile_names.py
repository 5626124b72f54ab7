"""Names of classes, files and reviewers that want to be more than text, on every screen and in the report."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Page, expect

from labelmend_app.report import write_report
from labelmend_core.ledger import Status
from labelmend_core.run_folder import RunFolder
from labelmend_core.types import Decision, Dynamics, Verdict

pytestmark = pytest.mark.browser

REVIEWERS = ("<img src=x onerror=alert(2)>Ann", "Zoë \"'")
Site = Grid = Any  # of conftest.py, which pytest imports and nobody else can

# Screen, query, and whether each class is named on it: the other screens name none, or only the one that was asked for.
SCREENS = (
    ("overview", {}, True),
    ("train", {}, False),
    ("review", {}, True),
    ("explore", {"reviewer": REVIEWERS[0]}, True),
    ("explore", {"view": "learning", "class": 0}, False),
    ("conflicts", {}, True),
    ("decisions", {}, True),
    ("loss_lab", {}, False),
    ("runs", {}, True),
    ("export", {}, True),
    # What an address asks for and is not there is said in an error message.
    ("review", {"class": REVIEWERS[0], "run": REVIEWERS[0], "selection": REVIEWERS[0]}, False),
    ("explore", {"class": REVIEWERS[0], "selection": REVIEWERS[0], "view": REVIEWERS[0]}, False),
    ("runs", {"run": REVIEWERS[0], "before": REVIEWERS[0]}, False),
    ("loss_lab", {"loss": REVIEWERS[0], "run": REVIEWERS[0]}, False),
)


@pytest.fixture
def answered_site(hostile_site: Site) -> Site:
    """Two reviewers disagree on an image of each class, and a run has measured the classes."""
    workspace = hostile_site.workspace
    n, n_classes = workspace.dataset.given_labels.shape
    run_id = workspace.queue.latest_run()
    run = RunFolder(workspace.run_folder(run_id))
    run.path.mkdir(parents=True)
    classes = {"class_index": range(n_classes), "average_precision": [0.5] * n_classes, "positives": 1}
    run.write_table("per_class", pd.DataFrame(classes))
    p = np.linspace(0, 1, n * n_classes, dtype=np.float32).reshape(n, n_classes)
    never = np.full(p.shape, -1, dtype=np.int16)
    run.write_dynamics(Dynamics(mean=p, variance=p * (1 - p), last=p, flip_epoch=never, flips=never))
    workspace.runs.finish(run_id, Status.DONE, {"map": 0.5, "on": "validation"})
    now = datetime.now(UTC)
    for reviewer, verdict in zip(REVIEWERS, (Verdict.PRESENT, Verdict.ABSENT), strict=True):
        cells = enumerate(range(n_classes), start=1)
        workspace.ledger.append([Decision(reviewer, seq, 0, k, verdict, reviewer, now) for seq, k in cells])
    cells = enumerate(range(n_classes), start=1)
    workspace.ledger.append([Decision("more", seq, 1, k, Verdict.PRESENT, REVIEWERS[0], now) for seq, k in cells])
    return hostile_site


def test_names_are_text_on_every_screen_and_in_the_report(
    page: Page, grid: Grid, answered_site: Site, tmp_path: Path
) -> None:
    names = answered_site.workspace.dataset.class_names
    body = page.locator("body")
    for screen, query, named in SCREENS:
        page.goto(answered_site.url(screen, **query))
        expect(page.locator("h1")).to_be_visible()
        for name in names if named else ():
            expect(body, f"on {screen}").to_contain_text(name)
        nothing_ran(page)
    grid.open(answered_site, 0, kind="spurious")  # of images that carry every class
    expect(page.locator("h2 bdi")).to_have_text(names[0])
    page.keyboard.press("Space")
    for name in names[1:]:
        expect(page.locator("dialog.large .labels")).to_contain_text(name)
    nothing_ran(page)
    report = tmp_path / "report.html"
    write_report(answered_site.workspace, report)
    page.goto(report.as_uri())
    for name in (*names, *REVIEWERS):
        expect(body).to_contain_text(name)
    nothing_ran(page)


def nothing_ran(page: Page) -> None:
    """No name became an element; the fixture `page` sees dialogs and errors."""
    expect(page.get_by_test_id("stException")).to_have_count(0)
    expect(page.locator("img[src='x']")).to_have_count(0)
