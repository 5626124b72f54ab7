"""What is done in the review, and how long it takes."""

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from labelmend_app.benchmarks.review._browser import ReviewPage, chromium_page
from labelmend_app.benchmarks.review._figures import Figures, Storm
from labelmend_app.benchmarks.review._site import Server, make_workspace, pictures

OPENED = 5
_LOOK = 500  # ms on a page before Enter: shorter than anybody needs for 24 pictures
_DAY = "aaraauaara"
Show = Callable[[str, int, int], None]


def measure(folder: Path, data: Path | None, suggestions: int, presses: int, show: Show) -> Figures:
    """Return how fast the review of so many open suggestions is.

    Args:
        folder: for what is made up, which is removed.
        data: a folder of images, None for scenes of digits.
        suggestions: open ones, of as many classes as they take.
        presses: how often each key is pressed.
        show: told what is done.
    """
    with TemporaryDirectory(dir=folder) as made:
        show(f"making {suggestions:,} suggestions", 0, 0)
        images, names = pictures(data, Path(made))
        workspace = make_workspace(Path(made), images, names, suggestions)
        workspace.close()
        server = Server(workspace.folder)
        server.start()
        try:
            with chromium_page() as page:
                return _measured(ReviewPage(page), server, len(names), suggestions, presses, show)
        finally:
            server.kill()


def _measured(review: ReviewPage, server: Server, images: int, suggestions: int, presses: int, show: Show) -> Figures:
    opened = tuple(review.begin(server.url()) for _ in range(OPENED))
    painted, page_durable, durable = [], [], []
    for done in range(presses):
        show("pages", done, 2 * presses)
        review.wait(_LOOK)
        one, other = review.next_page()
        painted.append(one)
        page_durable.append(other)
    for done in range(presses):
        show("answers", presses + done, 2 * presses)
        review.wait(_LOOK / 5)
        durable.append(review.answer(_DAY[done % len(_DAY)]))
    return Figures(
        images,
        suggestions,
        opened,
        tuple(painted),
        tuple(page_durable),
        tuple(durable),
        review.megabytes(),
        server.megabytes(),
    )


def weather(folder: Path, data: Path | None, *, answers: int, per_second: float, kills: int, show: Show) -> Storm:
    """Return what became of answers given while the server was killed and started again.

    Args:
        folder: for what is made up, which is removed.
        data: a folder of images, None for scenes of digits.
        answers: how many are to be given.
        per_second: keys.
        kills: of the server, spread evenly; it is started again at once, and is back when it is.
        show: told how many answers are given.
    """
    with TemporaryDirectory(dir=folder) as made:
        images, names = pictures(data, Path(made))
        workspace = make_workspace(Path(made), images, names, len(names))
        server = Server(workspace.folder)
        server.start()
        try:
            with chromium_page() as page:
                review = ReviewPage(page)
                review.open(server.url(**{"class": 0, "kind": "missing"}))
                pressed, unsaved = _press(review, server, answers, per_second, kills, show)
                if kills:
                    server.wait()
                while review.unsaved():
                    review.wait(100)
                sent = review.given()
        finally:
            server.kill()
        stored = [(event.client, event.seq) for event in workspace.ledger.decisions()]
        workspace.close()
    return Storm(pressed, len(sent), len(sent & set(stored)), len(stored) - len(sent & set(stored)), kills, unsaved)


def _press(
    review: ReviewPage, server: Server, answers: int, per_second: float, kills: int, show: Show
) -> tuple[int, int]:
    """Press keys until so many answers are given; return how many keys, and the most answers that waited."""
    due = [round(answers * (kill + 1) / (kills + 1)) for kill in range(kills)]
    pressed = unsaved = given = 0
    while given < answers:
        show("keys", given, answers)
        if due and given >= due[0]:
            due.pop(0)
            server.kill()
            server.start(wait=False)
        next_key = time.perf_counter() + 1 / per_second
        review.press(_DAY[pressed % len(_DAY)])
        pressed += 1
        waiting = review.unsaved()
        unsaved, given = max(unsaved, waiting), len(review.given())
        review.wait(max(0.0, 1000 * (next_key - time.perf_counter())))
    return pressed, unsaved
