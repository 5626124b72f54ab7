"""The loss lab in Chromium: an address that says it all, pictures that are files, epochs that play."""

import io
import re

import numpy as np
import pandas as pd
import pytest
from defusedxml.ElementTree import fromstring
from PIL import Image
from playwright.sync_api import Page, expect

from labelmend_core.curves import loss_curve
from labelmend_core.ledger import Status
from labelmend_core.run_folder import RunFolder

pytestmark = pytest.mark.browser

PATIENCE = 240_000  # ms; importing torch takes its time on a busy machine
CHART = ".st-key-lab_figure .js-plotly-plot"

# What is drawn, in the numbers of the browser; `data` holds them as base64.
DRAWN = f"""() => {{
  const chart = document.querySelector("{CHART}");
  if (!chart?._fullData) return null;
  const plain = (numbers) => Array.from(numbers, (number) => +number.toPrecision(12));
  return chart._fullData.map((trace) => [trace.name, trace.line.dash, trace.xaxis, plain(trace.x), plain(trace.y)]);
}}"""


@pytest.fixture
def lab(page: Page):
    """Open the lab and wait for its chart."""

    def open_at(url: str) -> Page:
        page.goto(url)
        expect(page.locator(CHART)).to_be_visible(timeout=PATIENCE)
        return page

    return open_at


@pytest.fixture
def run_id(own_site) -> str:
    """A run of four epochs, whose gradients say which epoch they are of."""
    settings = {"mode": "probe", "loss": "splc", "hyperparameters": {"change_epoch": 2}}
    run_id = own_site.workspace.runs.start(mode="probe", loss="splc", labels="given", n_decisions=0, settings=settings)
    folder = RunFolder(own_site.workspace.run_folder(run_id))
    folder.path.mkdir(parents=True)
    bins = {"p_low": [0.5, 0.9], "p_high": [0.55, 0.95], "count": [10, 5]}
    rows = [
        pd.DataFrame({"epoch": epoch, "group": group, **bins, "gradient": [epoch / 10, -epoch / 10]})
        for epoch in range(4)
        for group in ("positive", "planted")
    ]
    folder.write_table("gradients", pd.concat(rows))
    own_site.workspace.runs.finish(run_id, Status.DONE)
    return run_id


def drawn(page: Page, *names: str):
    """Return what is drawn once all these curves are."""
    page.wait_for_function(
        f"(names) => {{ const traces = ({DRAWN})() ?? []; return names.every((n) => traces.some((t) => t[0] === n)) }}",
        arg=list(names),
        timeout=PATIENCE,
    )
    found = page.evaluate(DRAWN)
    assert all(x and len(x) == len(y) for *_, x, y in found)
    return found


