"""A person's review, key by key, from the first answer to the exported file."""

import csv
import io
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from labelmend_app.export import CHANGES_NAME
from labelmend_core.types import Decision, Verdict

pytestmark = pytest.mark.browser

N_MISSING, BROKEN, PAGE = 30, 29, 24
Site = Grid = Any  # of conftest.py, which pytest imports and nobody else can


def name(image: int) -> str:
    return f"{image:02}.png"


def download(page: Page, button: str, folder: Path) -> bytes:
    with page.expect_download() as waiting:
        page.get_by_role("button", name=button).click()
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path.read_bytes()


def test_two_accepted_one_rejected_and_undone_are_all_that_is_exported(
    page: Page, grid: Grid, own_site: Site, tmp_path: Path
) -> None:
    class_index = 7
    grid.open(own_site, class_index)
    assert grid.shown()[:3] == [name(0), name(1), name(2)]
    page.keyboard.press("a")
    page.keyboard.press("a")
    page.keyboard.press("r")
    assert grid.answers()[:4] == ["accept", "accept", "reject", ""]
    page.keyboard.press("Backspace")
    assert grid.answers()[:4] == ["accept", "accept", "", ""]
    grid.all_is_saved()

    page.reload()
    grid.pictures_are_shown()
    assert grid.shown()[:2] == [name(2), name(3)]  # nothing answered is asked again, what was taken back is
    expect(page.locator(".numbers")).to_contain_text("2 of 30 suggestions answered, 28 open")

    page.get_by_role("link", name="Export").click()
    exported = download(page, "Corrected annotations", tmp_path)
    lines = own_site.workspace.source.read_text().splitlines(keepends=True)
    changed = [f"{name(0)},{class_index}\n", f"{name(1)},{class_index}\n"]
    assert exported.decode() == "".join([*changed, *lines[2:]])
    table = list(csv.reader(io.StringIO(download(page, "Changes as CSV", tmp_path).decode())))
    assert (tmp_path / CHANGES_NAME).is_file()
    class_name = own_site.workspace.dataset.class_names[class_index]
    assert [row[:4] for row in table[1:]] == [[name(i), class_name, "unobserved", "present"] for i in (0, 1)]


def test_keys_run_no_script_of_streamlit(page: Page, grid: Grid, site: Site, class_index: int) -> None:
    """R would run the script again and C offer to clear the cache, if they reached Streamlit."""
    sent: list[object] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))
    grid.open(site, class_index)
    page.wait_for_timeout(500)
    sent.clear()
    for key in ("a", "r", "u", "s", "ArrowLeft", "Backspace", "Control+z", "c", "Enter", "PageUp"):
        page.keyboard.press(key)
    grid.all_is_saved()
    page.wait_for_timeout(500)
    assert sent == []
    assert page.get_by_role("dialog").count() == 0


def test_enter_accepts_the_undecided_and_goes_on(page: Page, grid: Grid, site: Site, class_index: int) -> None:
    grid.open(site, class_index)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("r")
    page.wait_for_timeout(500)
    page.keyboard.press("Enter")
    expect(page.locator(".tile")).to_have_count(N_MISSING - PAGE)
    assert grid.shown()[0] == name(PAGE)
    grid.all_is_saved()
    assert grid.said(site, class_index) == {i: "absent" if i == 1 else "present" for i in range(PAGE)}


def test_enter_pressed_twice_does_not_accept_the_next_page_unseen(
    page: Page, grid: Grid, site: Site, class_index: int
) -> None:
    grid.open(site, class_index)
    page.wait_for_timeout(500)
    # Both within the page: on their way from here, the second could take longer than a glance.
    page.locator(".tile").first.evaluate("""(tile) => {
      const how = { key: "Enter", bubbles: true, composed: true, cancelable: true };
      tile.dispatchEvent(new KeyboardEvent("keydown", how));
      document.body.dispatchEvent(new KeyboardEvent("keydown", how));
    }""")
    expect(page.locator(".tile")).to_have_count(N_MISSING - PAGE)
    grid.all_is_saved()
    assert len(grid.said(site, class_index)) == PAGE


def test_what_could_not_be_shown_is_skipped_and_stays_open(
    page: Page, grid: Grid, site: Site, class_index: int
) -> None:
    grid.open(site, class_index)
    page.wait_for_timeout(500)
    page.keyboard.press("Enter")
    grid.pictures_are_shown()
    page.wait_for_timeout(500)
    page.keyboard.press("Shift+Enter")
    expect(page.locator(".finished")).to_contain_text("24 accepted, 5 rejected, 0 unsure, 1 skipped")
    expect(page.locator(".finished")).to_contain_text("Look at the 1 still open")
    grid.all_is_saved()
    assert grid.said(site, class_index)[BROKEN] == "skip"
    page.get_by_role("button", name="Look at the 1 still open").click()
    expect(page.locator(".tile")).to_have_count(1)
    assert grid.shown() == [name(BROKEN)]


def test_a_picture_that_is_still_loading_cannot_be_answered_and_that_is_said(
    page: Page, grid: Grid, site: Site, class_index: int
) -> None:
    page.route("**/api/thumbnail/0?*", lambda sending: None)  # it never comes
    page.goto(site.url(**{"class": class_index, "kind": "missing"}))
    expect(page.locator(".tile")).to_have_count(PAGE)
    page.keyboard.press("r")
    expect(page.get_by_text("Wait: this picture is still loading.")).to_be_attached()
    assert set(grid.answers()) == {""}
    page.keyboard.press("u")  # that one has not seen it may be said
    grid.all_is_saved()
    assert grid.said(site, class_index) == {0: "unsure"}


