"""The audit trail on the screen, as a download and on the command line."""

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from labelmend_app.cli import app
from labelmend_app.decision_list import csv_file
from labelmend_app.screens import decisions as screen
from labelmend_core.ledger import Wanted
from labelmend_core.types import Decision, Verdict
from labelmend_core.workspace import Workspace

OpenScreen = Callable[..., AppTest]


@pytest.fixture
def decided(workspace: Workspace) -> None:
    """Seven decisions of two reviewers, one of them with the name of a formula."""
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    said = [("ann", n % 3, n % 2, Verdict.PRESENT) for n in range(6)] + [("=1+1", 0, 0, Verdict.ABSENT)]
    for n, (who, *cell, verdict) in enumerate(said, 1):
        workspace.ledger.append([Decision("tab-1", n, *cell, verdict, who, noon + timedelta(hours=9 * n))])


def shown(test: AppTest) -> list[str]:
    return test.dataframe[0].value["reviewer"].tolist()


def test_without_decisions_it_says_where_to_begin(open_screen: OpenScreen) -> None:
    assert "Review" in open_screen("decisions").info[0].value


@pytest.mark.usefixtures("decided")
def test_the_newest_comes_first_and_reviewers_are_below(open_screen: OpenScreen) -> None:
    test = open_screen("decisions")
    assert shown(test) == ["=1+1", *["ann"] * 6]
    assert test.dataframe[1].value["answered"].tolist() == [6, 1]


@pytest.mark.usefixtures("decided")
@pytest.mark.parametrize(
    ("address", "n"),
    [
        ({"by": "=1+1"}, 1),
        ({"verdict": "present"}, 6),
        ({"class": "1"}, 3),
        ({"since": "2026-03-03", "until": "2026-03-03"}, 3),
        ({"class": "99", "verdict": "<b>", "since": "soon", "page": "x"}, 7),
    ],
)
def test_the_address_says_what_is_looked_for(open_screen: OpenScreen, address: dict[str, str], n: int) -> None:
    assert len(shown(open_screen("decisions", **address))) == n


@pytest.mark.usefixtures("decided")
def test_a_choice_is_written_into_the_address_and_forgotten(open_screen: OpenScreen) -> None:
    test = open_screen("decisions", name="nowhere")
    assert "No decision is like that" in test.info[0].value
    test.button(key="decisions_all").click().run()
    test.selectbox(key="decisions_by").set_value("ann").run()
    assert dict(test.query_params) == {"by": "ann"}
    assert len(shown(test)) == 6


@pytest.mark.usefixtures("decided")
def test_pages_are_turned_in_the_address(open_screen: OpenScreen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen, "PAGE_SIZE", 3)
    test = open_screen("decisions")
    assert (len(shown(test)), test.button(key="decisions_newer").disabled) == (3, True)
    test.button(key="decisions_older").click().run()
    test.button(key="decisions_older").click().run()
    assert (shown(test), test.query_params["page"]) == (["ann"], "3")
    assert test.button(key="decisions_older").disabled
    assert len(shown(open_screen("decisions", page="99"))) == 1


@pytest.mark.usefixtures("decided")
def test_the_download_holds_what_is_looked_for_and_no_formula(workspace: Workspace) -> None:
    rows = list(csv.DictReader(io.StringIO(csv_file(workspace, Wanted()).decode())))
    assert len(rows) == 7
    assert (rows[0]["reviewer"], rows[0]["decided_at"]) == ("'=1+1", "2026-03-04T03:00:00Z")
    assert len(csv_file(workspace, Wanted(reviewer="nobody")).decode().splitlines()) == 1


@pytest.mark.usefixtures("decided")
def test_the_command_line_writes_the_same(workspace: Workspace) -> None:
    runner, folder = CliRunner(), str(workspace.folder)
    out = workspace.folder.parent / "trail.csv"
    done = runner.invoke(app, ["decisions", "-w", folder, "--verdict", "absent", "--csv", str(out)])
    assert done.exit_code == 0, done.output
    assert out.read_bytes() == csv_file(workspace, Wanted(verdict=Verdict.ABSENT))
    listed = runner.invoke(app, ["decisions", "-w", folder, "--until", "2026-03-01"])
    assert "1 decisions and undos" in listed.output
    for wrong in (["--since", "soon"], ["--verdict", "maybe"], ["--class", "no such class"]):
        refused = runner.invoke(app, ["decisions", "-w", folder, *wrong])
        assert wrong[0] in str(refused.exception)
