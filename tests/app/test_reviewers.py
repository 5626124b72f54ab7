"""Names of reviewers: what is one, where it is kept, and that no answer changes its name."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from labelmend_app.cli import app
from labelmend_app.review.reviewers import REVIEWER_VARIABLE, default_reviewer, reviewer_name
from labelmend_core.errors import InputError
from labelmend_core.ledger import Status
from labelmend_core.types import AnnotatedDataset, LabelMatrix
from labelmend_core.workspace import Workspace

HOSTILE = ["<img src=x onerror=alert(1)>", "a\"b'c", "كلب صغير", "🐕\u200d🦺", "w" * 80, "**bold** :red[x]", "=1+1"]


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    source = tmp_path / "train.txt"
    source.write_text("a.jpg,\n")
    dataset = AnnotatedDataset(["a.jpg"], ["a.jpg"], ["cat"], LabelMatrix.empty((1, 1)))
    made = Workspace.create(tmp_path / "workspace", dataset, format_name="list", image_folder=tmp_path, source=source)
    run_id = made.runs.start(mode="probe", loss="bce", labels="given", n_decisions=0, settings={})
    made.runs.finish(run_id, Status.DONE)
    row = {"image_index": 0, "class_index": 0, "kind": "missing", "rank": 1, "label_quality": 0.1}
    made.queue.save(run_id, pd.DataFrame([row | {"error_probability": 0.9, "low": 0.8, "high": 1.0, "reason": {}}]))
    yield made
    made.close()


@pytest.fixture
def screen(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    monkeypatch.setenv(REVIEWER_VARIABLE, "Ann")

    def script(folder: str) -> None:
        from pathlib import Path

        from labelmend_app.screens import review
        from labelmend_core.workspace import Workspace

        opened = Workspace.open(Path(folder))
        try:
            review.render(opened)
        finally:
            opened.close()

    def draw(**address: str) -> AppTest:
        test = AppTest.from_function(script, kwargs={"folder": str(workspace.folder)}, default_timeout=600)
        for name, value in address.items():
            test.query_params[name] = value
        test.run()
        assert not test.exception
        return test

    return draw


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_may_be_any_line_of_text(name: str) -> None:
    assert reviewer_name(f" {name}\t") == name


def test_the_same_letters_are_the_same_name() -> None:
    assert reviewer_name("Zoe\u0308") == reviewer_name("Zo\u00eb")


@pytest.mark.parametrize("text", ["", "   ", "w" * 81, "two\nlines", "a\x00b", "a\u2028b", "\ud800"])
def test_what_is_no_name_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(InputError, match="Expected a reviewer's name"):
        reviewer_name(text)


def test_the_command_line_names_whom_to_begin_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(REVIEWER_VARIABLE, " Ben ")
    assert default_reviewer() == "Ben"
    monkeypatch.setenv(REVIEWER_VARIABLE, "two\nlines")
    assert default_reviewer() == "reviewer"


def test_the_address_says_who_reviews(screen: Callable[..., AppTest]) -> None:
    assert screen().selectbox(key="reviewer_choice").value == "Ann"
    assert screen(reviewer=" Ben ").selectbox(key="reviewer_choice").value == "Ben"
    assert screen(reviewer="w" * 81).selectbox(key="reviewer_choice").value == "Ann"


def type_in(test: AppTest, name: str) -> None:
    """Type a new name: the test's own select box only knows those that it offers."""
    box = test.selectbox(key="reviewer_choice")
    box.options.append(name)
    box.set_value(name).run()
    assert not test.exception


@pytest.mark.parametrize("name", HOSTILE[:2])
def test_a_new_name_is_kept_in_the_address(screen: Callable[..., AppTest], name: str) -> None:
    test = screen()
    type_in(test, name)
    assert test.query_params["reviewer"] == name
    assert test.selectbox(key="reviewer_choice").value == name
    type_in(test, "Ann")
    assert "reviewer" not in test.query_params


def test_a_name_that_is_too_long_is_refused_and_the_old_one_stays(screen: Callable[..., AppTest]) -> None:
    test = screen(reviewer="Ben")
    type_in(test, "w" * 81)
    assert "1 to 80 characters, got 81" in test.error[0].value
    assert test.selectbox(key="reviewer_choice").value == "Ben"


@pytest.mark.parametrize(
    ("wrong", "sentence"), [(["--reviewer", " "], "1 to 80"), (["--double-review", "101"], "100 %")]
)
def test_the_review_does_not_begin_with_what_is_no_name_or_no_share(
    workspace: Workspace, wrong: list[str], sentence: str
) -> None:
    done = CliRunner().invoke(app, ["review", "--no-open", "-w", str(workspace.folder), *wrong])
    assert isinstance(done.exception, InputError)
    assert sentence in str(done.exception)