def test_undo_goes_back_any_number_of_steps_and_pages(page: Page, grid: Grid, site: Site, class_index: int) -> None:
    grid.open(site, class_index)
    page.keyboard.press("a")
    page.keyboard.press("u")
    page.wait_for_timeout(500)
    page.keyboard.press("Enter")
    expect(page.locator(".tile")).to_have_count(N_MISSING - PAGE)
    grid.pictures_are_shown()
    page.keyboard.press("r")
    grid.all_is_saved()
    assert len(grid.said(site, class_index)) == PAGE + 1
    page.keyboard.press("Backspace")
    page.keyboard.press("Control+z")
    assert grid.answers()[:3] == ["accept", "unsure", ""]
    grid.all_is_saved()
    assert grid.said(site, class_index) == {0: "present", 1: "unsure"}
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Undo").click()
    grid.all_is_saved()
    assert grid.said(site, class_index) == {}
    expect(page.locator(".numbers")).to_contain_text("0 of 30 suggestions answered, 30 open")


def test_a_changed_mind_leaves_one_answer(page: Page, grid: Grid, site: Site, class_index: int) -> None:
    grid.open(site, class_index)
    for key in ("a", "ArrowLeft", "r", "ArrowLeft", "s"):
        page.keyboard.press(key)
    grid.all_is_saved()
    assert grid.said(site, class_index) == {0: "skip"}
    page.keyboard.press("Backspace")
    grid.all_is_saved()
    assert grid.said(site, class_index) == {0: "absent"}


def test_accepting_a_spurious_label_says_that_it_is_absent(
    page: Page, grid: Grid, site: Site, class_index: int
) -> None:
    grid.open(site, class_index, kind="spurious")
    page.keyboard.press("a")
    page.keyboard.press("r")
    grid.all_is_saved()
    assert grid.said(site, class_index) == {50: "absent", 51: "present"}


def test_the_mouse_can_do_all_of_it(page: Page, grid: Grid, site: Site, class_index: int) -> None:
    grid.open(site, class_index)
    tiles = page.locator(".tile")
    tiles.nth(3).click(position={"x": 60, "y": 100})
    assert grid.answers()[3] == "accept"
    tiles.nth(3).click(position={"x": 60, "y": 100})
    assert grid.answers()[3] == "reject"
    tiles.nth(5).hover()
    tiles.nth(5).locator(".quick .unsure").click()
    tiles.nth(0).hover()
    page.get_by_role("button", name="Skip").click()
    grid.all_is_saved()
    assert grid.said(site, class_index) == {3: "absent", 5: "unsure", 0: "skip"}


def test_enter_is_the_page_s_after_a_click_and_the_button_s_after_a_tab(
    page: Page, grid: Grid, site: Site, class_index: int
) -> None:
    grid.open(site, class_index)
    page.wait_for_timeout(500)
    page.get_by_role("button", name="Unsure").click()
    page.get_by_role("button", name="Undo").click()
    page.keyboard.press("Shift+Tab")  # to the last button before the pictures
    page.keyboard.press("Enter")
    expect(page.locator("dialog.keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".tile")).to_have_count(N_MISSING - PAGE)
    grid.all_is_saved()
    assert Counter(grid.said(site, class_index).values()) == {"present": PAGE}


def test_the_reviewer_and_the_page_size_outlast_a_reload(page: Page, grid: Grid, site: Site, class_index: int) -> None:
    grid.open(site, class_index)
    page.route("**/api/decisions", lambda route: route.abort())
    page.keyboard.press("a")  # not sent before the name changes: it stays the answer of whoever gave it
    page.get_by_role("combobox", name="Reviewer").fill("Zoë <b>🐈</b>")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("reviewer=Zo"))
    expect(page.locator(".tile[data-answer=accept]")).to_have_count(0)  # a queue of her own has begun
    page.unroute("**/api/decisions")
    page.get_by_label("Pictures a page").select_option("12")
    expect(page.locator(".tile")).to_have_count(12)
    grid.pictures_are_shown()
    grid.accept_one()
    grid.all_is_saved()
    page.reload()
    grid.pictures_are_shown()
    expect(page.locator(".tile")).to_have_count(12)
    expect(page.get_by_role("combobox", name="Reviewer")).to_have_value("Zoë <b>🐈</b>")
    reviewers = Counter(d.reviewer for d in site.decisions() if d.class_index == class_index)
    assert reviewers["Zoë <b>🐈</b>"] == 1
    assert sorted(reviewers.values()) == [1, 1]


def test_a_queue_that_one_comes_back_to_does_what_its_buttons_say_and_asks_nothing_twice(
    page: Page, grid: Grid, own_site: Site
) -> None:
    k = 8
    grid.open(own_site, k)
    expect(page.get_by_role("button", name="Accept the rest")).to_be_visible()
    now, client = datetime(2026, 3, 1, tzinfo=UTC), "bulk-" + "0" * 32
    own_site.workspace.ledger.append(
        [Decision(client, 1 + image, image, k, Verdict.ABSENT, "Ann", now) for image in range(20)]
    )
    page.get_by_text("Spurious labels").click()
    expect(page.get_by_text("is it really not there?")).to_be_visible()
    page.get_by_text("Missing labels").click()
    first = page.locator("button.commit")
    expect(first).to_contain_text("Reject the rest")
    grid.pictures_are_shown()
    left = grid.shown()
    page.wait_for_timeout(500)
    first.click()  # Enter does the same
    expect(page.locator(".finished")).to_be_visible()
    grid.all_is_saved()
    assert left[0] == name(20)
    said = grid.said(own_site, k)
    assert said == {image: "skip" if image == BROKEN else "absent" for image in range(N_MISSING)}
