"""A person's review, key by key, in a real browser against the real server."""

import csv
import io
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from labelmend_app.export import CHANGES_NAME
from labelmend_core.ledger import standing
from labelmend_core.types import Decision

pytestmark = pytest.mark.browser

N_IMAGES, N_MISSING, BROKEN, PAGE = 60, 30, 29, 24
Site = Any  # of conftest.py, which pytest imports and nobody else can


def open_queue(page: Page, site: Site, class_index: int, kind: str = "missing") -> None:
    page.goto(site.url(**{"class": class_index, "kind": kind}))
    pictures_are_shown(page)


def pictures_are_shown(page: Page) -> None:
    expect(page.locator(".tile").first).to_be_visible()
    expect(page.locator(".tile .frame:empty")).to_have_count(0)


def all_is_saved(page: Page) -> None:
    expect(page.locator(".saved")).to_have_text("all saved")


def shown(page: Page) -> list[str]:
    return page.locator(".tile .caption bdi").all_text_contents()


def answers(page: Page) -> list[str]:
    tiles = page.locator(".tile")
    return [tiles.nth(i).get_attribute("data-answer") or "" for i in range(tiles.count())]


def name(image: int) -> str:
    return f"{image:02}.png"


def said(site: Site, class_index: int) -> dict[int, str]:
    """The standing verdict on each image; two standing ones on an image would be a mistake of the page."""
    found: dict[int, str] = {}
    for decision in standing(site.decisions()):
        if decision.class_index == class_index:
            assert decision.image not in found
            found[decision.image] = decision.verdict.value
    return found


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def download(page: Page, button: str, folder: Path) -> bytes:
    with page.expect_download() as waiting:
        page.get_by_role("button", name=button).click()
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path.read_bytes()


def test_two_accepted_one_rejected_and_undone_are_all_that_is_exported(
    page: Page, own_site: Site, class_index: int, tmp_path: Path
) -> None:
    open_queue(page, own_site, class_index)
    assert shown(page)[:3] == [name(0), name(1), name(2)]
    page.keyboard.press("a")
    page.keyboard.press("a")
    page.keyboard.press("r")
    assert answers(page)[:4] == ["accept", "accept", "reject", ""]
    page.keyboard.press("Backspace")
    assert answers(page)[:4] == ["accept", "accept", "", ""]
    all_is_saved(page)

    page.reload()
    pictures_are_shown(page)
    assert shown(page)[:2] == [name(2), name(3)]  # nothing answered is asked again, what was taken back is
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


def test_a_killed_server_loses_no_answer_and_doubles_none(page: Page, own_site: Site, class_index: int) -> None:
    open_queue(page, own_site, class_index)
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
    all_is_saved(page)
    decisions: list[Decision] = own_site.decisions()
    assert [decision.seq for decision in decisions] == list(range(1, len(keys) + 1))
    meaning = {"a": "present", "r": "absent", "u": "unsure"}
    assert [(d.image, d.verdict.value) for d in decisions] == [(i, meaning[key]) for i, key in enumerate(keys)]


def test_answers_that_a_closed_tab_could_not_send_are_sent_by_the_next(
    context: BrowserContext, page: Page, own_site: Site, class_index: int
) -> None:
    open_queue(page, own_site, class_index)
    own_site.kill()
    for key in "ara":
        page.keyboard.press(key)
    expect(page.locator(".saved")).to_contain_text("3 not saved yet")
    page.close()
    own_site.start()
    other = context.new_page()
    open_queue(other, own_site, class_index)
    assert shown(other)[0] == name(3)
    all_is_saved(other)
    assert said(own_site, class_index) == {0: "present", 1: "absent", 2: "present"}


