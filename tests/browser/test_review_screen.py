"""How the review looks: any class name, any window, and an address that leads back."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

PAGE = 24
Site = Grid = Any  # of conftest.py, which pytest imports and nobody else can


@pytest.mark.parametrize("hostile", range(5))
def test_a_hostile_class_name_is_shown_as_text(page: Page, grid: Grid, site: Site, hostile: int) -> None:
    class_name = site.workspace.dataset.class_names[hostile]
    grid.open(site, hostile, kind="spurious")
    expect(page.locator("h2 bdi")).to_have_text(class_name)
    expect(page.locator(".detail")).to_contain_text(class_name)
    page.keyboard.press("Space")
    expect(page.locator("dialog.large")).to_be_visible()
    page.keyboard.press("Escape")
    assert page.locator("img[src='x']").count() == 0
    assert page.locator(".tile").first.bounding_box()["y"] < 400  # 200 characters leave room for the pictures
    page.goto(site.url())
    page.get_by_role("combobox", name="Class").click()
    expect(page.get_by_role("option").filter(has_text=class_name)).to_be_visible()


def test_the_evidence_is_said_strongest_first(page: Page, grid: Grid, site: Site) -> None:
    grid.open(site, 1)
    page.locator(".tile").first.hover()
    evidence = "evidence: all similar images +0.8, p of unseen images +0.6, its other labels −0.3"
    expect(page.locator(".detail")).to_contain_text(evidence)


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (2560, 1440)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_whole_page_is_seen_without_scrolling(
    page: Page, grid: Grid, site: Site, tmp_path: Path, width: int, height: int, scheme: str
) -> None:
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    grid.open(site, 1)
    boxes = [page.locator(".tile").nth(i).bounding_box() for i in range(PAGE)]
    assert all(box and box["x"] >= 0 and box["x"] + box["width"] <= width for box in boxes)
    assert all(box and box["y"] + box["height"] <= height for box in boxes)
    assert min(box["width"] for box in boxes if box) >= (120 if width == 1280 else 280)
    screenshot = page.screenshot(path=tmp_path / "review.png")
    background = page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor")
    assert (sum(map(int, background[4:-1].split(","))) < 150) == (scheme == "dark")
    assert len(screenshot) > 50_000  # pictures, not an empty page


def test_a_class_opens_from_the_table_and_the_address_keeps_it(page: Page, grid: Grid, site: Site) -> None:
    page.goto(site.url())
    table = page.get_by_test_id("stDataFrame")
    expect(table).to_be_visible()
    for _ in range(60):  # a click is lost on a table that is drawn but does not listen yet
        if "class=" in page.url:
            break
        table.click(position={"x": 60, "y": 55})
        page.wait_for_timeout(1000)
    grid.pictures_are_shown()
    address = page.url
    assert "class=" in address
    question = page.locator("h2").text_content()
    page.reload()
    grid.pictures_are_shown()
    assert (page.url, page.locator("h2").text_content()) == (address, question)
    page.get_by_role("button", name="All classes").click()
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()
    assert "class=" not in page.url
