"""The evidence beside the large picture: labels, p by epoch, look-alikes; and an audited cell that looks the same."""

from collections.abc import Callable
from typing import Any

import pytest

from labelmend_core.workspace import Workspace

Client = Any  # of conftest.py, which pytest imports and nobody else can

AUDITED, PLACE = 25, 4
FIRST_AUDIT_ID = 2**40


@pytest.fixture
def page(client: Client, run_id: str) -> list[dict[str, Any]]:
    """The items of the queue, as the grid gets them."""
    found: list[dict[str, Any]] = client.get("/api/queue", class_index=0, kind="missing").json["items"]
    return found


@pytest.fixture
def why(client: Client, run_id: str) -> Callable[..., dict[str, Any]]:
    def ask(suggestion_id: int, **more: Any) -> dict[str, Any]:
        asked = {"run": run_id, "class_index": 0, "kind": "missing", **more}
        found: dict[str, Any] = client.get(f"/api/why/{suggestion_id}", **asked).json
        return found

    return ask


def images(side: list[dict[str, Any]]) -> list[int]:
    return [other["image"] for other in side]


def test_p_by_epoch_is_that_of_the_cell(why: Callable[..., Any], page: list[dict[str, Any]]) -> None:
    item = page[10]
    expected = [item["image"] / 100 * epoch / 4 for epoch in range(5)]
    assert why(item["suggestion_id"])["p_by_epoch"] == pytest.approx(expected, abs=0.003)


def test_the_look_alikes_are_the_nearest_of_either_side_and_never_the_image_itself(
    why: Callable[..., Any], page: list[dict[str, Any]]
) -> None:
    (item,) = [item for item in page if item["image"] == 1]
    found = why(item["suggestion_id"])["look_alikes"]
    assert images(found["labelled"]) == [39, 38, 37]  # 40 images go once round: image 39 is two steps from image 1
    assert sorted(images(found["others"])) == [0, 2, 3]
    assert found["labelled"][0]["image_id"] == "39.jpg"


def test_what_was_answered_of_a_look_alike_moves_it_from_its_side(
    why: Callable[..., Any], page: list[dict[str, Any]], answer: Callable[[int, int, str], None]
) -> None:
    answer(39, 0, "absent")
    answer(2, 0, "present")
    (item,) = [item for item in page if item["image"] == 1]
    found = why(item["suggestion_id"])["look_alikes"]
    assert images(found["labelled"]) == [38, 37, 36]
    assert sorted(images(found["others"])) == [0, 3, 4]


def test_its_other_labels_say_which_ones_answers_changed(
    why: Callable[..., Any], page: list[dict[str, Any]], answer: Callable[[int, int, str], None]
) -> None:
    (item,) = [item for item in page if item["image"] == 0]
    assert why(item["suggestion_id"])["labels"] == [{"name": "<b>dog</b>", "state": "given"}]
    answer(0, 2, "present")
    answer(0, 1, "absent")
    answer(0, 0, "present")  # the cell in question: somebody else's answer is not shown
    assert why(item["suggestion_id"])["labels"] == [
        {"name": "<b>dog</b>", "state": "removed"},
        {"name": "bus", "state": "added"},
    ]


def test_an_audited_cell_has_the_evidence_of_the_suggestion_that_it_looks_like(
    why: Callable[..., Any], page: list[dict[str, Any]]
) -> None:
    (audited,) = [item for item in page if item["suggestion_id"] >= FIRST_AUDIT_ID]
    (looks_like,) = [item for item in page if item["rank"] == PLACE and item is not audited]
    assert (audited["image"], audited["reason"]) == (AUDITED, looks_like["reason"])
    shown, like = why(audited["suggestion_id"]), why(looks_like["suggestion_id"])
    assert shown.keys() == like.keys()
    assert shown["p_by_epoch"] == like["p_by_epoch"]
    assert {24, 26} < set(images(shown["look_alikes"]["others"]))  # of its own picture


def test_a_run_without_features_or_epochs_says_none(
    why: Callable[..., Any], page: list[dict[str, Any]], workspace: Workspace, run_id: str
) -> None:
    folder = workspace.run_folder(run_id)
    (folder / "embeddings.npy").unlink()
    for epoch in (folder / "dynamics" / "epochs").iterdir():
        epoch.unlink()
    found = why(page[0]["suggestion_id"])
    assert (found["look_alikes"], found["p_by_epoch"]) == (None, [])


@pytest.mark.parametrize("suggestion_id", [10**9, FIRST_AUDIT_ID + 99, 2**70])
def test_a_suggestion_that_there_is_not_is_not_found(client: Client, run_id: str, suggestion_id: int) -> None:
    answer = client.get(f"/api/why/{suggestion_id}", run=run_id, class_index=0, kind="missing")
    assert answer.status == 404
    assert "reload" in answer.json["error"]


def test_a_selected_cell_needs_be_no_suggestion(why: Callable[..., Any]) -> None:
    found = why(2**41 + 1, image=33)
    assert found["p_by_epoch"][-1] == pytest.approx(0.33, abs=0.003)
    assert 34 in images(found["look_alikes"]["labelled"])
