"""The plugin as FiftyOne loads it: what its operators take for meant, and what they write."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labelmend_app.fiftyone_bridge import layout, plugin_folder
from labelmend_app.fiftyone_bridge.pull import pull
from labelmend_app.fiftyone_bridge.push import push
from labelmend_core.errors import InputError


@pytest.fixture
def installed(fiftyone_database, tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("FIFTYONE_PLUGINS_DIR", str(tmp_path / "plugins"))
    monkeypatch.setattr(fiftyone_database.config, "plugins_dir", str(tmp_path / "plugins"))
    monkeypatch.delenv("LABELMEND_REVIEWER", raising=False)
    return plugin_folder.install()


@pytest.fixture
def pushed(fiftyone_database, workspace) -> Any:
    return fiftyone_database.load_dataset(push(workspace).dataset)


@pytest.fixture
def operate(installed) -> Callable[..., dict[str, Any]]:
    """Run an operator as the App does, on what would be selected there."""
    from fiftyone.operators import execute_operator

    def operate(name: str, view: Any, **context: Any) -> dict[str, Any]:
        result: dict[str, Any] = execute_operator(f"@labelmend/review/{name}", {"view": view, **context}).result
        return result

    return operate


def ids(view: Any) -> list[str]:
    found: list[str] = view.values("id")
    return found


def said(workspace) -> list[tuple[int, str, str]]:
    return [(event.image, event.verdict.value, event.reviewer) for event in workspace.ledger.decisions()]


def test_what_is_selected_is_decided_and_comes_back(pushed, workspace, operate, monkeypatch) -> None:
    monkeypatch.setenv("LABELMEND_REVIEWER", "Ann")
    view = pushed.load_saved_view("missing: dog")
    first, second, third, fourth = ids(view)
    assert operate("accept", view, selected=[first, second]) == {"decided": 2}
    assert operate("reject", view, current_sample=third) == {"decided": 1}
    monkeypatch.delenv("LABELMEND_REVIEWER")
    assert operate("unsure", view, selected=[fourth]) == {"decided": 1}
    assert len(pushed.load_saved_view("missing: dog")) == 0
    assert pull(workspace, reviewer="Ben").kept == 4
    assert said(workspace) == [
        (0, "present", "Ann"), (1, "present", "Ann"), (2, "absent", "Ann"), (3, "unsure", "Ben")
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["accept", "reject", "unsure", "open_again"])
def test_with_nothing_selected_nothing_is_decided(pushed, workspace, operate, name: str) -> None:
    assert operate(name, pushed.view()) == {"decided": 0}
    assert push(workspace).waiting == 0


def test_the_open_picture_counts_and_not_what_is_selected_behind_it(pushed, operate) -> None:
    view = pushed.load_saved_view("missing: dog")
    first, *others = ids(view)
    operate("accept", view, selected=others, current_sample=first)
    assert ids(view) == others


def test_several_classes_are_asked_for_and_the_answer_decides_which(pushed, workspace, operate) -> None:
    both = ids(pushed.skip(3).limit(2))
    assert operate("accept", pushed.view(), selected=both) == {"decided": 0}
    assert operate("accept", pushed.view(), selected=both, params={"what": "spurious 2"}) == {"decided": 1}
    pull(workspace, reviewer="Ann")
    assert said(workspace) == [(4, "absent", "Ann")]


def test_a_label_that_is_selected_alone_is_meant(pushed, workspace, operate) -> None:
    sample = pushed.skip(4).first()
    label = {"label_id": sample["suggestions"].classifications[0].id, "sample_id": sample.id, "field": "suggestions"}
    assert operate("reject", pushed.view(), selected=ids(pushed), selected_labels=[label]) == {"decided": 1}
    pull(workspace, reviewer="Ann")
    assert said(workspace) == [(4, "present", "Ann")]


def test_a_decision_can_be_taken_back_before_and_after_a_pull(pushed, workspace, operate) -> None:
    first = ids(pushed)[0]
    operate("accept", pushed.view(), selected=[first])
    operate("open_again", pushed.view(), selected=[first])
    assert pull(workspace, reviewer="Ann").sent == 0
    operate("accept", pushed.view(), selected=[first])
    pull(workspace, reviewer="Ann")
    operate("open_again", pushed.view(), selected=[first])
    pull(workspace, reviewer="Ann")
    assert [event.verdict.value for event in workspace.ledger.decisions()] == ["present", "undo"]


def test_next_goes_from_the_likeliest_on_and_around(pushed, operate) -> None:
    view = pushed.load_saved_view("missing: dog")
    order = ids(view)
    assert operate("next_suggestion", view) == {"sample": order[0]}
    assert operate("next_suggestion", view, current_sample=order[0]) == {"sample": order[1]}
    assert operate("next_suggestion", view, current_sample=order[-1]) == {"sample": order[0]}


def test_progress_counts_by_kind_and_what_waits(pushed, workspace, operate, decide) -> None:
    from labelmend_app.fiftyone_bridge.plugin import suggestions

    decide(pushed.name, 0, status="accepted")
    pull(workspace)
    decide(pushed.name, 1, tags=["rejected"])
    found = suggestions.progress(pushed)
    assert found.counts == {
        ("missing", "accepted"): 1, ("missing", "rejected"): 1, ("missing", "open"): 2, ("spurious", "open"): 1
    }  # fmt: skip
    assert (found.total, found.decided, found.waiting) == (5, 2, 1)


def test_it_names_the_fields_as_a_push_does(fiftyone_database) -> None:
    from labelmend_app.fiftyone_bridge.plugin import suggestions
    from labelmend_app.review.reviewers import REVIEWER_VARIABLE

    assert (suggestions.FIELD, suggestions.ELEMENTS, suggestions.MARK) == (
        layout.SUGGESTIONS, layout.ELEMENTS, layout.MARK
    )  # fmt: skip
    assert suggestions.DECISIONS == layout.DECISIONS
    assert suggestions.REVIEWER_VARIABLE == REVIEWER_VARIABLE


def test_it_is_installed_brought_up_to_date_and_removed(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("FIFTYONE_PLUGINS_DIR", str(tmp_path))
    folder = plugin_folder.install()
    assert plugin_folder.is_current()
    (folder / "panel.py").write_text("", encoding="utf-8")
    assert not plugin_folder.is_current()
    assert plugin_folder.install() == folder
    assert plugin_folder.is_current()
    assert plugin_folder.remove() == folder
    assert not list(tmp_path.iterdir())


def test_what_is_not_the_plugin_is_not_overwritten(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("FIFTYONE_PLUGINS_DIR", str(tmp_path))
    (tmp_path / "labelmend").mkdir()
    (tmp_path / "labelmend" / "fiftyone.yml").write_text("name: '@somebody/else'\n", encoding="utf-8")
    with pytest.raises(InputError, match="something else is there"):
        plugin_folder.install()
    assert [path.name for path in (tmp_path / "labelmend").iterdir()] == ["fiftyone.yml"]
