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
from labelmend_app.review.picked_queue import Pick, picked_queue
from labelmend_app.screens._queue_table import queue_table
from labelmend_app.screens._queues import Choice, following, read_queues
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

    test = AppTest.from_function(script, kwargs={"folder": str(workspace.folder)}, default_timeout=600)
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
    [
        {},
        {"class": "99"},
        {"class": "-1"},
        {"class": "²"},
        {"class": "<script>"},
        {"kind": "both"},
        {"class": ""},
        {"class": "1" * 5000},
    ],
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
    next(button for button in test.button if button.label == "All classes").click().run()
    assert "class" not in test.query_params
    assert grid_data(test) is None


def test_a_class_without_suggestions_of_the_kind_has_an_empty_queue(suggested: Workspace) -> None:
    data = grid_data(screen(suggested, kind="spurious", **{"class": "0"}))
    assert data is not None
    assert (data["class_name"], data["open"], data["next"]["class_name"]) == ("cat", 0, "bus")


def test_an_answered_suggestion_is_not_open(suggested: Workspace) -> None:
    answer(suggested, (0, 1))
    dog = next(queue for queue in all_queues(suggested) if queue.class_index == 1)
    assert (dog.n_suggested, dog.n_open) == (2, 1)
    assert dog.expected > 0.7, "one that was right speaks for the other"
    table = queue_table([dog])
    assert [table[name].tolist() for name in ("Answered", "Accepted", "Labels mended")] == [[50], [100], [1]]


def test_when_all_is_answered_it_says_what_comes_next(suggested: Workspace) -> None:
    answer(suggested, *((i, k) for i, k, _, _ in SUGGESTED))
    test = screen(suggested)
    assert "Train again" in test.success[0].value
    assert queue_table(all_queues(suggested))["Likely right"].isna().all()


def all_queues(workspace: Workspace) -> list[ReviewQueue]:
    run_id = workspace.queue.latest_run() or ""
    return read_queues(workspace, run_id, picked_queue(workspace, run_id))


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


def text_of(test: AppTest) -> str:
    return "\n".join(str(element.value) for element in [*test.text, *test.success, *test.info])


def test_the_table_says_what_is_picked_and_where_to_begin(suggested: Workspace) -> None:
    test = screen(suggested)
    assert "4 suggestions in 3 classes, about 3 errors expected; 0 answered" in text_of(test)
    test.button(key="review_begin").click().run()
    assert (test.query_params["class"], test.query_params["kind"]) == ("1", "missing")


def test_a_number_is_picked_of_all_classes_and_both_kinds_and_the_address_keeps_it(suggested: Workspace) -> None:
    test = screen(suggested)
    test.number_input(key="pick_effort").set_value(3).run()
    test.button(key="pick_effort_take").click().run()
    assert "3 suggestions in 2 classes" in text_of(test)
    run_id = suggested.queue.latest_run()
    address = {name: test.query_params[name] for name in ("next", "since", "run")}
    assert address == {"next": "3", "since": "0", "run": run_id}

    answer(suggested, (0, 1), (2, 2))  # (2, 2) was not picked, and is not what comes in the place of (0, 1)
    again = screen(suggested, **address)
    assert "3 suggestions in 2 classes" in text_of(again)
    assert "; 1 answered" in text_of(again)
    data = grid_data(screen(suggested, kind="missing", **address, **{"class": "0"}))
    assert data is not None
    assert data["pick"] == address
    assert data["picked"]["sentence"].startswith("My next 3: 3 suggestions in 2 classes")
    assert data["picked"]["elsewhere"] == 1
    assert (data["next"]["class_index"], data["next"]["open"]) == (1, 1)


def test_a_picked_number_that_is_answered_leads_to_the_next_or_to_all(suggested: Workspace) -> None:
    run_id = suggested.queue.latest_run() or ""
    address = Pick(effort=2, since=0).parameters(run_id)
    answer(suggested, (0, 0), (0, 1))
    test = screen(suggested, **address)
    assert "All that you picked is answered: 2 suggestions, 2 errors." in text_of(test)
    test.button(key="pick_again").click().run()
    assert test.query_params["since"] == "2"
    assert "2 suggestions in 2 classes" in text_of(test)
    test.button(key="pick_all_take").click().run()
    assert not {"next", "since", "run"} & set(test.query_params)


def test_likely_ones_are_cut_by_the_probability_now(suggested: Workspace) -> None:
    assert "2 suggestions in 2 classes" in text_of(screen(suggested, likely="72"))
    answer(suggested, (0, 1), (0, 0))
    test = screen(suggested, likely="72")
    assert "3 suggestions in 2 classes" in text_of(test), "the second dog is likelier, now that the first was right"
    data = grid_data(screen(suggested, likely="72", kind="missing", **{"class": "1"}))
    assert data is not None
    assert data["pick"] == {"likely": "72"}


@pytest.mark.parametrize(
    "address",
    [
        {"likely": "0"},
        {"likely": "100"},
        {"likely": "<b>"},
        {"next": "3"},
        {"next": "3", "since": "0", "run": "another"},
        {"next": "-3", "since": "0"},
        {"next": "9" * 30, "since": "0"},
    ],
)
def test_a_pick_that_names_nothing_shows_all(suggested: Workspace, address: dict[str, str]) -> None:
    assert "4 suggestions in 3 classes" in text_of(screen(suggested, **address))


def test_blind_tells_the_page_nothing_of_what_is_expected(suggested: Workspace) -> None:
    answer(suggested, (0, 1))
    table = screen(suggested, blind="1")
    assert {"Likely right", "Errors expected"} & set(table.dataframe[0].value) == set()
    assert "expected" not in text_of(table)
    seeing, blind = (
        grid_data(screen(suggested, likely="60", **{"class": "1"}, **more)) for more in ({}, {"blind": "1"})
    )
    assert seeing is not None
    assert blind is not None
    assert (seeing["blind"], blind["blind"]) == (False, True)
    assert "expected" in seeing["picked"]["sentence"]
    assert "expected" not in blind["picked"]["sentence"]


def test_enter_does_what_is_right_for_most_of_the_queue_and_blind_it_accepts(suggested: Workspace) -> None:
    run_id = suggested.queue.latest_run() or ""
    common = {"label_quality": 0.9, "low": 0.1, "high": 0.3, "reason": {}, "kind": "missing", "class_index": 2}
    rows = [{"image_index": i, "rank": i + 1, "error_probability": 0.2, **common} for i in (0, 1)]
    suggested.queue.save(run_id, pd.DataFrame(rows))
    expects = [grid_data(screen(suggested, kind="missing", **{"class": "2"}, **more)) for more in ({}, {"blind": "1"})]
    assert [data and data["expects"] for data in expects] == ["reject", "accept"]


def test_one_image_at_a_time_is_in_the_address_and_leads_back_to_the_class(suggested: Workspace) -> None:
    test = screen(suggested, kind="missing", by="image", **{"class": "1"})
    data = grid_data(test)
    assert data is not None
    assert (data["by"], data["next"]) == ("image", None)
    test.button[0].click().run()
    assert "by" not in test.query_params
    assert test.query_params["class"] in ("1", ["1"])
    other = grid_data(test)
    assert other is not None
    assert (other["by"], other["class_index"]) == ("class", 1)