def shows_the_same(page: Page, *names: str) -> None:
    """Open the address of a page in another one, and wait until both show the same curves over logits."""
    other = page.context.new_page()
    other.goto(page.url)
    for _ in range(PATIENCE // 500):  # each may still be drawing what was chosen last
        mine, theirs = drawn(page, *names), drawn(other, *names)
        if mine == theirs:
            break
        page.wait_for_timeout(500)
    assert theirs == mine
    assert min(mine[0][3]) < 0  # no share of the images, as it was before


def test_an_address_that_is_sent_shows_the_same_figure(site, lab):
    page = lab(site.url("loss_lab", losses="hill"))
    margin = page.get_by_test_id("stSlider").filter(has_text="margin").get_by_role("slider")
    margin.press("ArrowRight", timeout=PATIENCE)
    expect(page).to_have_url(re.compile(r"hill\.margin=1\.01"))
    page.get_by_role("button", name="Keep this curve").click()
    expect(page).to_have_url(re.compile(r"kept=hill\+margin%3D1\.01"))
    margin.press("ArrowRight")
    page.get_by_text("logit", exact=True).click()
    expect(page).to_have_url(re.compile(r"hill\.margin=1\.02"))
    expect(page).to_have_url(re.compile("axis=logit"))
    shows_the_same(page, "hill margin=1.01", "hill margin=1.02")


def test_a_figure_of_a_paper_is_in_the_address_with_settings_that_the_page_did_not_have_before(site, lab):
    page = lab(site.url("loss_lab"))
    page.locator(".st-key-figure").get_by_role("combobox").click()
    page.get_by_role("option", name="AAM on COCO").click()
    names = ("asl", "aam scale=23 margin=0 balance=0.7", "aam scale=17 margin=0 balance=0.7")
    drawn(page, *names)
    for part in (r"aam\.scale=23", "kept=aam", "axis=logit", "same_height=true"):
        expect(page).to_have_url(re.compile(part))

    shows_the_same(page, *names)
    assert "bce" not in page.url


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_chart_is_downloaded_as_pictures_and_table(scheme, site, lab, page: Page, settled_box):
    page.emulate_media(color_scheme=scheme)
    lab(site.url("loss_lab", losses="splc"))
    drawn(page, "splc", "splc, epoch 0")
    size = settled_box(page.locator(CHART))

    def downloaded(name: str) -> bytes:
        with page.expect_download(timeout=PATIENCE) as event:
            page.get_by_role("button", name=name, exact=True).click()
        assert event.value.suggested_filename == f"labelmend-loss-curves.{name.lower()}"
        return event.value.path().read_bytes()

    picture = Image.open(io.BytesIO(downloaded("PNG")))
    assert picture.format == "PNG"
    assert picture.size == (pytest.approx(2 * size["width"], abs=4), pytest.approx(2 * size["height"], abs=4))
    corner = picture.convert("RGBA").getpixel((3, 3))
    assert corner[3] == 255  # not transparent: light text would vanish on white paper
    assert (sum(corner[:3]) > 3 * 128) == (scheme == "light")
    svg = fromstring(downloaded("SVG"))
    assert svg.tag == "{http://www.w3.org/2000/svg}svg"
    assert "splc, epoch 0" in "".join(svg.itertext())
    rows = pd.read_csv(io.BytesIO(downloaded("CSV")))
    unobserved = rows[(rows["target"] == 0) & (rows["epoch"] == 1)]
    np.testing.assert_allclose(unobserved["gradient"], loss_curve("splc", 0, epoch=1)["gradient"])


def test_the_epochs_of_a_run_play_in_the_browser_and_where_they_stop_is_in_the_address(own_site, run_id, lab):
    page = lab(own_site.url("loss_lab", losses="bce", run=run_id))
    hidden = "hidden present (truly missing)"
    drawn(page, hidden)
    shown = f"""() => {{
      const chart = document.querySelector("{CHART}");
      return chart._fullData.find((trace) => trace.name === "{hidden}").y[0];
    }}"""
    assert page.evaluate(shown) == pytest.approx(0.3)
    page.evaluate(f"""() => {{
      window.played = [];
      document.querySelector("{CHART}").on("plotly_animatingframe", (event) => window.played.push(event.name));
    }}""")
    page.get_by_role("button", name="Play the epochs").click()
    page.wait_for_function("window.played.length >= 4", timeout=PATIENCE)
    assert page.evaluate("window.played") == ["0", "1", "2", "3"]
    expect(page.get_by_role("button", name="Play the epochs")).to_be_visible()  # and not Pause
    assert "measured_epoch" not in page.url

    page.get_by_role("slider", name="Epoch", exact=True).press("ArrowLeft")
    expect(page.locator("output")).to_have_text("epoch 2 of 3")
    expect(page).to_have_url(re.compile("measured_epoch=2"))
    page.wait_for_function(f"Math.abs(({shown})() - 0.2) < 1e-9", timeout=PATIENCE)
    page.reload()
    expect(page.locator("output")).to_have_text("epoch 2 of 3", timeout=PATIENCE)
    drawn(page, hidden)
    assert page.evaluate(shown) == pytest.approx(0.2)
    own = next(trace for trace in page.evaluate(DRAWN) if "run's loss" in trace[0] and trace[2] == "x2")
    np.testing.assert_allclose(own[4], loss_curve("splc", 0, epoch=2, change_epoch=2)["gradient"], rtol=1e-9)


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (2560, 1440)])
def test_chart_sliders_and_downloads_are_seen_together(width, height, site, lab, page: Page, settled_box):
    page.set_viewport_size({"width": width, "height": height})
    many = ["asl", "hill", "splc", "bce", "focal", "em", "wan", "pu_mlc"]
    lab(site.url("loss_lab") + "&".join(f"losses={name}" for name in many))
    drawn(page, *many)
    slider = page.get_by_test_id("stSlider").filter(has_text="gamma_neg")
    for seen in (page.locator(CHART), page.get_by_role("button", name="PNG", exact=True), slider):
        box = settled_box(seen)
        assert box["x"] >= 0
        assert box["y"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["y"] + box["height"] <= height
    assert settled_box(page.locator(CHART))["height"] > 0.6 * height
