"""The review one image at a time: whole images, most errors first, and only what is open."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from labelmend_core.workspace import Workspace

Client = Any  # of conftest.py, which pytest imports and nobody else can
Answer = Callable[[int, int, str], None]


def walked(client: Client, run_id: str, limit: int, **more: Any) -> list[tuple[int, int, str]]:
    """Ask page after page, as the grid does."""
    found, after, ended = [], 0, False
    while not ended:
        page = client.get("/api/images", run=run_id, after=after, limit=limit, **more).json
        cells = [(item["image"], item["class_index"], item["kind"]) for item in page["items"]]
        assert len({image for image, _, _ in cells}) <= limit
        found, after, ended = found + cells, page["after"], page["ended"]
    return found


@pytest.mark.parametrize("limit", [1, 3, 50])
def test_every_open_suggestion_comes_once_with_the_images_of_most_errors_first(
    client: Client, run_id: str, limit: int
) -> None:
    cells = walked(client, run_id, limit)
    images = list(dict.fromkeys(image for image, _, _ in cells))
    assert images[:4] == [2, 3, 0, 1]  # two suggestions each, then the likeliest ones
    assert cells[:2] == [(2, 1, "missing"), (2, 0, "missing")]
    assert (30, 0, "spurious") in cells
    assert len(cells) == len(set(cells)) == 23


def test_what_is_answered_is_not_asked_again_and_a_skip_is(client: Client, run_id: str, answer: Answer) -> None:
    answer(2, 0, "absent")
    answer(3, 1, "unsure")
    answer(3, 0, "skip")
    answer(0, 0, "present")
    cells = walked(client, run_id, 4)
    assert {image for image, _, _ in cells} == {*range(1, 20), 30}
    assert [cell for cell in cells if cell[0] in (2, 3)] == [(2, 1, "missing"), (3, 0, "missing")]
    first = client.get("/api/images", run=run_id).json
    assert (first["suggested"], first["open"]) == (23, 20)


def test_a_cell_of_the_audit_sample_is_left_to_its_class(client: Client, run_id: str, workspace: Workspace) -> None:
    sample = workspace.audits.cells(run_id)
    assert [cell.image_index for cell in sample] == [25]
    assert 25 not in {image for image, _, _ in walked(client, run_id, 50)}


def test_a_pick_cuts_it(client: Client, run_id: str) -> None:
    likely = walked(client, run_id, 50, likely=85)
    assert likely
    assert len(likely) < 23
    chosen = walked(client, run_id, 50, next=4, since=0)
    assert len(chosen) in (3, 4)  # one of the four places may be that of a cell of the sample
    assert walked(client, run_id, 50, next=4, since=0) == chosen


@pytest.mark.parametrize("query", [{"after": -1}, {"limit": 0}, {"limit": 51}, {"after": "x"}, {"blind": 2}])
def test_a_wrong_question_is_answered_with_what_was_expected(
    client: Client, run_id: str, query: dict[str, Any]
) -> None:
    reply = client.get("/api/images", run=run_id, **query)
    assert reply.status == 400
    assert next(iter(query)) in reply.json["error"]


def test_nobody_is_given_what_another_has_before_them_however_each_asks(
    client: Client, run_id: str, workspace: Workspace
) -> None:
    queue = {"class_index": 0, "kind": "missing", "run": run_id}
    cells = pd.DataFrame([(i, 0, "missing") for i in (5, 35)], columns=["image_index", "class_index", "kind"])
    key = workspace.selections.save(cells)
    anns = client.get("/api/images", run=run_id, reviewer="Ann", limit=3).json
    assert list(dict.fromkeys(item["image"] for item in anns["items"])) == [2, 3, 0]
    bens = client.get("/api/queue", **queue, reviewer="Ben", limit=4).json
    assert [item["image"] for item in bens["items"]] == [1, 25, 4, 5]
    assert (anns["held"], bens["held"]) == (0, 3)
    cems = client.get("/api/images", run=run_id, reviewer="Cem", limit=50).json
    assert {item["image"] for item in cems["items"]} == {*range(6, 20), 30}
    assert cems["held"] == 5 + 3
    selected = client.get("/api/queue", **queue, reviewer="Dan", selection=key).json
    assert ([item["image"] for item in selected["items"]], selected["held"]) == ([35], 1)
    again = client.get("/api/images", run=run_id, reviewer="Ann", limit=3).json
    assert [item["image"] for item in again["items"]] == [item["image"] for item in anns["items"]]
