"""From the Export screen into the real FiftyOne App, three decisions there with the plugin, and home again."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from labelmend_app.export import export
from labelmend_app.fiftyone_bridge import beside
from labelmend_app.fiftyone_bridge.mongod import find_mongod
from labelmend_core.errors import WorkspaceError

pytestmark = pytest.mark.browser

PATIENCE = 240_000  # ms: on a busy machine three processes import fiftyone


@pytest.fixture(autouse=True)
def _own_fiftyone(tmp_path: Path, monkeypatch) -> None:
    """No settings, plugins or database of somebody's; before the server starts, which hands them on."""
    try:
        find_mongod()
    except WorkspaceError as error:
        pytest.skip(str(error))
    for name in ("FIFTYONE_DATABASE_URI", "FIFTYONE_PRIVATE_DATABASE_PORT"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("FIFTYONE_CONFIG_PATH", str(tmp_path / "none.json"))
    monkeypatch.setenv("FIFTYONE_PLUGINS_DIR", str(tmp_path / "plugins"))


def select(app: Page, *places: int) -> None:
    for place in places:
        app.locator("[data-cy=looker]").nth(place).click(position={"x": 14, "y": 14})
    expect(app.locator("[data-cy=action-manage-selected]")).to_contain_text(str(len(places)))


@pytest.fixture
def site_with_app(own_site: Any) -> Iterator[Any]:
    """A server, and no App of FiftyOne that outlives it."""
    yield own_site
    job = beside.busy(own_site.workspace, "fiftyone app")
    if job is not None:
        job.end()


def test_decisions_made_in_the_app_of_fiftyone_come_home(site_with_app, page: Page, tmp_path: Path) -> None:
    own_site = site_with_app
    page.goto(own_site.url("export", reviewer="Anna"))
    page.get_by_role("button", name="Open in FiftyOne").click()
    link = page.get_by_role("link", name="Go to FiftyOne")
    expect(link).to_be_visible(timeout=PATIENCE)

    app = page.context.new_page()
    app.goto(f"{link.get_attribute('href')}&view=missing-class-3")
    app.get_by_text("Dismiss").click()
    expect(app.get_by_text("30 samples")).to_be_visible()
    accept, reject = (app.get_by_role("button", name=name, exact=True) for name in ("Accept", "Reject"))
    accept.click()
    expect(app.get_by_text("Nothing is selected.")).to_be_visible()
    app.get_by_role("button", name="Cancel").click()
    select(app, 0, 1)
    with app.expect_response(lambda answer: "paginateSamples" in (answer.request.post_data or ""), timeout=PATIENCE):
        accept.click()  # the grid asks anew, beside the number above it
    expect(app.get_by_text("28 samples")).to_be_visible()
    select(app, 0)
    reject.click()
    expect(app.get_by_text("27 samples")).to_be_visible()
    expect(app.get_by_text(re.compile(r"^3 of [\d,]+ suggestions decided"))).to_be_visible()
    app.close()

    page.get_by_role("button", name="Bring decisions back").click()
    expect(page.get_by_text("3 decisions were made in FiftyOne; 3 are in the ledger.")).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_text("3 changes.")).to_be_visible()
    page.reload()
    page.get_by_role("button", name="Stop FiftyOne").click()
    expect(page.get_by_role("button", name="Open in FiftyOne")).to_be_visible(timeout=PATIENCE)

    k = own_site.workspace.dataset.class_names.index("class 3")
    said = [(one.image, one.class_index, one.verdict.value, one.reviewer) for one in own_site.decisions()]
    assert said == [(0, k, "present", "Anna"), (1, k, "present", "Anna"), (2, k, "absent", "Anna")]
    annotations = export(own_site.workspace, tmp_path / "corrected")[0].read_text(encoding="utf-8")
    assert annotations.startswith(f"00.png,{k}\n01.png,{k}\n02.png,\n")
    assert not (own_site.workspace.folder / "fiftyone" / "server.json").exists(), "the database has ended, too"
