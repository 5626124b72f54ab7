"""Why a picture is suggested, where one stands, keys of one's own, blind, and one image at a time."""

import json
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

Site = Grid = Any  # of conftest.py, which pytest imports and nobody else can
FIRST_LABELLED = 50  # the last ten images carry every class


def test_the_large_picture_says_why(page: Page, grid: Grid, looking_site: Site) -> None:
    grid.open(looking_site, 0)
    page.keyboard.press("Space")
    why = page.locator("aside.why")
    curve = why.get_by_role("img", name="in the first epoch")
    expect(curve).to_have_attribute("aria-label", curve_sentence(looking_site))
    expect(why.get_by_role("heading", name="p of zero by epoch of the training")).to_be_visible()
    expect(why).to_contain_text("90 % likely a missing label (90 %: ")
    before = page.locator("dialog.large").bounding_box()
    page.keyboard.press("ArrowRight")
    expect(page.locator("dialog.large .caption")).to_contain_text("00001.png")
    assert page.locator("dialog.large").bounding_box() == before
    page.keyboard.press("Escape")


def test_the_large_picture_is_answered_with_the_mouse_and_the_next_one_comes(
    page: Page, grid: Grid, site: Site, class_index: int
) -> None:
    grid.open(site, class_index)
    shown = grid.shown()
    page.get_by_role("button", name="Large").click()
    large = page.locator("dialog.large")
    large.get_by_role("button", name="Reject: not there").click()
    expect(large.locator(".caption")).to_contain_text(shown[1])
    large.get_by_role("button", name="Undo").click()
    expect(large.locator(".caption")).to_contain_text(f"undecided · {shown[0]}")
    large.get_by_role("button", name="Accept: it is there").click()
    page.keyboard.press("Space")  # the keys are the page's again: it closes, and presses no button
    expect(large).to_be_hidden()
    grid.all_is_saved()
    said = [(d.image, d.verdict.value) for d in site.decisions() if d.class_index == class_index]
    assert [verdict for _, verdict in said] == ["absent", "undo", "present"]
    assert len({image for image, _ in said}) == 1


def curve_sentence(site: Site) -> str:
    from labelmend_core.run_folder import RunFolder

    workspace = site.workspace
    run = RunFolder(workspace.run_folder(workspace.queue.latest_run()))
    (p,) = (round(float(p), 3) for p in run.p_by_epoch(0, 0))
    said = f"{int(100 * p + 0.5)} %"
    return f"{said} in the first epoch, {said} in the last of 1; highest {said}."


def test_scores_are_bars_with_words_and_hostile_labels_are_text(page: Page, grid: Grid, site: Site) -> None:
    grid.open(site, 1, kind="spurious")
    page.keyboard.press("Space")
    scores = page.locator("aside.why .scores li")
    expect(scores).to_have_count(3)
    assert scores.first.text_content() == "all similar imagesclearly for"
    assert scores.last.text_content() == "its other labelsa little against"
    expect(page.locator("aside.why .labels li").first).to_have_text("<img src=x onerror=alert(1)>")
    expect(page.locator("aside.why")).to_contain_text("This run kept no features")
    page.keyboard.press("Escape")


def test_after_a_page_it_says_where_one_stands_and_no_picture_moves(
    page: Page, grid: Grid, site: Site, class_index: int
) -> None:
    grid.open(site, class_index)
    before = page.locator(".tile").first.bounding_box()
    page.keyboard.press("r")
    page.wait_for_timeout(500)
    page.keyboard.press("Enter")
    standing = page.locator(".standing")
    expect(standing).to_contain_text("Accepted 96 %, expected 84 %")
    expect(standing).to_contain_text("the next 6 here will mend about")
    assert page.locator(".tile").first.bounding_box() == before
    grid.all_is_saved()


def test_a_key_of_one_s_own_works_is_shown_everywhere_and_outlasts_a_reload(
    page: Page, grid: Grid, site: Site, class_index: int
) -> None:
    grid.open(site, class_index)
    page.keyboard.press("?")
    keys = page.locator("dialog.keys")
    keys.get_by_role("button", name="Choose another key for: accept the suggestion").click()
    page.keyboard.press("r")
    expect(keys).to_contain_text("R already does this: reject the suggestion.")
    page.keyboard.press("Tab")
    expect(keys).to_contain_text("Tab cannot be chosen")
    page.keyboard.press("j")
    expect(keys.locator("[data-rebinds=accept]")).to_have_text("J")
    page.keyboard.press("Escape")
    page.reload()
    grid.pictures_are_shown()
    expect(page.get_by_role("button", name="Accept: it is there")).to_contain_text("J")
    page.keyboard.press("a")
    page.keyboard.press("j")
    assert grid.answers()[:2] == ["accept", ""]
    page.keyboard.press("?")
    keys.get_by_role("button", name="Reset to defaults").click()
    keys.get_by_role("button", name="Close").click()
    expect(page.get_by_role("button", name="Accept: it is there")).to_contain_text("A")
    page.keyboard.press("Backspace")
    grid.all_is_saved()