def test_keys_run_no_script_of_streamlit(page: Page, site: Site, class_index: int) -> None:
    """R would run the script again and C offer to clear the cache, if they reached Streamlit."""
    sent: list[object] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))
    open_queue(page, site, class_index)
    page.wait_for_timeout(500)
    sent.clear()
    for key in ("a", "r", "u", "s", "ArrowLeft", "Backspace", "Control+z", "c", "Enter", "PageUp"):
        page.keyboard.press(key)
    all_is_saved(page)
    page.wait_for_timeout(500)
    assert sent == []
    assert page.get_by_role("dialog").count() == 0


def test_enter_accepts_the_undecided_and_goes_on(page: Page, site: Site, class_index: int) -> None:
    open_queue(page, site, class_index)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("r")
    page.wait_for_timeout(500)
    page.keyboard.press("Enter")
    expect(page.locator(".tile")).to_have_count(N_MISSING - PAGE)
    assert shown(page)[0] == name(PAGE)
    all_is_saved(page)
    assert said(site, class_index) == {i: "absent" if i == 1 else "present" for i in range(PAGE)}


def test_enter_pressed_twice_does_not_accept_the_next_page_unseen(page: Page, site: Site, class_index: int) -> None:
    open_queue(page, site, class_index)
    page.wait_for_timeout(500)
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(page.locator(".tile")).to_have_count(N_MISSING - PAGE)
    all_is_saved(page)
    assert len(said(site, class_index)) == PAGE


def test_what_could_not_be_shown_is_skipped_and_stays_open(page: Page, site: Site, class_index: int) -> None:
    open_queue(page, site, class_index)
    page.wait_for_timeout(500)
    page.keyboard.press("Enter")
    pictures_are_shown(page)
    page.wait_for_timeout(500)
    page.keyboard.press("Shift+Enter")
    expect(page.locator(".finished")).to_contain_text("24 accepted, 5 rejected, 0 unsure, 1 skipped")
    expect(page.locator(".finished")).to_contain_text("Look at the 1 still open")
    all_is_saved(page)
    assert said(site, class_index)[BROKEN] == "skip"
    page.get_by_role("button", name="Look at the 1 still open").click()
    expect(page.locator(".tile")).to_have_count(1)
    assert shown(page) == [name(BROKEN)]


def test_undo_goes_back_any_number_of_steps_and_pages(page: Page, site: Site, class_index: int) -> None:
    open_queue(page, site, class_index)
    page.keyboard.press("a")
    page.keyboard.press("u")
    page.wait_for_timeout(500)
    page.keyboard.press("Enter")
    page.keyboard.press("r")
    all_is_saved(page)
    assert len(said(site, class_index)) == PAGE + 1
    page.keyboard.press("Backspace")
    page.keyboard.press("Control+z")
    assert answers(page)[:3] == ["accept", "unsure", ""]
    all_is_saved(page)
    assert said(site, class_index) == {0: "present", 1: "unsure"}
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Undo").click()
    all_is_saved(page)
    assert said(site, class_index) == {}
    expect(page.locator(".numbers")).to_contain_text("0 of 30 suggestions answered, 30 open")


def test_a_changed_mind_leaves_one_answer(page: Page, site: Site, class_index: int) -> None:
    open_queue(page, site, class_index)
    for key in ("a", "ArrowLeft", "r", "ArrowLeft", "s"):
        page.keyboard.press(key)
    all_is_saved(page)
    assert said(site, class_index) == {0: "skip"}
    page.keyboard.press("Backspace")
    all_is_saved(page)
    assert said(site, class_index) == {0: "absent"}


def test_accepting_a_spurious_label_says_that_it_is_absent(page: Page, site: Site, class_index: int) -> None:
    open_queue(page, site, class_index, kind="spurious")
    page.keyboard.press("a")
    page.keyboard.press("r")
    all_is_saved(page)
    assert said(site, class_index) == {50: "absent", 51: "present"}


