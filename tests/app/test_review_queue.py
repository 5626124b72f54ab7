"""The audit sample among the suggestions: every cell once, in places that stay, and nothing that gives it away."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from labelmend_app.review.picked_queue import Pick, picked_queue
from labelmend_app.review.queue import BETWEEN, is_audit, page_of
from labelmend_core.detection import recalibrations
from labelmend_core.ledger import Status
from labelmend_core.types import AnnotatedDataset, Decision, Kind, LabelMatrix, Suggestion, Verdict
from labelmend_core.workspace import Workspace

N = 40
SUGGESTED = range(20)  # images of class 0 that seem to lack it, ranks 1 to 20
# (image, place, again, error_probability); image 3 is a suggestion, too
SAMPLE = [(30, 2, 12, 0.01), (3, 5, 15, 0.9), (31, 5, 15, 0.01), (32, 9, 19, 0.01)]


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    names = [f"{i:02}.jpg" for i in range(N)]
    source = tmp_path / "train.txt"
    source.write_text("".join(f"{name},\n" for name in names))
    dataset = AnnotatedDataset(names, names, ("cat", "dog"), LabelMatrix.empty((N, 2)))
    made = Workspace.create(tmp_path / "workspace", dataset, format_name="list", image_folder=tmp_path, source=source)
    yield made
    made.close()


@pytest.fixture
def run_id(workspace: Workspace) -> str:
    made = workspace.runs.start(mode="probe", loss="bce", labels="given", n_decisions=0, settings={})
    workspace.runs.finish(made, Status.DONE)
    rows = [
        {"image_index": i, "class_index": 0, "kind": "missing", "rank": i + 1, "error_probability": 0.9 - i / 100}
        for i in SUGGESTED
    ]
    common = {"label_quality": 0.1, "low": 0.5, "high": 1.0}
    workspace.queue.save(made, pd.DataFrame(rows).assign(**common, reason=[{"p": i / 20} for i in SUGGESTED]))
    sample = pd.DataFrame(SAMPLE, columns=["image_index", "place", "again", "error_probability"])
    workspace.audits.save(made, sample.assign(class_index=0, kind="missing", inclusion_probability=0.5))
    return made


@pytest.fixture
def answer(workspace: Workspace) -> Callable[[int, Verdict], None]:
    counted = iter(range(1, 1000))

    def decide(image: int, verdict: Verdict) -> None:
        now = datetime(2026, 3, 1, tzinfo=UTC)
        workspace.ledger.append([Decision("client-1", next(counted), image, 0, verdict, "Anna", now)])

    return decide


def whole(workspace: Workspace, run_id: str, limit: int = 500) -> list[Suggestion]:
    """Ask for page after page, as the review does."""
    shown: list[Suggestion] = []
    while True:
        after = shown[-1].rank if shown else 0
        page = page_of(workspace, run_id, Kind.MISSING, 0, after_rank=after, limit=limit)
        shown += page
        if len(page) < limit:
            return shown


def in_a_browser(workspace: Workspace, run_id: str, limit: int) -> list[Suggestion]:
    """Ask for page after page, and say each time what is before the reviewer already."""
    shown: list[Suggestion] = []
    while True:
        after = shown[-1].rank if shown else 0
        before = {(item.image, item.class_index) for item in shown}
        page = page_of(workspace, run_id, Kind.MISSING, 0, after_rank=after, limit=limit, before=before)
        shown += page
        if len(page) < limit:
            return shown


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 7, 24, 500])
def test_every_cell_is_asked_once_however_long_a_page_is(workspace: Workspace, run_id: str, limit: int) -> None:
    shown = whole(workspace, run_id, limit)
    assert sorted(item.image for item in shown) == [*SUGGESTED, 30, 31, 32]
    assert [item.rank for item in shown] == sorted(item.rank for item in shown)
    assert [item.image for item in shown] == [item.image for item in whole(workspace, run_id)]


def test_the_sample_stands_behind_the_suggestions_of_its_places(workspace: Workspace, run_id: str) -> None:
    images = [item.image for item in whole(workspace, run_id)]
    assert images[:8] == [0, 1, 30, 2, 4, 3, 31, 5], "image 3 is asked at its place in the sample only"


def test_a_reload_shows_the_same_page(workspace: Workspace, run_id: str) -> None:
    assert whole(workspace, run_id) == whole(workspace, run_id)


def test_nothing_that_is_shown_gives_the_sample_away(workspace: Workspace, run_id: str) -> None:
    shown = whole(workspace, run_id)
    for before, item in pairwise(shown):
        if is_audit(item.suggestion_id):
            hidden = ("error_probability", "low", "high", "label_quality", "reason", "kind", "class_index")
            assert [getattr(item, name) for name in hidden] == [getattr(before, name) for name in hidden]
    assert [is_audit(item.suggestion_id) for item in shown].count(True) == len(SAMPLE)


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 8, 24])
def test_cells_whose_places_were_passed_come_one_by_one_and_all_of_them(
    workspace: Workspace, run_id: str, answer: Callable[[int, Verdict], None], limit: int
) -> None:
    for image in (0, 1, 2, 4):  # as an answer for many or another tool gives them: without the sample
        answer(image, Verdict.PRESENT)
    shown = in_a_browser(workspace, run_id, limit)
    assert sorted(item.image for item in shown) == sorted({*SUGGESTED, 30, 31, 32} - {0, 1, 2, 4})
    assert [item.rank for item in shown] == sorted(item.rank for item in shown)
    if limit >= BETWEEN:
        places = [place for place, item in enumerate(shown) if is_audit(item.suggestion_id)]
        assert min(np.diff(places)) > 1


def test_of_a_passed_sample_the_first_page_shows_no_more_than_its_share(
    workspace: Workspace, run_id: str, answer: Callable[[int, Verdict], None]
) -> None:
    for image in (*range(3), *range(4, 10)):
        answer(image, Verdict.PRESENT)
    page = page_of(workspace, run_id, Kind.MISSING, 0, after_rank=0, limit=5, before=())
    assert [item.image for item in page] == [10, 11, 12, 13, 30, 14]
    following = page_of(workspace, run_id, Kind.MISSING, 0, after_rank=15, limit=5, before=[(30, 0)])
    assert [item.image for item in following] == [15, 16, 17, 18, 3, 19]
    rest = page_of(workspace, run_id, Kind.MISSING, 0, after_rank=20, limit=5, before=[(30, 0), (3, 0)])
    assert [item.image for item in rest] == [31, 32]


@pytest.mark.parametrize("limit", [1, 3, 24])
def test_in_a_queue_that_nobody_touched_the_sample_stands_at_its_places_in_a_browser_too(
    workspace: Workspace, run_id: str, limit: int
) -> None:
    at_their_places = [item.image for item in whole(workspace, run_id)]
    assert [item.image for item in in_a_browser(workspace, run_id, limit)] == at_their_places


def test_ids_are_told_apart_and_unique(workspace: Workspace, run_id: str) -> None:
    ids = [item.suggestion_id for item in whole(workspace, run_id)]
    assert len(set(ids)) == len(ids)
    assert max(ids) < 2**53, "JavaScript knows no larger whole numbers"


def test_when_all_else_is_answered_the_sample_still_looks_like_a_suggestion(
    workspace: Workspace, run_id: str, answer: Callable[[int, Verdict], None]
) -> None:
    for image in set(SUGGESTED) - {3}:
        answer(image, Verdict.PRESENT)
    shown = whole(workspace, run_id)
    assert [item.image for item in shown] == [30, 3, 31, 32]
    as_ranked, now = np.array([0.89, 0.86, 0.86, 0.82]), recalibrations(workspace, run_id)[Kind.MISSING]
    neighbours = now(np.zeros(4, dtype=np.int64), as_ranked)[0]
    assert [item.error_probability for item in shown] == pytest.approx(neighbours.tolist())


def test_an_unlikely_error_is_asked_again_later_until_it_is_no_slip(
    workspace: Workspace, run_id: str, answer: Callable[[int, Verdict], None]
) -> None:
    answer(30, Verdict.PRESENT)
    again = next(item for item in whole(workspace, run_id) if item.image == 30)
    assert again.rank == 12
    answer(30, Verdict.ABSENT)
    answer(31, Verdict.ABSENT)
    answer(32, Verdict.UNSURE)
    answer(3, Verdict.PRESENT)
    assert not [item for item in whole(workspace, run_id) if is_audit(item.suggestion_id)]


def test_the_numbers_of_a_queue_count_the_sample_as_suggestions(
    workspace: Workspace, run_id: str, answer: Callable[[int, Verdict], None]
) -> None:
    def numbers() -> list[list[float]]:
        return picked_queue(workspace, run_id).queues[["class_index", "suggested", "open"]].to_numpy().tolist()

    assert numbers() == [[0, 23, 23]]
    answer(0, Verdict.PRESENT)
    answer(31, Verdict.ABSENT)
    assert numbers() == [[0, 23, 21]]
    answer(3, Verdict.PRESENT)
    answer(30, Verdict.PRESENT)  # to be asked again
    assert numbers() == [[0, 23, 20]]
    assert numbers()[0][2] == len(whole(workspace, run_id))


def test_a_class_with_no_suggestion_is_asked_for_its_sample(workspace: Workspace) -> None:
    other = workspace.runs.start(mode="probe", loss="bce", labels="given", n_decisions=0, settings={})
    row = {"image_index": 7, "class_index": 1, "kind": "spurious", "inclusion_probability": 0.1, "place": 1, "again": 2}
    workspace.audits.save(other, pd.DataFrame([{**row, "error_probability": 0.02}]))
    (item,) = page_of(workspace, other, Kind.SPURIOUS, 1, after_rank=0, limit=24)
    assert (item.image, round(item.error_probability, 6)) == (7, 0.02)
    queues = picked_queue(workspace, other).queues.drop(columns="last_rank")
    assert queues.to_numpy().tolist() == [[1, "spurious", 1, 1, 0.0]]


@pytest.mark.parametrize("effort", [1, 2, 3, 5, 9, 22, 23, 500])
def test_a_picked_number_counts_the_sample_and_every_page_of_it_is_asked(
    workspace: Workspace, run_id: str, effort: int
) -> None:
    picked = picked_queue(workspace, run_id, Pick(effort=effort))
    (row,) = picked.queues.itertuples()
    shown = page_of(workspace, run_id, Kind.MISSING, 0, after_rank=0, limit=500, last_rank=int(row.last_rank))
    assert len(shown) == row.suggested == row.open == picked.suggested
    assert effort - 2 <= len(shown) <= effort or len(shown) == 23 < effort  # two of the sample may come together
    assert [item.image for item in shown] == [item.image for item in whole(workspace, run_id)][: len(shown)]


def test_a_picked_queue_with_a_sample_is_done_when_its_pages_are_answered(
    workspace: Workspace, run_id: str, answer: Callable[[int, Verdict], None]
) -> None:
    answer(30, Verdict.ABSENT)
    answer(0, Verdict.PRESENT)
    pick = Pick(effort=10, since=workspace.ledger.newest())
    last = int(picked_queue(workspace, run_id, pick).queues["last_rank"].iloc[0])
    shown = page_of(workspace, run_id, Kind.MISSING, 0, after_rank=0, limit=500, last_rank=last)
    for place, item in enumerate(shown):
        picked = picked_queue(workspace, run_id, pick)
        assert (picked.suggested, picked.answered) == (len(shown), place)
        answer(item.image, Verdict.ABSENT)
    assert not page_of(workspace, run_id, Kind.MISSING, 0, after_rank=0, limit=500, last_rank=last)
    assert picked_queue(workspace, run_id, pick).answered == len(shown)


@pytest.mark.parametrize("percent", [80, 85, 95])
def test_a_queue_of_likely_ones_ends_where_the_probability_falls_below(
    workspace: Workspace, run_id: str, percent: int
) -> None:
    shown = page_of(workspace, run_id, Kind.MISSING, 0, after_rank=0, limit=500, likely=percent / 100)
    picked = picked_queue(workspace, run_id, Pick(likely=percent))
    assert len(shown) == picked.suggested
    own = [item.error_probability for item in shown if not is_audit(item.suggestion_id)]
    assert all(p >= percent / 100 - 1e-9 for p in own)
    assert len(own) == {80: 10, 85: 5, 95: 0}[percent]  # .90 to .80 without image 3, which is of the sample


def test_what_is_shown_is_the_probability_now(
    workspace: Workspace, run_id: str, answer: Callable[[int, Verdict], None]
) -> None:
    before = whole(workspace, run_id)[-1]
    for image in range(8):
        answer(image, Verdict.ABSENT)
    after = whole(workspace, run_id)[-1]
    assert after.suggestion_id == before.suggestion_id
    assert after.error_probability < before.error_probability
    assert after.low < after.error_probability < after.high
