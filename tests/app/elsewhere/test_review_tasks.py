"""The review in Label Studio: what its tasks say, that we read them back, and hostile names."""

import json
from datetime import UTC, datetime
from xml.etree.ElementTree import Element

import pytest
from defusedxml import ElementTree

from labelmend_app.elsewhere.review_tasks import INTERFACE_NAME, TASKS_NAME, write_review_tasks
from labelmend_core.errors import InputError
from labelmend_core.types import Decision, Verdict
from labelmend_datasets.formats import FORMATS


def test_a_task_holds_the_labels_with_what_is_suggested(workspace, suggest, names, tmp_path):
    run_id = suggest()

    paths, n = write_review_tasks(workspace, tmp_path / "out", 3)

    assert [path.name for path in paths] == [TASKS_NAME, INTERFACE_NAME]
    tasks = json.loads(paths[0].read_text(encoding="utf-8"))
    assert n == len(tasks) == 2
    assert tasks[0]["data"] == {
        "image": "/data/local-files/?d=a%20b.jpg",
        "suggested": f"missing: {names[1]} (90%); spurious: cat (70%)",
        "labelmend": {"image": "a b.jpg", "asked": [names[1], "cat"], "labels": ["cat"], "run": run_id},
    }
    predictions = [task["predictions"][0] for task in tasks]
    assert [one["result"][0]["value"]["choices"] for one in predictions] == [[names[1]], [names[2]]]
    assert [one["score"] for one in predictions] == [0.9, 0.8]


def test_an_answered_suggestion_is_no_task(workspace, suggest, tmp_path):
    suggest()
    workspace.ledger.append([Decision("c", 1, 1, 2, Verdict.ABSENT, "Anna", datetime(2026, 3, 1, tzinfo=UTC))])

    paths, _ = write_review_tasks(workspace, tmp_path / "out", 10)

    tasks = json.loads(paths[0].read_text(encoding="utf-8"))
    assert [task["data"]["suggested"] for task in tasks][1] == "missing: cat (20%)"


def test_the_interface_offers_every_class_as_it_is_called(workspace, suggest, names, tmp_path):
    suggest()

    paths, _ = write_review_tasks(workspace, tmp_path / "out", 1)

    interface: Element = ElementTree.parse(paths[1]).getroot()
    assert [choice.get("value") for choice in interface.iter("Choice")] == names


def test_what_label_studio_exports_after_accepting_a_prediction_is_read(workspace, suggest, names, tmp_path):
    suggest()
    paths, _ = write_review_tasks(workspace, tmp_path / "out", 3)
    tasks = json.loads(paths[0].read_text(encoding="utf-8"))
    for task in tasks:  # submitting a task makes an annotation of its prediction
        task["annotations"] = [{"was_cancelled": False, "result": task["predictions"][0]["result"]}]
    exported = tmp_path / "export.json"
    exported.write_text(json.dumps(tasks), encoding="utf-8")
    classes = tmp_path / "classes.txt"
    classes.write_text("\n".join(names), encoding="utf-8")

    dataset = FORMATS["label-studio"].read(exported, classes=classes)

    assert dataset.paths == ["a b.jpg", "b.jpg"]
    assert dataset.given_labels.dense().tolist() == [[0, 1, 0], [0, 0, 1]]


def test_without_suggestions_it_says_what_to_do(workspace, tmp_path):
    with pytest.raises(InputError, match="run 'labelmend suggest' first"):
        write_review_tasks(workspace, tmp_path, 3)
