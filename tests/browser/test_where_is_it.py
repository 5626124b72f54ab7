"""Where is it? The heat map over the large picture, and the close-ups in the grid."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

Site = Grid = Any  # of conftest.py, which pytest imports and nobody else can
MAP = "dialog.large canvas:not([hidden])"


def _open(grid: Grid, site: Site) -> None:
    grid.open(site, 0)
    expect(grid.page.get_by_role("switch", name="Zoom in on it")).to_have_attribute("aria-disabled", "false")


def _box(page: Page, selector: str) -> tuple[int, ...]:
    box = page.locator(selector).bounding_box()
    assert box is not None
    return tuple(round(box[side]) for side in ("x", "y", "width", "height"))


def _all_are_close_ups(page: Page) -> None:
    expect(page.locator(".frame.looking")).to_have_count(0)
    widths = page.locator(".frame").evaluate_all(
        "all => all.map((one) => [...one.children].map((i) => i.naturalWidth))"
    )
    assert {len(pictures) for pictures in widths} == {2}
    assert min(close for close, _ in widths) < 64  # the scenes' own side
    assert {whole for _, whole in widths} == {64}


def test_h_lays_the_heat_map_exactly_over_the_picture_and_takes_it_off(
    page: Page, grid: Grid, looking_site: Site
) -> None:
    _open(grid, looking_site)
    page.keyboard.press("Space")
    expect(page.locator("dialog.large img")).to_be_visible()
    button = page.get_by_role("button", name="Where is it?")
    expect(button).to_have_attribute("aria-pressed", "false")
    before = _box(page, "dialog.large img"), _box(page, "dialog.large .where")
    page.keyboard.press("h")
    expect(page.locator(MAP)).to_be_visible(timeout=120_000)
    assert (_box(page, "dialog.large img"), _box(page, "dialog.large .where")) == before  # nothing has jumped
    assert _box(page, MAP) == before[0]
    expect(page.locator(".where .note")).to_contain_text("(by class activation)")
    expect(button).to_have_attribute("aria-pressed", "true")
    opacities = page.locator(MAP).evaluate(
        "c => { const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        " return [...new Set(d.filter((_, i) => i % 4 === 3))]; }"
    )
    assert len(opacities) > 20  # a map, and not one colour
    page.keyboard.press("h")
    expect(page.locator(MAP)).to_have_count(0)
    expect(page.locator(".where .note")).to_have_text("")


def test_the_wish_outlasts_a_reload_and_goes_from_picture_to_picture(
    page: Page, grid: Grid, looking_site: Site
) -> None:
    _open(grid, looking_site)
    page.keyboard.press("h")  # opens the picture as well
    expect(page.locator(MAP)).to_be_visible(timeout=120_000)
    page.reload()
    grid.pictures_are_shown()
    page.keyboard.press("Space")
    expect(page.locator(MAP)).to_be_visible()
    first = page.locator(MAP).evaluate("c => c.toDataURL()")
    page.keyboard.press("ArrowRight")
    expect(page.locator("dialog.large .caption")).to_contain_text("00001.png")
    expect(page.locator(MAP)).to_be_visible()
    assert page.locator(MAP).evaluate("c => c.toDataURL()") != first
    page.keyboard.press("a")  # the keys of the answers go on working
    page.keyboard.press("Backspace")
    page.keyboard.press("Space")
    expect(page.locator("dialog.large")).not_to_be_visible()
    grid.all_is_saved()
    assert grid.said(looking_site, 0) == {}


def test_the_mouse_can_do_both_and_space_is_the_page_s_again(page: Page, grid: Grid, looking_site: Site) -> None:
    _open(grid, looking_site)
    page.get_by_role("switch", name="Zoom in on it").click()
    expect(page.get_by_role("switch", name="Zoom in on it")).to_have_attribute("aria-checked", "true")
    _all_are_close_ups(page)
    page.get_by_role("button", name="Large").click()
    page.get_by_role("button", name="Where is it?").click()
    expect(page.locator(MAP)).to_be_visible(timeout=120_000)
    page.keyboard.press("Space")
    expect(page.locator("dialog.large")).not_to_be_visible()
    grid.all_is_saved()
    assert grid.said(looking_site, 0) == {}


def test_z_zooms_in_on_every_picture_of_the_page_and_out_again(page: Page, grid: Grid, looking_site: Site) -> None:
    _open(grid, looking_site)
    tile = page.locator(".tile").first
    before = tile.bounding_box()
    page.keyboard.press("z")
    _all_are_close_ups(page)
    assert tile.bounding_box() == before
    page.wait_for_timeout(500)
    page.keyboard.press("Enter")  # the second page comes zoomed in
    grid.pictures_are_shown()
    _all_are_close_ups(page)
    page.keyboard.press("Backspace")
    page.keyboard.press("z")
    expect(page.get_by_role("switch", name="Zoom in on it")).to_have_attribute("aria-checked", "false")
    grid.pictures_are_shown()  # the page before is drawn anew
    widths = page.locator(".frame img").evaluate_all("images => images.map((image) => image.naturalWidth)")
    assert set(widths) == {64}
    grid.all_is_saved()


def test_the_keyboard_reaches_both_with_a_visible_focus(page: Page, grid: Grid, looking_site: Site) -> None:
    _open(grid, looking_site)
    page.get_by_label("Pictures a page").focus()
    page.keyboard.press("Tab")
    switch = page.get_by_role("switch", name="Zoom in on it")
    expect(switch).to_be_focused()
    assert switch.evaluate("button => getComputedStyle(button).outlineWidth") == "3px"
    page.keyboard.press("Enter")
    expect(switch).to_have_attribute("aria-checked", "true")
    page.keyboard.press("z")
    expect(switch).to_have_attribute("aria-checked", "false")


def test_a_run_without_a_network_has_no_heat_map_and_says_why(
    page: Page, grid: Grid, site: Site, class_index: int
) -> None:
    grid.open(site, class_index)
    switch = page.get_by_role("switch", name="Zoom in on it")
    expect(switch).to_have_attribute("title", "This run left no network that could be asked; train again.")
    expect(switch).to_have_attribute("aria-disabled", "true")
    page.keyboard.press("z")
    expect(switch).to_have_attribute("aria-checked", "false")
    page.keyboard.press("h")
    expect(page.locator(".spoken")).to_contain_text("left no network")
    page.keyboard.press("Space")
    button = page.get_by_role("button", name="Where is it?")
    expect(button).to_have_attribute("aria-disabled", "true")
    button.click(force=True)  # Playwright waits for what is disabled; people press it all the same
    expect(page.locator(".where .note")).to_contain_text("left no network")
    expect(page.locator("dialog.large")).to_be_visible()
    page.keyboard.press("Escape")


def test_both_keys_are_in_the_list(page: Page, grid: Grid, site: Site, class_index: int) -> None:
    grid.open(site, class_index)
    page.keyboard.press("?")
    rows = page.locator("dialog.keys tr").all_text_contents()
    assert [row[0] for row in rows if row[0] in "HZ"] == ["H", "Z"]
    page.keyboard.press("Escape")
