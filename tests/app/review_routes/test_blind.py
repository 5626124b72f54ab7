"""Blind: what the model thinks of a suggestion does not even leave the server."""

from typing import Any

import pytest

Client = Any  # of conftest.py, which pytest imports and nobody else can
TOLD = {"suggestion_id", "image", "image_id", "rank", "given_labels"}
OF_IMAGE = {"class_index", "class_name", "kind"}


@pytest.mark.parametrize(
    ("route", "query", "told"),
    [("queue", {"class_index": 0, "kind": "missing"}, TOLD), ("images", {}, TOLD | OF_IMAGE)],
)
def test_suggestions_come_without_a_number_of_the_model(
    client: Client, run_id: str, route: str, query: dict[str, Any], told: set[str]
) -> None:
    seeing = client.get(f"/api/{route}", run=run_id, **query).json["items"]
    blind = client.get(f"/api/{route}", run=run_id, blind=1, **query).json["items"]
    assert [set(item) for item in blind] == [told] * len(seeing)
    assert set(seeing[0]) > told


def test_the_evidence_and_the_standing_come_without_them(client: Client, run_id: str) -> None:
    asked = {"run": run_id, "class_index": 0, "kind": "missing", "blind": 1}
    assert set(client.get("/api/why/1", **asked).json) == {"labels", "look_alikes"}
    assert set(client.get("/api/standing", **asked).json) == {"said", "accepted", "mended"}


def test_an_image_s_suggestions_come_in_the_order_of_their_classes(client: Client, run_id: str) -> None:
    """Seeing, the likeliest is first."""
    orders = {}
    for blind in (0, 1):
        items = client.get("/api/images", run=run_id, blind=blind, limit=50).json["items"]
        orders[blind] = [item["class_index"] for item in items if item["image"] == 3]
    assert orders == {0: [1, 0], 1: [0, 1]}
