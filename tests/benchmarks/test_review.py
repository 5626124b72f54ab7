"""`labelmend bench review`: one command that drives a browser, and what it says of a storm."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from labelmend_app.benchmarks.review import Figures, Storm, find_chromium, summary
from labelmend_app.cli import app, main

FIGURES = Figures(10, 100, (900.0,), (20.0, 30.0, 40.0), (50.0,), (5.0, 6.0, 9.0), 100.0, 200.0)


def test_the_line_holds_the_slowest_of_all_workspaces() -> None:
    slower = Figures(10, 1000, (900.0,), (25.0,), (50.0,), (1.0,), 100.0, 200.0)
    line = summary([FIGURES, slower], Storm(pressed=9, sent=5, stored=5, doubled=0, kills=2, unsaved=3))
    assert line == {
        "paint_ms_p50": 30.0,
        "paint_ms_p95": 39.0,
        "durable_ms_p50": 6.0,
        "durable_ms_p95": 8.7,
        "sent": 5,
        "stored": 5,
        "doubled": 0,
    }


def test_a_folder_without_images_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["bench", "review", "--data", str(tmp_path)])
    assert ended.value.code == 2
    assert "Expected a folder of images" in capsys.readouterr().err


@pytest.mark.browser
@pytest.mark.skipif(find_chromium() is None, reason="no Chromium; install one or set LABELMEND_CHROMIUM")
def test_every_answer_given_in_a_storm_is_stored_once() -> None:
    arguments = ["--suggestions", "2000", "--presses", "26", "--answers", "40", "--json"]
    done = CliRunner().invoke(app, ["bench", "review", *arguments], catch_exceptions=False)
    assert done.exit_code == 0
    line = json.loads(done.stdout.splitlines()[-1])
    assert line["sent"] >= 40
    assert (line["stored"], line["doubled"]) == (line["sent"], 0)
    assert 0 < line["paint_ms_p50"] <= line["paint_ms_p95"]
