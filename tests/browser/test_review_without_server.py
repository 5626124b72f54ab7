"""What a reviewer answers while the server is away is there, once each, when it is back."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from labelmend_core.types import Decision

pytestmark = pytest.mark.browser

CLASS = 7
Site = Grid = Any  # of conftest.py, which pytest imports and nobody else can


def name(image: int) -> str:
    return f"{image:02}.png"


def test_a_killed_server_loses_no_answer_and_doubles_none(page: Page, grid: Grid, own_site: Site) -> None:
    grid.open(own_site, CLASS)
    keys = "aaruaaraaraauaaraarrau"
    for i, key in enumerate(keys):
        page.keyboard.press(key)
        if i == 7:
            own_site.kill()
        if i == 13:
            page.wait_for_timeout(4000)  # longer than Streamlit waits before it says that the connection is lost
            expect(page.locator(".saved")).to_contain_text("not saved yet")
        if i == 17:
            own_site.start()
    grid.all_is_saved()
    decisions: list[Decision] = own_site.decisions()
    assert [decision.seq for decision in decisions] == list(range(1, len(keys) + 1))
    meaning = {"a": "present", "r": "absent", "u": "unsure"}
    assert [(d.image, d.verdict.value) for d in decisions] == [(i, meaning[key]) for i, key in enumerate(keys)]


def test_answers_that_a_closed_tab_could_not_send_are_sent_by_the_next(page: Page, grid: Grid, own_site: Site) -> None:
    grid.open(own_site, CLASS)
    own_site.kill()
    for key in "ara":
        page.keyboard.press(key)
    expect(page.locator(".saved")).to_contain_text("3 not saved yet")
    page.close()
    own_site.start()
    other = grid.in_new_tab()
    other.page.route("**/api/decisions", lambda sending: None)  # held until the route is taken away
    other.page.goto(own_site.url(**{"class": CLASS, "kind": "missing"}))
    expect(other.page.locator(".review-grid")).to_have_attribute("inert", "")  # not known yet what was answered
    other.page.unroute("**/api/decisions")
    other.pictures_are_shown()
    assert other.page.locator(".review-grid").get_attribute("inert") is None
    assert other.shown()[0] == name(3)
    other.all_is_saved()
    assert grid.said(own_site, CLASS) == {0: "present", 1: "absent", 2: "present"}
