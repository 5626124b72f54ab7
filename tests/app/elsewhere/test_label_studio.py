"""What Label Studio exports of our tasks comes into the ledger once, with who and when, and overwrites nothing."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from labelmend_app.cli import main
from labelmend_app.elsewhere.label_studio import bring
from labelmend_app.elsewhere.review_tasks import write_review_tasks
from labelmend_core.errors import AnnotationError, InputError
from labelmend_core.ledger import replay
from labelmend_core.types import Decision, Verdict

FIRST, LATER = "2026-03-01T10:00:00.123456Z", "2026-03-02T10:00:00Z"
ANN = {"id": 1, "email": "ann@example.org", "first_name": "Ann", "last_name": "Lee"}


@pytest.fixture
def tasks(workspace, suggest, tmp_path) -> list[dict]:
    """The tasks as Label Studio has them: of `a b.jpg` dog is asked and cat, of `b.jpg` bird and cat."""
    suggest()
    (path, _), _ = write_review_tasks(workspace, tmp_path / "out", 10)
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture
def submit(tasks, tmp_path) -> Callable[..., Path]:
    """Return a call that submits a task and exports the project."""

    def submit(number: int, *choices: str, by: object = 1, at: str | None = FIRST, **more: object) -> Path:
        result = {"from_name": "choice", "to_name": "image", "type": "choices", "value": {"choices": [*choices]}}
        one = {"completed_by": by, "result": [result] if choices else [], "was_cancelled": False, **more}
        tasks[number].setdefault("annotations", []).append(one if at is None else one | {"updated_at": at})
        path = tmp_path / "project.json"
        path.write_text(json.dumps(tasks), encoding="utf-8")
        return path

    return submit


def said(workspace) -> list[tuple[int, int, str, str]]:
    return [(one.image, one.class_index, one.verdict.value, one.reviewer) for one in workspace.ledger.decisions()]


def test_what_was_asked_is_answered_by_what_was_chosen(workspace, tasks, submit, names) -> None:
    brought = bring(workspace, submit(0, names[1], by=ANN))
    assert said(workspace) == [(0, 0, "absent", "Ann Lee"), (0, 1, "present", "Ann Lee")]
    first, second = workspace.ledger.decisions()
    assert first.decided_at == second.decided_at == datetime(2026, 3, 1, 10, 0, 0, 123456, tzinfo=UTC)
    assert workspace.queue.get(first.suggestion_id).kind.value == "spurious"
    assert (brought.tasks, brought.annotated, brought.sent, brought.kept, brought.added) == (2, 1, 2, 2, 2)


def test_a_class_that_nobody_asked_about_is_answered_where_its_choice_changed(workspace, submit, names) -> None:
    bring(workspace, submit(0, names[0], names[2]))
    user = "Label Studio user 1"
    assert said(workspace) == [(0, 0, "present", user), (0, 1, "absent", user), (0, 2, "present", user)]


def test_the_same_export_adds_nothing_though_its_decisions_were_taken_back(workspace, submit, names) -> None:
    export = submit(0, names[1], by=ANN)
    bring(workspace, export)
    assert bring(workspace, export).added == 0
    undo = Decision("web", 1, 0, 1, Verdict.UNDO, "Ann Lee", datetime.now(UTC), undoes=("label-studio", 2))
    workspace.ledger.append([undo])
    assert bring(workspace, export).added == 0


def test_a_changed_mind_replaces_and_an_older_export_does_not(workspace, tasks, submit, names, tmp_path) -> None:
    older = submit(0, names[1]).rename(tmp_path / "older.json")
    bring(workspace, older)
    tasks[0].pop("annotations")
    bring(workspace, submit(0, at=LATER))
    verdicts = [one.verdict.value for one in workspace.ledger.decisions()]
    assert verdicts == ["absent", "present", "undo", "absent"]
    assert bring(workspace, older).added == 0


def test_two_annotators_of_a_task_are_two_reviewers(workspace, submit, names) -> None:
    submit(1, names[2], by=ANN)
    export = submit(1, by=2, at=LATER)
    bring(workspace, export, reviewers={"2": "Ben"})
    of_bird = [(verdict, by) for image, k, verdict, by in said(workspace) if (image, k) == (1, 2)]
    assert of_bird == [("present", "Ann Lee"), ("absent", "Ben")]
    assert bring(workspace, export, reviewers={"2": "Ben"}).added == 0


def test_what_the_ledger_calls_differently_is_listed_and_stays(workspace, submit, names) -> None:
    export = submit(0, names[0], names[1], by=ANN)
    workspace.ledger.append([Decision("web", 1, 0, 1, Verdict.ABSENT, "Ben", datetime(2026, 2, 1, tzinfo=UTC))])
    brought = bring(workspace, export)
    (conflict,) = brought.conflicts
    assert (conflict.image, conflict.class_name, conflict.in_ledger) == ("a b.jpg", names[1], "absent")
    assert (conflict.in_label_studio, conflict.reviewer, conflict.decided_by) == ("present", "Ann Lee", "Ben")
    assert (brought.sent, brought.kept, brought.added) == (2, 1, 1)
    assert replay(workspace.dataset.given_labels, workspace.ledger.decisions()).dense()[0, 1] == -1


def test_what_was_skipped_decides_nothing(workspace, submit, names) -> None:
    brought = bring(workspace, submit(0, names[1], was_cancelled=True))
    assert (brought.annotated, brought.added) == (0, 0)


def test_an_export_without_times_has_that_of_the_file(workspace, submit) -> None:
    export = submit(0, at=None)
    assert bring(workspace, export).added == 2
    assert bring(workspace, export).added == 0
    assert abs(workspace.ledger.decisions()[0].decided_at.timestamp() - export.stat().st_mtime) < 1e-3


def test_what_is_none_of_ours_is_said(workspace, tasks, submit, names) -> None:
    tasks[1]["data"] = {"image": "x.jpg"}
    brought = bring(workspace, submit(0, names[1], "no such class"))
    assert brought.unclear == [
        "task 1: 'no such class' is no class of this workspace",
        "1 tasks are none of this workspace",
    ]
    assert brought.added == 2


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ('[{"data": {"image": "a.jpg"}}]', InputError, "export the project of"),
        ('[{"image": "a.jpg", "choice": "cat"}]', AnnotationError, "not JSON-MIN"),
    ],
    ids=["another project", "JSON-MIN"],
)
def test_a_file_that_is_no_export_of_our_tasks_says_what_to_do(workspace, tmp_path, text, error, message) -> None:
    path = tmp_path / "export.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(error, match=message):
        bring(workspace, path)


def test_the_command_names_reviewers_and_conflicts(workspace, submit, names, capsys) -> None:
    export = submit(0, names[1])
    workspace.ledger.append([Decision("web", 1, 0, 0, Verdict.PRESENT, "Ben", datetime(2026, 2, 1, tzinfo=UTC))])
    command = ["pull", str(export), "--reviewer", "1=Anna", "--workspace", str(workspace.folder)]
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert "1 of 2 tasks are submitted, with 2 decisions; 1 of them are in the ledger, 1 new." in shown
    assert f"a b.jpg, {names[0]}: absent by Anna there, present by Ben here" in shown
    with pytest.raises(SystemExit) as ended:
        main([*command[:3], "Anna", *command[4:]])
    assert ended.value.code == 2
