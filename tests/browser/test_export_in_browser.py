"""Taking everything home from the page: what it shows, what it gives, and the report on its own."""

import json
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect

from labelmend_core.types import Decision, Verdict

pytestmark = pytest.mark.browser

PATIENCE = 240_000  # ms, on a busy machine


def test_changes_annotations_and_the_report_go_home(own_site, page: Page, tmp_path):
    names = own_site.workspace.dataset.class_names
    now = datetime.now(UTC)
    said = [Decision("c", k + 1, k, k, Verdict.PRESENT, "<b>Anna</b>", now) for k in range(5)]
    own_site.workspace.ledger.append(said)
    with page.expect_response(lambda answer: "/api/thumbnail/" in answer.url, timeout=PATIENCE) as picture:
        page.goto(own_site.url("export"))
    assert picture.value.ok
    expect(page.get_by_text("5 changes.")).to_be_visible()

    def downloaded(button: str):
        with page.expect_download() as coming:
            page.get_by_role("button", name=button).click()
        path = tmp_path / coming.value.suggested_filename
        coming.value.save_as(path)
        return path

    changes = json.loads(downloaded("Changes as JSON").read_text(encoding="utf-8"))
    assert [row["class"] for row in changes] == list(names[:5])
    assert downloaded("Corrected annotations").read_text(encoding="utf-8").startswith("00.png,0\n01.png,1\n")
    report = downloaded("Report")

    alone = page.context.new_page()
    asked, wrong = [], []
    alone.on("request", lambda request: asked.append(request.url))
    alone.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
    alone.on("console", lambda line: wrong.append(line.text) if line.type == "error" else None)
    alone.goto(report.as_uri())
    for name in names[:5]:
        expect(alone.get_by_role("cell", name=name, exact=True).first).to_be_visible()
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert alone.evaluate("document.images.length > 0 && [...document.images].every(one => one.naturalWidth > 0)")
    assert alone.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing wider than the page"
    assert not wrong
