"""What goes into FiftyOne, what comes back, and that neither way loses a decision."""

import zipfile
from contextlib import closing
from datetime import UTC, datetime

import numpy as np
import pytest

from labelmend_app.fiftyone_bridge.pull import pull
from labelmend_app.fiftyone_bridge.push import push
from labelmend_core.errors import InputError
from labelmend_core.run_folder import RunFolder
from labelmend_core.types import AnnotatedDataset, Decision, LabelMatrix, Verdict
from labelmend_core.workspace import Workspace

WHEN = datetime(2031, 5, 4, 3, 2, 1, tzinfo=UTC)


@pytest.fixture
def pushed(fiftyone_database, workspace):
    return fiftyone_database.load_dataset(push(workspace).dataset)


def said(workspace) -> list[tuple[int, str, str]]:
    return [(event.image, event.verdict.value, event.reviewer) for event in workspace.ledger.decisions()]


def statuses(dataset) -> list[str]:
    dataset.reload()
    return [status for own in dataset.values("suggestions.classifications.status") for status in own]


def test_labels_suggestions_and_vectors_are_fields_of_the_samples(pushed, workspace) -> None:
    first, *_, fifth, sixth = pushed
    suggestion = first["suggestions"].classifications[0]
    assert (suggestion.label, suggestion["kind"], suggestion["status"]) == ("dog", "missing", "open")
    assert suggestion.confidence == pytest.approx(suggestion["error_probability"])
    assert suggestion["scores"] == {"neighbours": 1.5}
    assert suggestion["reason"] == "p 0.9"
    assert workspace.queue.get(suggestion["suggestion_id"]).image == 0
    assert [one.label for one in fifth["given_labels"].classifications] == ["猫"]
    assert [one.label for one in sixth["verified_absent"].classifications] == ["dog"]
    np.testing.assert_allclose(first["pred_probs"], np.linspace(0, 1, 18)[:3], atol=1e-3)
    assert first["embeddings"].tolist() == [1, 0, 0, 0]
    assert first.filepath == str(workspace.image_path(0))


def test_the_app_can_sort_by_similarity_and_draw_the_map_of_explore(pushed, workspace) -> None:
    assert pushed.list_brain_runs(type="similarity") == ["labelmend_similarity"]
    first = pushed.match({"image_index": 0}).first()
    alike = pushed.sort_by_similarity(first.id, brain_key="labelmend_similarity", k=2)
    assert alike.first().id == first.id
    shown = pushed.load_brain_results("labelmend_map")
    assert len(shown.points) == 6
    (kept,) = (workspace.folder / "projections").glob("*.npy")
    np.testing.assert_allclose(shown.points, np.load(kept), atol=1e-6)


def test_the_curves_of_the_run_come_along(pushed, workspace) -> None:
    run = RunFolder(workspace.run_folder(workspace.queue.latest_run()))
    run.write_table("metrics", [{"epoch": 0, "loss": 2.0}, {"epoch": 1, "loss": 0.5}])
    push(workspace)
    pushed.reload()
    assert pushed.info["labelmend"]["curves"]["loss"] == [{"name": "loss for each image", "x": [1, 2], "y": [2, 0.5]}]


def test_saved_views_hold_what_is_open_most_likely_first(pushed, workspace, decide) -> None:
    assert pushed.list_saved_views() == ["missing: dog", "spurious: 猫"]
    decide(pushed.name, 1, status="rejected")
    assert pushed.load_saved_view("missing: dog").values("image_index") == [0, 2, 3]
    assert push(workspace).views == 2


def test_pushing_again_resets_no_decision_and_updates_the_rest(pushed, workspace, decide) -> None:
    decide(pushed.name, 0, status="accepted", reviewer="Ann", decided_at=WHEN)
    workspace.ledger.append([Decision("somebody", 1, 1, 0, Verdict.ABSENT, "Ben", WHEN)])
    assert push(workspace).waiting == 1
    assert push(workspace).waiting == 1
    assert statuses(pushed) == ["accepted", "rejected", "open", "open", "open"]
    assert [one.label for one in pushed.skip(1).first()["verified_absent"].classifications] == ["dog"]
    assert pull(workspace).kept == 1
    assert said(workspace) == [(1, "absent", "Ben"), (0, "present", "Ann")]
    assert workspace.ledger.decisions()[1].decided_at == WHEN


def test_a_decision_outlives_its_suggestion(pushed, workspace, decide) -> None:
    decide(pushed.name, 2, status="accepted")
    run_id = workspace.queue.latest_run()
    left = workspace.queue.of_run(run_id)[0]
    columns = ("kind", "rank", "label_quality", "error_probability", "low", "high", "reason")
    row = {name: getattr(left, name) for name in columns} | {"image_index": 0, "class_index": 0}
    import pandas as pd

    workspace.queue.save(run_id, pd.DataFrame([row]))
    push(workspace)
    assert statuses(pushed) == ["open", "accepted"]
    pull(workspace, reviewer="Ann")
    assert said(workspace) == [(2, "present", "Ann")]


