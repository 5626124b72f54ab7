"""How fast the review is and whether it loses anything: a real browser, a real server, and keys."""

from labelmend_app.benchmarks.review._browser import find_chromium
from labelmend_app.benchmarks.review._figures import Figures, Storm, summary
from labelmend_app.benchmarks.review._run import measure, weather
from labelmend_app.benchmarks.review._site import Server, make_workspace

__all__ = [
    "Figures",
    "Server",
    "Storm",
    "find_chromium",
    "make_workspace",
    "measure",
    "summary",
    "weather",
]
