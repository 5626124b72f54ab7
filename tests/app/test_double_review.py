"""A share of the cells is asked of a second reviewer, who cannot tell; nobody gets what another has before them."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from labelmend_app.review.picked_queue import Pick, picked_queue
from labelmend_app.review.queue import page_of
from labelmend_app.review.reservations import IDLE_SECONDS, Reservations, cell_of, left_for
from labelmend_core.errors import InputError
from labelmend_core.ledger import Status
from labelmend_core.ledger.double_review import place_in_share
from labelmend_core.types import AnnotatedDataset, Decision, Kind, LabelMatrix, Suggestion, Verdict
from labelmend_core.workspace import Workspace

N, N_SUGGESTED = 60, 50
SAMPLE = [(55, 10), (56, 20), (57, 30), (3, 40)]  # image and place; image 3 is a suggestion, too
P, A, SKIP, UNSURE = Verdict.PRESENT, Verdict.ABSENT, Verdict.SKIP, Verdict.UNSURE
Say = Callable[..., Decision]


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    names = [f"{i:02}.jpg" for i in range(N)]
    source = tmp_path / "train.txt"
    source.write_text("".join(f"{name},\n" for name in names))
    dataset = AnnotatedDataset(names, names, ("cat",), LabelMatrix.empty((N, 1)))
    made = Workspace.create(tmp_path / "workspace", dataset, format_name="list", image_folder=tmp_path, source=source)
    yield made
    made.close()


@pytest.fixture
def run_id(workspace: Workspace) -> str:
    made = workspace.runs.start(mode="probe", loss="bce", labels="given", n_decisions=0, settings={})
    workspace.runs.finish(made, Status.DONE)
    rows = [
        {"image_index": i, "class_index": 0, "kind": "missing", "rank": i + 1, "error_probability": 0.9 - i / 100}
        for i in range(N_SUGGESTED)
    ]
    workspace.queue.save(made, pd.DataFrame(rows).assign(label_quality=0.1, low=0.5, high=1.0, reason=[{}] * len(rows)))
    sample = pd.DataFrame(SAMPLE, columns=["image_index", "place"]).assign(again=45, error_probability=0.9)
    workspace.audits.save(made, sample.assign(class_index=0, kind="missing", inclusion_probability=0.5))
    return made


@pytest.fixture
def say(workspace: Workspace) -> Say:
    counted = iter(range(1, 10_000))

    def decide(reviewer: str, image: int, verdict: Verdict, **more: object) -> Decision:
        now = datetime(2026, 3, 1, tzinfo=UTC)
        event = Decision("client-1", next(counted), image, 0, verdict, reviewer, now, **more)  # type: ignore[arg-type]
        workspace.ledger.append([event])
        return event

    return decide


def asked(workspace: Workspace, run_id: str, reviewer: str | None, limit: int = 7) -> list[int]:
    """The images of page after page, as the review asks for them."""
    shown: list[Suggestion] = []
    second = workspace.double_review.of(reviewer)
    while True:
        after = shown[-1].rank if shown else 0
        page = page_of(workspace, run_id, Kind.MISSING, 0, after_rank=after, limit=limit, second=second)
        shown += page
        if len(page) < limit:
            return [item.image for item in shown]


def in_share(run_id: str, percent: int) -> set[int]:
    return {i for i in range(N) if place_in_share(run_id, i, 0) < percent}


def test_the_share_is_kept_in_the_workspace(workspace: Workspace) -> None:
    assert workspace.double_review.percent == 0
    workspace.double_review.set(10)
    workspace.double_review.set(25)
    again = Workspace.open(workspace.folder)
    assert again.double_review.percent == 25
    again.close()


@pytest.mark.parametrize("percent", [-1, 101])
def test_a_share_is_a_percentage(workspace: Workspace, percent: int) -> None:
    with pytest.raises(InputError, match=f"0 to 100 % of the cells for double review, got {percent}"):
        workspace.double_review.set(percent)


@pytest.mark.parametrize("percent", [1, 10, 50])
def test_the_share_is_as_large_as_it_says_in_every_class(percent: int) -> None:
    images = np.arange(20_000, dtype=np.uint64)
    for k in (0, 1, 79):
        share = (place_in_share("20260301-run", images, np.full_like(images, k)) < percent).mean()
        assert share == pytest.approx(percent / 100, abs=0.012)
    pairs = [place_in_share(name, images, np.zeros_like(images)) < 50 for name in ("one run", "another")]
    assert (pairs[0] == pairs[1]).mean() == pytest.approx(0.5, abs=0.02), "another run has another share"


@pytest.mark.parametrize("percent", [0, 30, 100])
def test_the_second_reviewer_is_asked_the_share_and_the_first_never_again(
    workspace: Workspace, run_id: str, say: Say, percent: int
) -> None:
    workspace.double_review.set(percent)
    everything = {*range(N_SUGGESTED), 55, 56, 57}
    answered = {*range(20), 55, 56}
    for image in answered:
        say("ann", image, P if image % 2 else A)
    assert set(asked(workspace, run_id, "ann")) == everything - answered
    share = in_share(run_id, percent)
    for_ben = set(asked(workspace, run_id, "ben"))
    assert for_ben == (everything - answered) | (answered & share)
    for image in for_ben & answered:  # of the sample, what two call differently is asked once more: one has slipped
        say("ben", image, P if image % 2 else A)
    for who in ("ann", "ben", "cem"):
        assert set(asked(workspace, run_id, who)) == everything - answered
    assert set(asked(workspace, run_id, None)) == everything - answered


def test_only_an_answer_counts_and_what_is_settled_is_done(workspace: Workspace, run_id: str, say: Say) -> None:
    workspace.double_review.set(100)
    say("ann", 5, SKIP)
    say("ann", 6, UNSURE)
    say("dora", 7, P, adjudicates=True)
    undone = say("ann", 8, P)
    say("ann", 8, Verdict.UNDO, undoes=(undone.client, undone.seq))
    assert {5, 8} <= set(asked(workspace, run_id, "ann"))
    assert not {6, 7} & set(asked(workspace, run_id, "ann"))
    assert {5, 6, 8} <= set(asked(workspace, run_id, "ben"))
    assert 7 not in asked(workspace, run_id, "ben")


def test_what_is_shown_does_not_tell_that_somebody_answered(workspace: Workspace, run_id: str, say: Say) -> None:
    workspace.double_review.set(100)
    say("ann", 5, A)
    second = workspace.double_review.of("ben")
    page = page_of(workspace, run_id, Kind.MISSING, 0, after_rank=4, limit=3, second=second)
    assert [item.image for item in page] == [4, 5, 6]
    assert page[0].error_probability > page[1].error_probability > page[2].error_probability


@pytest.mark.parametrize("pick", [Pick(), Pick(likely=60), Pick(effort=20)])
@pytest.mark.parametrize("percent", [0, 40])
def test_the_numbers_are_those_of_the_pages(
    workspace: Workspace, run_id: str, say: Say, pick: Pick, percent: int
) -> None:
    workspace.double_review.set(percent)
    for image in (*range(0, 12, 2), 55):
        say("ann", image, P)
    for who in ("ann", "ben"):
        second = workspace.double_review.of(who)
        row = picked_queue(workspace, run_id, pick, second=second).queues.iloc[0]
        last = None if np.isnan(row["last_rank"]) else int(row["last_rank"])
        likely = None if pick.likely is None else pick.likely / 100
        page = page_of(
            workspace, run_id, Kind.MISSING, 0, after_rank=0, limit=500, last_rank=last, likely=likely, second=second
        )
        assert row["open"] == len(page)


def shown(*ids: int) -> list[Suggestion]:
    return [Suggestion(i, "run", i, 0, Kind.MISSING, i, 0.1, 0.9, 0.8, 1.0) for i in ids]


def test_what_one_has_before_them_is_taken_until_they_answer_or_leave() -> None:
    now = [0.0]
    kept = Reservations(lambda: now[0])
    kept.reserve("ann", "tab of ann", shown(1, 2, 3))
    assert kept.taken("ann", "another tab") == set()
    assert kept.taken("ann-marie", "tab of ann") == set(), "she has changed her name"
    assert kept.taken("ben", "tab of ben") == {(1, 0), (2, 0), (3, 0)}
    assert kept.taken("ben", "tab of ben", 1) == set()
    kept.answered("ann", {(1, 0): True, (2, 0): True})
    kept.answered("ann", {(2, 0): False})
    kept.answered("ben", {(3, 0): True})
    left = {(2, 0), (3, 0)}
    assert kept.taken("ben", "tab of ben", 0) == left, "an undone one is before her again; nobody answers for her"
    now[0] = IDLE_SECONDS - 1
    assert kept.taken("ben", "tab of ben", 0) == {(2, 0), (3, 0)}
    now[0] = IDLE_SECONDS + 1
    assert kept.taken("ben", "tab of ben", 0) == set()


@pytest.mark.parametrize("limit", [1, 5, 12])
def test_a_page_leaves_out_what_is_taken_and_is_full_all_the_same(
    workspace: Workspace, run_id: str, limit: int
) -> None:
    taken = {cell_of(item) for item in page_of(workspace, run_id, Kind.MISSING, 0, after_rank=0, limit=12)}
    rest, held, after = [], 0, 0
    while True:
        page = page_of(workspace, run_id, Kind.MISSING, 0, after_rank=after, limit=limit + len(taken))
        free, left_out = left_for(page, taken, limit)
        rest, held = rest + free, held + left_out
        if len(free) < limit:
            break
        after = free[-1].rank
    assert held == len(taken)
    assert sorted(map(cell_of, rest)) == sorted({(i, 0) for i in (*range(N_SUGGESTED), 55, 56, 57)} - taken)
