"""Chromium, and the review as it shows it: what is timed is timed inside the page, frame by frame."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from labelmend_core.errors import InputError

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")
_VIEW = {"width": 1920, "height": 1080}
SCRIPT = (Path(__file__).parent / "stopwatch.js").read_text(encoding="utf-8")
_PATIENCE = 300_000  # ms


def find_chromium() -> str | None:
    """Return the path of a Chromium, None when there is none; `LABELMEND_CHROMIUM` names another one."""
    chosen = os.environ.get("LABELMEND_CHROMIUM")
    return chosen or next((path for name in CHROMIUM if (path := shutil.which(name))), None)


@contextmanager
def chromium_page() -> Iterator["Page"]:
    """Yield an empty page of 1920 x 1080 pixels.

    Raises:
        InputError: there is no Chromium, or nothing that drives it.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise InputError(
            "Expected playwright, which drives the browser; pip install 'labelmend[benchmark]'."
        ) from error
    found = find_chromium()
    if found is None:
        raise InputError(f"Expected one of {', '.join(CHROMIUM)}, found none; install one or set LABELMEND_CHROMIUM.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(_FLAGS))
        page = browser.new_page(viewport=_VIEW)  # type: ignore[arg-type]  # a TypedDict of the same keys
        page.set_default_timeout(_PATIENCE)
        page.add_init_script(SCRIPT)
        yield page
        browser.close()


class ReviewPage:
    """The review in the page; times are milliseconds from the moment at which the browser got a key or a click."""

    def __init__(self, page: "Page") -> None:
        self._page = page

    def open(self, url: str) -> None:
        """Load an address; returns when every picture of a page is there."""
        self._page.goto(url)
        self._page.wait_for_function("stopwatch.ready()")

    def begin(self, url: str) -> float:
        """Open the table of all classes, press *Begin*, and return how long the first page takes."""
        self._page.goto(url)
        begin = self._page.get_by_role("button", name="Begin")
        begin.wait_for()
        self._page.wait_for_timeout(500)  # Streamlit is still drawing the table
        self._page.evaluate("stopwatch.startPage()")
        begin.click()
        return self._painted()

    def next_page(self) -> tuple[float, float]:
        """Press Enter; return how long until the next page is painted, and until this one's answers are committed."""
        self._page.evaluate("stopwatch.startPage()")
        self._page.keyboard.press("Enter")
        return self._painted(), self._committed()

    def answer(self, key: str) -> float:
        """Press the key of one answer, on the next page where this one is answered, and return how long it takes."""
        if self._page.evaluate("stopwatch.answered()"):
            self._page.evaluate("stopwatch.startPage()")
            self._page.keyboard.press("Enter")
            self._painted()
        self._page.evaluate("stopwatch.start()")
        self._page.keyboard.press(key)
        return self._committed()

    def press(self, key: str) -> None:
        """Press the key of an answer, or Enter where the page is answered, and wait for nothing."""
        self._page.keyboard.press("Enter" if self._page.evaluate("stopwatch.answered()") else key)

    def wait(self, ms: float) -> None:
        """Let the page go on."""
        self._page.wait_for_timeout(ms)

    def unsaved(self) -> int:
        """Return how many answers wait for the server."""
        return int(self._page.evaluate("stopwatch.unsaved()"))

    def given(self) -> set[tuple[str, int]]:
        """Return (client, seq) of every answer that the page took: it has sent it or says that it will."""
        return {(client, int(seq)) for client, seq in self._page.evaluate("stopwatch.given()")}

    def megabytes(self) -> float:
        """Return the memory that the tab's process alone holds: the largest of the browser's renderers."""
        sizes = []
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess):  # ended, or ended and waited for by nobody yet
                if "--type=renderer" in child.cmdline():
                    sizes.append(float(child.memory_full_info().uss / 1e6))
        return max(sizes)

    def _painted(self) -> float:
        return float(self._page.wait_for_function("stopwatch.painted").json_value())

    def _committed(self) -> float:
        return float(self._page.wait_for_function("stopwatch.committed").json_value())
