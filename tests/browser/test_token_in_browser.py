"""The way in past a token: asked for, refused, given, and then everything as without one."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
Site = Grid = Any  # of conftest.py, which pytest imports and nobody else can


def test_a_token_is_asked_for_once_and_then_the_review_is_as_ever(page: Page, grid: Grid, guarded_site: Site) -> None:
    assert guarded_site.token_file is not None
    token = guarded_site.token_file.read_text()
    page.goto(guarded_site.url(kind="missing", **{"class": 7}, x='"><img src=x onerror=alert(1)>'))
    expect(page.get_by_label("Token")).to_be_focused()
    page.get_by_label("Token").fill("wrong, of course")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("This is not the token of this labelmend.")
    expect(page.locator("img")).to_have_count(0)
    page.get_by_label("Token").fill(token)
    page.keyboard.press("Enter")
    grid.pictures_are_shown()
    assert token not in page.url
    assert "class=7" in page.url
    grid.accept_one()
    grid.all_is_saved()
    assert list(grid.said(guarded_site, 7).values()) == ["present"]
    page.goto(guarded_site.url("overview"))
    expect(page.get_by_role("heading", level=1)).to_be_visible()