def test_pulling_twice_adds_nothing(pushed, workspace, decide) -> None:
    decide(pushed.name, 0, status="accepted")
    decide(pushed.name, 3, status="unsure")
    decide(pushed.name, 4, status="accepted")
    first, second = pull(workspace, reviewer="Ann"), pull(workspace, reviewer="Ann")
    assert (first.sent, first.kept, first.added) == (3, 3, 3)
    assert (second.sent, second.kept, second.added) == (0, 0, 0)
    assert said(workspace) == [(0, "present", "Ann"), (3, "unsure", "Ann"), (4, "absent", "Ann")]
    assert [event.seq for event in workspace.ledger.decisions()] == [1, 2, 3]
    assert None not in {event.suggestion_id for event in workspace.ledger.decisions()}


def test_a_pull_that_was_cut_short_is_made_good(pushed, workspace, decide, monkeypatch) -> None:
    decide(pushed.name, 0, status="accepted")
    with monkeypatch.context() as cut:
        cut.setattr("labelmend_app.fiftyone_bridge.pull._mark", lambda dataset, delivered: None)
        pull(workspace, reviewer="Ann")
    assert (again := pull(workspace, reviewer="Ann")).kept == again.sent == 1
    assert said(workspace) == [(0, "present", "Ann")]
    assert pull(workspace, reviewer="Ann").sent == 0


def test_tags_of_a_view_decide_as_well(pushed, workspace) -> None:
    pushed.load_saved_view("missing: dog").limit(2).tag_labels("rejected", label_fields="suggestions")
    push(workspace)
    pull(workspace, reviewer="Ann")
    assert said(workspace) == [(0, "absent", "Ann"), (1, "absent", "Ann")]
    assert statuses(pushed) == ["rejected", "rejected", "open", "open", "open"]
    assert pushed.count_label_tags() == {}


def test_a_changed_mind_replaces_and_open_again_takes_back(pushed, workspace, decide) -> None:
    for status in ("accepted", "unsure", "open"):
        decide(pushed.name, 0, status=status)
        pull(workspace, reviewer="Ann")
        push(workspace)
        assert statuses(pushed)[0] == status
    verdicts = [event.verdict.value for event in workspace.ledger.decisions()]
    assert verdicts == ["present", "undo", "unsure", "undo"]


def test_what_the_ledger_calls_differently_is_listed_and_stays(pushed, workspace, decide) -> None:
    decide(pushed.name, 0, status="accepted")
    workspace.ledger.append([Decision("somebody", 1, 0, 0, Verdict.ABSENT, "Ben", WHEN)])
    push(workspace)
    pulled = pull(workspace, reviewer="Ann")
    (conflict,) = pulled.conflicts
    assert (conflict.image, conflict.class_name, conflict.in_fiftyone) == ("0.png", "dog", "accepted")
    assert (conflict.in_ledger, conflict.decided_by) == ("rejected", "Ben")
    assert (pulled.sent, pulled.kept) == (1, 0)
    assert said(workspace) == [(0, "absent", "Ben")]
    assert statuses(pushed)[0] == "accepted"


@pytest.mark.parametrize(
    "attributes",
    [{"status": "yes"}, {"tags": ["accepted", "unsure"]}, {"status": "accepted", "reviewer": "a\nb"}],
    ids=["unknown status", "two tags", "no name"],
)
def test_what_is_no_decision_is_said_and_left_alone(pushed, workspace, decide, attributes) -> None:
    decide(pushed.name, 0, **attributes)
    pulled = pull(workspace, reviewer="Ann")
    assert (pulled.sent, pulled.kept, len(pulled.unclear)) == (1, 0, 1)
    assert not workspace.ledger.count()


def test_a_push_does_not_overwrite_what_is_decided_meanwhile(pushed, workspace, decide, monkeypatch) -> None:
    from labelmend_app.fiftyone_bridge import elements

    merged, decided = elements.merged, []

    def deciding(*arguments):
        if not decided:
            decided.append(decide(pushed.name, 0, status="accepted"))
        return merged(*arguments)

    monkeypatch.setattr(elements, "merged", deciding)
    assert push(workspace).waiting == 1
    assert statuses(pushed)[0] == "accepted"


def test_pulling_before_a_push_says_what_to_do(fiftyone_database, workspace) -> None:
    with pytest.raises(InputError, match="labelmend fiftyone push"):
        pull(workspace)


def test_images_in_an_archive_are_refused_before_anything_is_written(tmp_path) -> None:
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("a.jpg", b"")
    (tmp_path / "labels.txt").write_text("a.jpg,\n")
    dataset = AnnotatedDataset(["a.jpg"], ["a.jpg"], ("dog",), LabelMatrix.empty((1, 1)))
    places = {"image_folder": tmp_path / "photos.zip", "source": tmp_path / "labels.txt"}
    with closing(Workspace.create(tmp_path / "workspace", dataset, format_name="list", **places)) as workspace:
        with pytest.raises(InputError, match=r"FiftyOne shows files only.*a\.jpg lies in .*photos\.zip"):
            push(workspace)
        assert not (workspace.folder / "fiftyone").exists()
