"""The queue of one class, page by page, of a reviewer in a tab."""

from collections.abc import Callable
from typing import Any

Client = Any  # of conftest.py, which pytest imports and nobody else can
Answer = Callable[[int, int, str], None]
AUDITED = 25  # shown after rank 4


def test_a_cell_of_the_sample_whose_place_was_passed_comes_once_and_again_after_a_reload(
    client: Client, run_id: str, answer: Answer
) -> None:
    for image in range(8):
        answer(image, 0, "present")

    def images(after_rank: int) -> list[int]:
        query = {"class_index": 0, "kind": "missing", "run": run_id, "reviewer": "Ann", "tab": "one", "limit": 5}
        return [item["image"] for item in client.get("/api/queue", **query, after_rank=after_rank).json["items"]]

    for _ in range(2):  # the second time is a reload
        assert images(0) == [8, 9, 10, 11, AUDITED]
        assert images(12) == [12, 13, 14, 15, 16]
        assert images(17) == [17, 18, 19]
