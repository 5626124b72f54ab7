"""`labelmend bench web`: a small run of the real thing, down to its last line."""

import json

from typer.testing import CliRunner

from labelmend_app.cli import app


def test_reviewers_in_one_go_lose_nothing_and_nothing_leaks() -> None:
    arguments = ["--reviewers", "4", "--decisions", "10", "--paths", "40", "--json"]
    done = CliRunner().invoke(app, ["bench", "web", *arguments], catch_exceptions=False)
    assert done.exit_code == 0
    line = json.loads(done.stdout.splitlines()[-1])
    assert (line["acknowledged"], line["lost"], line["doubled"]) == (40, 0, 0)
    assert (line["hostile_paths"], line["leaked"]) == (40, 0)
    assert 0 < line["decision_ms_p50"] <= line["decision_ms_p95"] <= line["decision_ms_p99"]