def test_the_mouse_can_do_all_of_it(page: Page, site: Site, class_index: int) -> None:
    open_queue(page, site, class_index)
    tiles = page.locator(".tile")
    tiles.nth(3).click(position={"x": 60, "y": 100})
    assert answers(page)[3] == "accept"
    tiles.nth(3).click(position={"x": 60, "y": 100})
    assert answers(page)[3] == "reject"
    tiles.nth(5).hover()
    tiles.nth(5).locator(".quick .unsure").click()
    tiles.nth(0).hover()
    page.get_by_role("button", name="Skip").click()
    all_is_saved(page)
    assert said(site, class_index) == {3: "absent", 5: "unsure", 0: "skip"}


def test_enter_is_the_page_s_after_a_click_and_the_button_s_after_a_tab(
    page: Page, site: Site, class_index: int
) -> None:
    open_queue(page, site, class_index)
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
    all_is_saved(page)
    assert Counter(said(site, class_index).values()) == {"present": PAGE}


def test_the_reviewer_and_the_page_size_outlast_a_reload(page: Page, site: Site, class_index: int) -> None:
    open_queue(page, site, class_index)
    page.keyboard.press("a")
    page.get_by_label("Reviewer").fill("Zoë 🐈")
    page.get_by_label("Reviewer").press("Tab")
    page.get_by_label("Pictures a page").select_option("12")
    pictures_are_shown(page)
    page.keyboard.press("a")
    all_is_saved(page)
    page.reload()
    pictures_are_shown(page)
    expect(page.locator(".tile")).to_have_count(12)
    expect(page.get_by_label("Reviewer")).to_have_value("Zoë 🐈")
    reviewers = Counter(d.reviewer for d in site.decisions() if d.class_index == class_index)
    assert reviewers["Zoë 🐈"] == 1
    assert len(reviewers) == 2


@pytest.mark.parametrize("hostile", range(5))
def test_a_hostile_class_name_is_shown_as_text(page: Page, site: Site, hostile: int) -> None:
    class_name = site.workspace.dataset.class_names[hostile]
    open_queue(page, site, hostile, kind="spurious")
    expect(page.locator("h2 bdi")).to_have_text(class_name)
    expect(page.locator(".detail")).to_contain_text(class_name)
    page.keyboard.press("Space")
    expect(page.locator("dialog.large")).to_be_visible()
    page.keyboard.press("Escape")
    assert page.locator("img[src='x']").count() == 0
    assert page.locator(".tile").first.bounding_box()["y"] < 400  # 200 characters leave room for the pictures
    page.goto(site.url())
    page.get_by_role("combobox").click()
    expect(page.get_by_role("option").filter(has_text=class_name)).to_be_visible()


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (2560, 1440)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_whole_page_is_seen_without_scrolling(
    page: Page, site: Site, tmp_path: Path, width: int, height: int, scheme: str
) -> None:
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    open_queue(page, site, 1)
    boxes = [page.locator(".tile").nth(i).bounding_box() for i in range(PAGE)]
    assert all(box and box["x"] >= 0 and box["x"] + box["width"] <= width for box in boxes)
    assert all(box and box["y"] + box["height"] <= height for box in boxes)
    assert min(box["width"] for box in boxes if box) >= (120 if width == 1280 else 280)
    screenshot = page.screenshot(path=tmp_path / "review.png")
    background = page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor")
    assert (sum(map(int, background[4:-1].split(","))) < 150) == (scheme == "dark")
    assert len(screenshot) > 50_000  # pictures, not an empty page


def test_a_class_opens_from_the_table_and_the_address_keeps_it(page: Page, site: Site) -> None:
    page.goto(site.url())
    table = page.get_by_test_id("stDataFrame")
    expect(table).to_be_visible()
    page.wait_for_timeout(1000)
    table.click(position={"x": 60, "y": 55})
    pictures_are_shown(page)
    address = page.url
    assert "class=" in address
    question = page.locator("h2").text_content()
    page.reload()
    pictures_are_shown(page)
    assert (page.url, page.locator("h2").text_content()) == (address, question)
    page.get_by_role("button", name="All classes").click()
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()
    assert "class=" not in page.url
