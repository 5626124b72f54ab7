"""What the Export screen says of FiftyOne before anything was pushed, and when there is no database."""

import time

from labelmend_app.fiftyone_bridge import beside


def button(page, label):
    return next(one for one in page.button if one.label == label)


def test_before_a_push_there_is_nothing_to_bring_back(open_screen) -> None:
    page = open_screen("export")
    assert not button(page, "Open in FiftyOne").disabled
    assert button(page, "Bring decisions back").disabled


def test_a_database_that_does_not_answer_is_named_on_the_screen(workspace, open_screen, monkeypatch) -> None:
    monkeypatch.setenv("FIFTYONE_DATABASE_URI", "mongodb://127.0.0.1:9")
    job = beside.start(workspace, "fiftyone pull")
    while (ended := beside.latest(workspace, "fiftyone pull")) is None or ended.exit_code is None:
        time.sleep(0.05)
    assert ended.name == job.name
    page = open_screen("export")
    assert any("does not answer" in block.value for block in page.code)
    assert not button(page, "Open in FiftyOne").disabled
