"""Two people, a browser each, one queue: nothing twice, unless it is asked twice; and what they call differently."""

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from labelmend_core.types import Verdict

pytestmark = pytest.mark.browser

N_MISSING, BROKEN = 30, 29
PATIENCE = 90_000  # ms
Site = Grid = Any  # of conftest.py, which pytest imports and nobody else can


def take_a_page(grid: Grid, key: str) -> set[str]:
    """Answer what is shown and return it; a picture that cannot be read is skipped."""
    grid.pictures_are_shown()
    shown = set(grid.shown())
    grid.page.wait_for_timeout(500)  # a page that came just now is not taken for seen
    grid.page.keyboard.press(key)
    grid.all_is_saved()
    return shown


def test_two_reviewers_share_a_queue_then_answer_it_twice_and_settle_what_differs(
    page: Page, grid: Grid, browser: Browser, own_site: Site
) -> None:
    where = {"class": 6, "kind": "missing"}
    elsewhere = browser.new_context(viewport={"width": 1280, "height": 800})
    elsewhere.set_default_timeout(PATIENCE)
    other = type(grid)(elsewhere.new_page())
    for reviewer, one in (("Ann", grid), ("<b>Zoë</b>", other)):
        one.page.goto(own_site.url(**where, reviewer=reviewer))
        expect(one.page.get_by_label("Pictures a page")).to_be_visible()
        one.page.get_by_label("Pictures a page").select_option("12")
        if one is grid:
            expect(page.locator(".tile")).to_have_count(12)
    # Ann was here first and has all 30 before her, on three pages; Zoë finds nothing that Ann may still answer.
    expect(other.page.locator(".finished")).to_be_visible()
    expect(other.page.locator(".finished")).to_contain_text(f"{N_MISSING} suggestions are before another reviewer")
    seen = take_a_page(grid, "Enter")
    page.close()
    answered = {d.image for d in own_site.decisions()}
    assert len(answered) == len(seen) == 12

    own_site.workspace.double_review.set(100)
    own_site.kill()
    own_site.start()  # nobody has anything before them
    other.page.reload()
    expect(other.page.locator(".tile")).to_have_count(12)
    again = take_a_page(other, "Shift+Enter")
    assert again == seen, "she cannot tell that these were answered"
    said = {}
    for decision in own_site.decisions():
        said.setdefault(decision.image, []).append((decision.reviewer, decision.verdict))
    assert all(answers == [("Ann", Verdict.PRESENT), ("<b>Zoë</b>", Verdict.ABSENT)] for answers in said.values())

    other.page.goto(own_site.url("conflicts", reviewer="Dora"))
    expect(other.page.get_by_text("Conflict 1 of 12")).to_be_visible()
    expect(other.page.locator(".conflict-picture")).to_be_visible()
    # A key works once its button is there: the browser fetches what draws it after the rest of the screen.
    expect(other.page.get_by_role("button", name="It is not")).to_be_visible()
    other.page.keyboard.press("a")
    expect(other.page.get_by_text("Conflict 1 of 11")).to_be_visible()
    other.page.get_by_role("button", name="It is there").click()
    expect(other.page.get_by_text("Conflict 1 of 10")).to_be_visible()
    other.page.get_by_role("button", name="Undo").click()
    expect(other.page.get_by_text("Conflict 1 of 11")).to_be_visible()
    address = other.page.url
    other.page.reload()
    expect(other.page.get_by_text("Conflict 1 of 11")).to_be_visible()
    assert (other.page.url, "image=" in address) == (address, True)
    settled = [d for d in own_site.decisions() if d.adjudicates]
    assert [(d.reviewer, d.verdict) for d in settled] == [("Dora", Verdict.ABSENT), ("Dora", Verdict.PRESENT)]

    other.page.goto(own_site.url("decisions", verdict="undo"))
    expect(other.page.get_by_text("1 to 1 of 1 decisions and undos")).to_be_visible()
    other.page.get_by_role("button", name="Show all").click()
    expect(other.page.get_by_text("1 to 27 of 27 decisions and undos")).to_be_visible()
    with other.page.expect_download() as download:
        other.page.get_by_role("button", name="All of these as CSV").click()
    assert len(download.value.path().read_text(encoding="utf-8").splitlines()) == 28
    elsewhere.close()