def test_blind_shows_and_fetches_nothing_of_what_the_model_thinks(
    page: Page, grid: Grid, site: Site, class_index: int
) -> None:
    sent: list[str] = []
    grid.open(site, class_index)
    page.on("response", lambda got: sent.append(got.text()) if "/api/" in got.url and "json" in kind_of(got) else None)
    page.keyboard.press("b")
    expect(page.get_by_role("switch", name="Blind")).to_have_attribute("aria-checked", "true")
    grid.pictures_are_shown()
    assert "blind=1" in page.url
    page.keyboard.press("Space")
    expect(page.locator("aside.why")).to_contain_text("Its other labels")
    page.keyboard.press("h")
    expect(page.locator("dialog.large .where .note")).to_contain_text("Blind mode")
    page.keyboard.press("Escape")
    page.keyboard.press("a")
    grid.all_is_saved()
    assert "%" not in (page.locator(".review-grid").text_content() or "")
    assert sent
    told = {name for body in sent for name in names_in(json.loads(body))}
    assert not told & {
        "error_probability",
        "low",
        "high",
        "label_quality",
        "reason",
        "scores",
        "p_by_epoch",
        "expected",
    }
    page.keyboard.press("b")
    expect(page.locator(".tile .caption b").first).to_be_visible()
    assert "blind" not in page.url


def kind_of(response: Any) -> str:
    return str(response.headers.get("content-type", ""))


def names_in(message: Any) -> set[str]:
    if isinstance(message, dict):
        return set(message) | {name for part in message.values() for name in names_in(part)}
    return {name for part in message for name in names_in(part)} if isinstance(message, list) else set()


def test_one_image_at_a_time_digits_turn_answers_round_and_enter_commits(
    page: Page, grid: Grid, own_site: Site
) -> None:
    page.goto(own_site.url())
    page.get_by_role("button", name="By image").click()
    rows = page.locator(".class-row")
    n_classes = len(own_site.workspace.dataset.class_names)
    expect(rows).to_have_count(n_classes)
    expect(page.locator(".by-image .frame img")).to_be_visible()
    expect(rows.first).to_contain_text("<img src=x onerror=alert(1)>")
    page.wait_for_timeout(500)
    page.keyboard.press("2")
    page.keyboard.press("4")
    page.keyboard.press("4")
    page.keyboard.press("0")
    expect(rows.nth(1)).to_contain_text("absent")
    expect(rows.nth(3)).to_contain_text("present")
    page.keyboard.press("Enter")
    expect(page.locator(".image-name")).to_contain_text("50.png")  # as likely to have errors, of the other kind
    grid.all_is_saved()
    said = {d.class_index: d.verdict.value for d in own_site.decisions() if d.image == 0 and d.verdict.value != "undo"}
    assert said == {k: "absent" if k in (1, 9) else "present" for k in range(n_classes)}
    for _ in range(4):  # Enter, 0, and the two of 4
        page.keyboard.press("Backspace")
    expect(page.locator(".image-name")).to_contain_text("00.png")
    assert [row for row in grid.answers() if row] == ["reject"]
    grid.all_is_saved()
    page.keyboard.press("i")
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()
    assert "by=" not in page.url


GUIDELINES = """# What counts
**All** of them. <img src=x onerror=alert(1)> ![x](https://evil.example/x.png) [rules](https://example.org/rules)
[bad](javascript:alert(1))

- parked ones
"""


def test_guidelines_are_written_beside_the_pictures_and_hostile_ones_are_text(
    page: Page, grid: Grid, own_site: Site
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    grid.open(own_site, 7)
    page.keyboard.press("g")
    panel = page.locator("aside.guidelines")
    panel.get_by_role("button", name="Edit").click()
    panel.get_by_role("textbox").fill(GUIDELINES)
    panel.get_by_role("button", name="Save").click()
    expect(panel.get_by_role("heading", name="What counts")).to_be_visible()
    expect(panel).to_contain_text("<img src=x onerror=alert(1)> ![x](https://evil.example/x.png)")
    expect(panel).to_contain_text("[bad](javascript:alert(1))")
    link = panel.get_by_role("link")
    expect(link).to_have_attribute("href", "https://example.org/rules")
    expect(link).to_have_attribute("rel", "noopener noreferrer")
    page.keyboard.press("e")  # nothing: nobody looks at one picture
    page.locator(".tile").first.focus()
    page.keyboard.press("Space")
    page.keyboard.press("e")
    expect(page.locator("dialog.large .note").first).to_have_text("Now an example in the guidelines")
    page.keyboard.press("Space")
    expect(panel.locator(".example")).to_have_count(1)
    page.reload()
    grid.pictures_are_shown()
    expect(panel.get_by_role("listitem")).to_have_text("parked ones")
    panel.get_by_role("button", name="00.png is no example any more").click()
    expect(panel.locator(".example")).to_have_count(0)
    page.keyboard.press("g")
    expect(panel).to_be_hidden()
    assert not [url for url in asked if "evil" in url]
    assert own_site.decisions() == []
