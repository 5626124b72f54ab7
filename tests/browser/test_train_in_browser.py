"""Training from the page, and what a reload must not lose."""

import pytest
from playwright.sync_api import Page, expect

from labelmend_app.jobs import jobs
from labelmend_core.ledger import Status

pytestmark = pytest.mark.browser

PATIENCE = 240_000  # ms; importing torch takes its time on a busy machine
FORM = {"backbone": "test_resnet", "weights": "random", "image_size": 32, "probe.epochs": 9000, "probe.folds": 2}


@pytest.fixture
def left_over(own_site):
    """End the training that a failing test leaves behind."""
    yield
    job = jobs.latest(own_site.workspace.folder)
    if job is not None:
        job.end()


@pytest.mark.usefixtures("left_over")
def test_a_training_and_what_waits_for_it_are_there_after_a_reload_and_after_the_server_was_killed(
    own_site, page: Page
):
    page.goto(own_site.url("train", **FORM))
    page.get_by_role("button", name="Start training").click(timeout=PATIENCE)
    running = page.get_by_text("Running: probe")
    expect(running).to_be_visible(timeout=PATIENCE)

    page.reload()
    expect(running).to_be_visible()
    page.get_by_role("button", name="Add to the queue").click(timeout=PATIENCE)
    waits = page.get_by_text("1 job waits")
    expect(waits).to_be_visible()
    own_site.kill()
    own_site.start()
    page.goto(own_site.url("train"))
    expect(running).to_be_visible()
    expect(waits).to_be_visible()

    page.get_by_role("button", name="Remove").click()
    expect(waits).to_be_hidden()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Resume")).to_be_visible(timeout=PATIENCE)
    assert own_site.workspace.runs.all()[0].status is Status.STOPPED


def test_hostile_class_names_run_no_script_in_the_overview(site, page: Page):
    page.goto(site.url("overview"))
    expect(page.get_by_text("Given and suspected labels by class")).to_be_visible(timeout=PATIENCE)
    expect(page.locator("svg text", has_text="<img src=x").first).to_be_attached()
