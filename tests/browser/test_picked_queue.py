"""A part of the suggestions: picked by effort, reviewed to its end, and learned from by one click."""

from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from labelmend_app.jobs import jobs
from labelmend_app.run_options import DEFAULTS, run_settings
from labelmend_app.training import train_in
from labelmend_core.detection import suggest
from labelmend_core.types import Decision, Verdict
from labelmend_core.workspace import Workspace

pytestmark = pytest.mark.browser

PATIENCE = 240_000  # ms; importing torch takes its time on a busy machine
Site = Grid = Any  # of conftest.py, which pytest imports and nobody else can


def test_a_number_is_picked_reviewed_to_its_end_and_the_same_after_a_reload(
    page: Page, grid: Grid, own_site: Site
) -> None:
    page.goto(own_site.url())
    page.get_by_role("button", name="All suggestions").click()
    page.get_by_role("spinbutton", name="So many next").fill("4")
    page.keyboard.press("Tab")
    page.get_by_role("button", name="My next 4", exact=True).click()
    expect(page.get_by_text("4 suggestions in 2 classes, about 4 errors expected; 0 answered")).to_be_visible()
    expect(page.get_by_role("spinbutton", name="So many next")).to_be_hidden()
    address = page.url
    assert "next=4" in address
    assert "since=0" in address
    page.get_by_role("button", name="Begin").click()
    for answered in range(4):
        expect(page.locator(".picked")).to_contain_text(
            f"4 suggestions in 2 classes, about 4 errors expected; {answered}"
        )
        grid.pictures_are_shown()
        assert len(grid.shown()) == 1
        page.wait_for_timeout(500)
        page.keyboard.press("Enter")
        expect(page.locator(".finished")).to_be_visible()
        grid.all_is_saved()
        if answered == 1:  # a reload in the midst of it, and the link in another hand
            page.goto(address)
            expect(page.get_by_text("; 2 answered")).to_be_visible()
            page.get_by_role("button", name="Begin").click()
        elif answered < 3:
            page.keyboard.press("Enter")
            expect(page.locator(".finished")).to_be_hidden()
    expect(page.locator(".finished h3")).to_have_text("All that you picked is answered")
    assert len(own_site.decisions()) == 4
    page.get_by_role("button", name="All classes").click()
    expect(page.get_by_text("All that you picked is answered: 4 suggestions, 4 errors.")).to_be_visible()
    offered = page.get_by_role("button", name="My next 4")
    expect(offered).to_have_count(2)  # the one in the row above, and what comes next
    offered.last.click()
    expect(page.get_by_text("; 0 answered")).to_be_visible()


@pytest.fixture
def trained(own_site: Site) -> Any:
    """A real run with suggestions and an answer to learn from; end the job that a failing test leaves behind."""
    workspace: Workspace = own_site.workspace
    small = {"backbone.name": "test_resnet", "backbone.weights": "random", "backbone.image_size": 32}
    settings = run_settings(DEFAULTS["probe"], {**small, "schedule.epochs": 2, "folds": 2})
    run_id = train_in(workspace, settings, labels="given").run_id
    suggest(workspace, run_id, min_probability=0)
    first = workspace.queue.of_run(run_id)[0]
    said = Decision("test", 1, first.image, first.class_index, Verdict.ABSENT, "ann", datetime.now(UTC))
    workspace.ledger.append([said])
    yield run_id
    job = jobs.latest(workspace.folder)
    if job is not None:
        job.end()


def test_one_click_retrains_and_offers_what_it_finds(page: Page, own_site: Site, trained: str) -> None:
    page.goto(own_site.url("overview"))
    page.get_by_role("button", name="Retrain with what I decided").click()
    expect(page.get_by_text("Retraining: ")).to_be_visible(timeout=PATIENCE)
    page.reload()
    done = page.get_by_text("Retrained on 1 decision:")
    expect(done).to_be_visible(timeout=PATIENCE)
    made = own_site.workspace.queue.latest_run()
    assert made != trained
    assert own_site.workspace.runs.get(made).labels == "corrected"
    page.goto(own_site.url())
    expect(done).to_be_visible()
    expect(page.get_by_role("button", name="Begin")).to_be_visible()
    expect(page.get_by_role("button", name="Retrain with what I decided")).to_have_count(0)
