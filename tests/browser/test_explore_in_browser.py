"""From a filter or a map to the review of exactly these, and one answer for all of a class with its undo."""

import re
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from labelmend_core.run_folder import RunFolder
from labelmend_core.types import Dynamics

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=alert(1)>"  # class 0 of conftest.py
N_IMAGES, FIRST_PLAIN = 60, 5
Site = Grid = Any  # of conftest.py, which pytest imports and nobody else can


@pytest.fixture
def learned(site: Site) -> Site:
    """The run recorded how it learned: image i has a mean p of i / N for every class."""
    run = RunFolder(site.workspace.run_folder(site.workspace.queue.latest_run()))
    run.path.mkdir(parents=True, exist_ok=True)
    n_classes = len(site.workspace.dataset.class_names)
    p = np.repeat((np.arange(N_IMAGES, dtype=np.float32) / N_IMAGES)[:, None], n_classes, axis=1)
    never = np.full(p.shape, -1, dtype=np.int16)
    run.write_dynamics(Dynamics(mean=p, variance=(p * (1 - p)) ** 2, last=p, flip_epoch=never, flips=never))
    return site


def test_an_answer_for_all_asks_is_stored_once_and_taken_back_as_one(
    page: Page, grid: Grid, site: Site, class_index: int
) -> None:
    page.goto(site.url("explore", **{"class": 0}))
    expect(page.locator(".wall")).to_contain_text(HOSTILE)
    page.goto(site.url("explore", **{"class": class_index, "kind": "missing", "file": "0"}))
    expect(page.get_by_role("heading", name="12 suggestions in 12 images")).to_be_visible()
    expect(page.locator(".wall li")).to_have_count(12)
    page.get_by_role("button", name="Accept all 12 missing").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(f"Mark 12 images as showing class {class_index - FIRST_PLAIN}?")
    expect(dialog).to_contain_text("12 suspected missing.")
    assert grid.said(site, class_index) == {}
    dialog.get_by_role("textbox", name="Reviewer").fill("Ann")
    dialog.get_by_role("button", name="Mark 12 images").click()
    marked = page.get_by_text(f"Marked 12 images as showing class {class_index - FIRST_PLAIN}, by Ann.")
    expect(marked).to_be_visible()
    assert grid.said(site, class_index) == dict.fromkeys([*range(10), 10, 20], "present")
    page.reload()
    expect(marked).to_be_visible()
    page.get_by_role("button", name="Take back all 12").click()
    expect(marked).to_be_hidden()
    assert grid.said(site, class_index) == {}


def test_what_a_lasso_takes_is_what_the_review_asks(
    page: Page, grid: Grid, learned: Site, class_index: int, settled_box: Any
) -> None:
    page.goto(learned.url("explore", view="learning", **{"class": class_index, "cells": "every"}))
    _draw_around(page, settled_box, 0.0, 0.245)
    expect(page.get_by_role("heading", name="14 selected cells in 14 images")).to_be_visible()
    first = page.url
    _draw_around(page, settled_box, 0.245, 0.345)  # again, on the map that shows the first
    expect(page.get_by_role("heading", name="6 selected cells in 6 images")).to_be_visible()
    page.goto(first)
    expect(page.get_by_role("heading", name="14 selected cells in 14 images")).to_be_visible()
    page.get_by_role("button", name="Review these").click()
    expect(page.get_by_text(re.compile("14 selected cells in 1 class, about .*; 0 answered"))).to_be_visible()
    page.get_by_role("button", name="Begin").click()
    grid.pictures_are_shown()
    assert grid.shown() == [f"{i:02}.png" for i in range(1, 15)]
    page.keyboard.press("r")
    page.wait_for_timeout(500)
    page.keyboard.press("Enter")
    expect(page.locator(".finished")).to_be_visible()
    grid.all_is_saved()
    assert grid.said(learned, class_index) == {1: "absent", **dict.fromkeys(range(2, 15), "present")}
    page.get_by_role("button", name="All classes").click()
    expect(page.get_by_text("All that you picked is answered: 14 selected cells")).to_be_visible()


def _draw_around(page: Page, settled_box: Any, low: float, high: float) -> None:
    """Draw a lasso around all that lies between two mean p, whatever its variability."""
    expect(page.locator(".js-plotly-plot .points path, .js-plotly-plot canvas").first).to_be_attached()
    expect(page.locator(".stApp")).to_have_attribute("data-test-script-state", "notRunning")
    plot = settled_box(page.locator(".js-plotly-plot .nsewdrag"))

    def at(p: float, share: float) -> tuple[float, float]:
        return plot["x"] + plot["width"] * (p + 0.02) / 1.04, plot["y"] + plot["height"] * share

    corners = [(low, 0.02), (high, 0.02), (high, 0.98), (low, 0.98), (low, 0.1)]
    page.mouse.move(*at(*corners[0]))
    page.mouse.down()
    for corner in corners[1:]:
        page.mouse.move(*at(*corner), steps=6)
    page.mouse.up()
