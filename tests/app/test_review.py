"""The review screen's own logic: which queue is shown, what the address says, what an empty state tells to do."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from labelmend_app.components.review_grid import ReviewQueue
from labelmend_app.screens.review import Choice, following, queue_table, read_queues
from labelmend_core.ledger import Status
from labelmend_core.types import AnnotatedDataset, Decision, Kind, LabelMatrix, Verdict
from labelmend_core.workspace import Workspace

NAMES = ("cat", "<b>dog</b>", "bus")
# (image, class, kind, error_probability): dog has the most errors to expect, then cat, then bus.
SUGGESTED = [(0, 0, "missing", 0.9), (0, 1, "missing", 0.8), (1, 1, "missing", 0.7), (2, 2, "spurious", 0.6)]


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    names = ("a.jpg", "b.jpg", "c.jpg")
    source = tmp_path / "train.txt"
    source.write_text("a.jpg,\nb.jpg,\nc.jpg,2\n")
    dataset = AnnotatedDataset(names, names, NAMES, LabelMatrix.from_cells([2], [2], [1], (3, 3)))
    made = Workspace.create(tmp_path / "workspace", dataset, format_name="list", image_folder=tmp_path, source=source)
    yield made
    made.close()


@pytest.fixture
def suggested(workspace: Workspace) -> Workspace:
    run_id = train(workspace)
    common = {"label_quality": 0.1, "low": 0.5, "high": 1.0, "reason": {}}
    rows = [
        {"image_index": i, "class_index": k, "kind": kind, "rank": rank, "error_probability": p, **common}
        for rank, (i, k, kind, p) in enumerate(SUGGESTED, 1)
    ]
    workspace.queue.save(run_id, pd.DataFrame(rows))
    return workspace


def train(workspace: Workspace) -> str:
    run_id = workspace.runs.start(mode="probe", loss="bce", labels="given", n_decisions=0, settings={})
    workspace.runs.finish(run_id, Status.DONE)
    return run_id


def answer(workspace: Workspace, *cells: tuple[int, int]) -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    said = [Decision("client-1", s, i, k, Verdict.PRESENT, "Anna", now) for s, (i, k) in enumerate(cells, 1)]
    workspace.ledger.append(said)


def screen(workspace: Workspace, **address: str) -> AppTest:
    def script(folder: str) -> None:
        from pathlib import Path

        from labelmend_app.screens import review
        from labelmend_core.workspace import Workspace

        opened = Workspace.open(Path(folder))
        try:
            review.render(opened)
        finally:
            opened.close()

    test = AppTest.from_function(script, kwargs={"folder": str(workspace.folder)}, default_timeout=30)
    for name, value in address.items():
        test.query_params[name] = value
    test.run()
    assert not test.exception
    return test


def grid_data(test: AppTest) -> dict[str, Any] | None:
    """What the grid was given, None where it is not shown."""
    shown = test.get("bidi_component")
    if not shown:
        return None
    proto = shown[0].proto
    assert proto.WhichOneof("data") == "json"  # one numpy scalar would make it a string of everything
    data: dict[str, Any] = json.loads(proto.json)
    return data


def test_without_a_run_it_says_to_train(workspace: Workspace) -> None:
    assert "labelmend train" in screen(workspace).info[0].value


def test_with_a_run_and_no_suggestions_it_says_to_suggest(workspace: Workspace) -> None:
    train(workspace)
    assert "labelmend suggest" in screen(workspace).info[0].value


def test_the_class_with_the_most_expected_errors_comes_first(suggested: Workspace) -> None:
    table = screen(suggested).dataframe[0].value
    assert table["Class"].tolist() == ["<b>dog</b>", "cat"]
    assert table["Likely right"].round().tolist() == [75, 90]
    assert table["Open"].tolist() == [2, 1]


def test_the_address_opens_a_queue(suggested: Workspace) -> None:
    data = grid_data(screen(suggested, kind="missing", **{"class": "1"}))
    assert data is not None
    assert (data["class_index"], data["class_name"], data["kind"], data["open"]) == (1, "<b>dog</b>", "missing", 2)
    assert data["next"]["class_name"] == "cat"


@pytest.mark.parametrize(
    "address",
    [{}, {"class": "99"}, {"class": "-1"}, {"class": "²"}, {"class": "<script>"}, {"kind": "both"}, {"class": ""}],
)
def test_an_address_that_names_nothing_shows_all_classes(suggested: Workspace, address: dict[str, str]) -> None:
    test = screen(suggested, **address)
    assert grid_data(test) is None
    assert len(test.dataframe) == 1


def test_choosing_a_class_is_written_into_the_address(suggested: Workspace) -> None:
    test = screen(suggested)
    test.selectbox(key="review_class").select(0).run()
    assert test.query_params["class"] == "0"
    assert grid_data(test)["class_name"] == "cat"  # type: ignore[index]
    test.button[0].click().run()
    assert "class" not in test.query_params
    assert grid_data(test) is None


def test_a_class_without_suggestions_of_the_kind_has_an_empty_queue(suggested: Workspace) -> None:
    data = grid_data(screen(suggested, kind="spurious", **{"class": "0"}))
    assert data is not None
    assert (data["class_name"], data["open"], data["next"]["class_name"]) == ("cat", 0, "bus")


def test_an_answered_suggestion_is_not_open(suggested: Workspace) -> None:
    answer(suggested, (0, 1))
    queues = read_queues(suggested, suggested.queue.latest_run() or "")
    dog = next(queue for queue in queues if queue.class_index == 1)
    assert (dog.n_suggested, dog.n_open, round(dog.expected, 2)) == (2, 1, 0.7)
    assert queue_table([dog])["Answered"].tolist() == [50]


def test_when_all_is_answered_it_says_what_comes_next(suggested: Workspace) -> None:
    answer(suggested, *((i, k) for i, k, _, _ in SUGGESTED))
    test = screen(suggested)
    assert "Train again" in test.success[0].value
    assert queue_table(read_queues(suggested, suggested.queue.latest_run() or ""))["Likely right"].isna().all()


def queue(class_index: int, kind: Kind, n_open: int) -> ReviewQueue:
    return ReviewQueue("run", class_index, f"class_{class_index}", kind, 9, n_open, float(n_open))


@pytest.mark.parametrize(
    ("n_open", "expected"),
    [
        ((5, 4, 3), (1, Kind.MISSING)),
        ((5, 0, 3), (0, Kind.SPURIOUS)),
        ((5, 0, 0), None),
    ],
)
def test_after_a_queue_comes_the_next_open_one_of_its_kind_first(
    n_open: tuple[int, int, int], expected: tuple[int, Kind] | None
) -> None:
    cells = [(0, Kind.MISSING), (1, Kind.MISSING), (0, Kind.SPURIOUS)]
    queues = [queue(*cell, n) for cell, n in zip(cells, n_open, strict=True)]
    found = following(queues, Choice(Kind.MISSING, 0))
    assert (found and (found.class_index, found.kind)) == expected
