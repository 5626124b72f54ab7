"""Suggestions learn from decisions: which answers count, what they change, and what is likeliest then."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelmend_core.detection import best_now, learn, outlook, recalibrations
from labelmend_core.detection.learning import likeliest
from labelmend_core.ledger import Status
from labelmend_core.types import AnnotatedDataset, Decision, Kind, LabelMatrix, Verdict
from labelmend_core.workspace import Workspace

N, K = 40, 3
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
EVERY = [0.5] * K
AUDITED = (39, 2)


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    names = [f"{i:02}.jpg" for i in range(N)]
    source = tmp_path / "train.txt"
    source.write_text("".join(f"{name},\n" for name in names))
    dataset = AnnotatedDataset(names, names, ("cat", "dog", "bus"), LabelMatrix.empty((N, K)))
    made = Workspace.create(tmp_path / "workspace", dataset, format_name="list", image_folder=tmp_path, source=source)
    yield made
    made.close()


def suggest(workspace: Workspace, n_decisions: int = 0) -> str:
    """Suggest images 0 to 29 of every class as missing, 30 to 35 as spurious; p falls from .9 by .02 an image."""
    run_id = workspace.runs.start(mode="probe", loss="hill", labels="given", n_decisions=n_decisions, settings={})
    workspace.runs.finish(run_id, Status.DONE)
    rows = [
        {"image_index": i, "class_index": k, "kind": kind.value, "error_probability": 0.9 - 0.02 * (i % 30) - 0.001 * k}
        for kind, images in ((Kind.MISSING, range(30)), (Kind.SPURIOUS, range(30, 36)))
        for i in images
        for k in range(K)
    ]
    frame = pd.DataFrame(rows).assign(label_quality=0.1, low=0.1, high=0.9, reason=[{}] * len(rows))
    workspace.queue.save(run_id, frame.assign(rank=frame.groupby("kind").cumcount() + 1))
    return run_id


@pytest.fixture
def run_id(workspace: Workspace) -> str:
    return suggest(workspace)


def say(workspace: Workspace, verdict: Verdict, *cells: tuple[int, int], client: str = "tab") -> list[Decision]:
    first = workspace.ledger.acknowledged(client) + 1
    said = [Decision(client, seq, *cell, verdict, "ann", NOON) for seq, cell in enumerate(cells, first)]
    workspace.ledger.append(said)
    return said


def take_back(workspace: Workspace, *decisions: Decision) -> None:
    first = workspace.ledger.acknowledged("undo") + 1
    undone = [
        Decision("undo", seq, d.image, d.class_index, Verdict.UNDO, "ann", NOON, None, (d.client, d.seq))
        for seq, d in enumerate(decisions, first)
    ]
    workspace.ledger.append(undone)


def at_half(workspace: Workspace, run_id: str, kind: Kind = Kind.MISSING, until: int | None = None) -> list[float]:
    """What a cell of each class that was ranked with .5 is now."""
    found = recalibrations(workspace, run_id, until=until)[kind](np.arange(K), np.array(EVERY))[0]
    return [float(p) for p in found.round(6)]


def test_before_any_answer_nothing_is_changed(workspace: Workspace, run_id: str) -> None:
    assert at_half(workspace, run_id) == EVERY
    assert at_half(workspace, run_id, Kind.SPURIOUS) == EVERY


def test_accepted_and_rejected_suggestions_move_their_class_most_and_their_kind_alone(
    workspace: Workspace, run_id: str
) -> None:
    say(workspace, Verdict.ABSENT, *((i, 0) for i in range(20)))
    cat, dog, bus = at_half(workspace, run_id)
    assert cat < dog < 0.5
    assert dog == bus
    assert at_half(workspace, run_id, Kind.SPURIOUS) == EVERY
    say(workspace, Verdict.ABSENT, *((i, 0) for i in range(30, 36)))
    assert at_half(workspace, run_id, Kind.SPURIOUS)[0] > 0.5


def test_an_answer_counts_for_every_run_made_before_it_and_for_none_made_after(workspace: Workspace) -> None:
    first = suggest(workspace)
    second = suggest(workspace)
    say(workspace, Verdict.ABSENT, *((i, 0) for i in range(10)))
    later = suggest(workspace, workspace.ledger.count())
    assert at_half(workspace, first) == at_half(workspace, second) != EVERY
    assert at_half(workspace, later) == EVERY


def test_answers_that_are_read_on_are_those_that_another_process_reads_at_once(
    workspace: Workspace, run_id: str
) -> None:
    rng, said = np.random.default_rng(0), []
    verdicts = [Verdict.PRESENT, Verdict.ABSENT, Verdict.UNSURE, Verdict.SKIP]
    for step in range(25):
        if step % 3 == 2:
            take_back(workspace, said.pop(int(rng.integers(len(said)))))
        cells = rng.integers((0, 0), (N, K), (int(rng.integers(3)), 2)).tolist()
        said += say(workspace, verdicts[step % 4], *map(tuple, cells)) if cells else []
        until = workspace.ledger.newest() - 2
        with closing(Workspace.open(workspace.folder)) as other:
            now, then = other.queue.answered(run_id), other.queue.answered(run_id, until=until)
        pd.testing.assert_frame_equal(workspace.queue.answered(run_id), now, check_dtype=False)
        pd.testing.assert_frame_equal(workspace.queue.answered(run_id, until=until), then, check_dtype=False)
    assert len(now) > 10


def test_answers_and_ranking_follow_suggestions_that_are_saved_again(workspace: Workspace, run_id: str) -> None:
    say(workspace, Verdict.PRESENT, (0, 0), (1, 0))
    assert workspace.queue.answered(run_id)["rank"].tolist() == [1, 4]
    assert len(workspace.queue.ranking(run_id).rank) == 36 * K
    row = {"image_index": 1, "class_index": 0, "kind": "missing", "rank": 1, "error_probability": 0.3}
    fewer = pd.DataFrame([row | {"label_quality": 0.1, "low": 0.1, "high": 0.9, "reason": {}}])
    with closing(Workspace.open(workspace.folder)) as other:
        other.queue.save(run_id, fewer)
    assert workspace.queue.answered(run_id)["error_probability"].tolist() == [0.3]
    assert workspace.queue.ranking(run_id).probability.tolist() == [0.3]


def test_decisions_that_were_sent_twice_do_not_count_for_a_run_that_learned_from_them(workspace: Workspace) -> None:
    said = say(workspace, Verdict.ABSENT, *((i, 0) for i in range(10)))
    workspace.ledger.append(said)
    say(workspace, Verdict.ABSENT, (10, 0))
    assert workspace.ledger.newest() > workspace.ledger.count(), "ids have gaps"
    assert at_half(workspace, suggest(workspace, workspace.ledger.count())) == EVERY


@pytest.mark.parametrize("verdict", [Verdict.UNSURE, Verdict.SKIP])
def test_neither_unsure_nor_skip_says_anything(workspace: Workspace, run_id: str, verdict: Verdict) -> None:
    say(workspace, verdict, *((i, 0) for i in range(10)))
    assert at_half(workspace, run_id) == EVERY


def test_what_was_undone_does_not_count(workspace: Workspace, run_id: str) -> None:
    take_back(workspace, *say(workspace, Verdict.ABSENT, *((i, 0) for i in range(10))))
    assert at_half(workspace, run_id) == EVERY


def test_of_two_answers_the_last_one_counts(workspace: Workspace, run_id: str) -> None:
    cells = [(i, 0) for i in range(10)]
    say(workspace, Verdict.PRESENT, *cells)
    present = at_half(workspace, run_id)
    say(workspace, Verdict.ABSENT, *cells, client="other")
    say(workspace, Verdict.UNSURE, *cells)
    absent = at_half(workspace, run_id)
    assert absent[0] < 0.5 < present[0]


def test_an_audited_cell_counts_once_with_the_probability_of_its_suggestion(workspace: Workspace, run_id: str) -> None:
    say(workspace, Verdict.PRESENT, (20, 2))
    before = at_half(workspace, run_id)
    sample = {"kind": "missing", "inclusion_probability": 0.5, "place": 1, "again": 2, "error_probability": 0.001}
    cells = [{"image_index": i, "class_index": 2, **sample} for i in (20, 39)]
    workspace.audits.save(run_id, pd.DataFrame(cells))
    assert at_half(workspace, run_id) == before
    unseen = recalibrations(workspace, run_id)[Kind.MISSING](np.array([2]), np.array([0.001]))[0, 0]
    say(workspace, Verdict.PRESENT, AUDITED)
    after = recalibrations(workspace, run_id)[Kind.MISSING](np.array([2]), np.array([0.001]))[0, 0]
    assert after > 1.3 * unseen


def test_up_to_a_decision_the_result_is_the_same_whatever_comes_later(workspace: Workspace, run_id: str) -> None:
    said = say(workspace, Verdict.ABSENT, *((i, 0) for i in range(10)))
    then = workspace.ledger.newest()
    at_first, best = at_half(workspace, run_id), best_now(workspace, run_id, 20)
    take_back(workspace, *said[:5])
    say(workspace, Verdict.PRESENT, *((i, 1) for i in range(10)))
    assert at_half(workspace, run_id) != at_first
    assert at_half(workspace, run_id, until=then) == at_first
    pd.testing.assert_frame_equal(best_now(workspace, run_id, 20, until=then), best)
    assert at_half(workspace, run_id, until=0) == EVERY


def test_the_newest_decision_is_found_by_number(workspace: Workspace, run_id: str) -> None:
    assert workspace.ledger.newest() == 0
    said = say(workspace, Verdict.ABSENT, (0, 0), (1, 0))
    workspace.ledger.append(said)
    say(workspace, Verdict.ABSENT, (2, 0))
    ids = workspace.queue.answered(run_id)["decision_id"].tolist()
    assert [workspace.ledger.newest(n) for n in range(4)] == [0, *ids]
    assert workspace.ledger.newest() == ids[-1]


answers = st.lists(
    st.tuples(st.integers(0, N - 1), st.integers(0, K - 1), st.sampled_from([v for v in Verdict if v != "undo"])),
    max_size=60,
)


@settings(max_examples=25)  # an answer is a commit that waits for the disk
@given(said=answers, n=st.integers(0, 120), kinds=st.sampled_from([list(Kind), [Kind.MISSING], [Kind.SPURIOUS]]))
def test_the_best_are_those_that_sorting_all_would_give(
    workspaces: tuple[Workspace, str], said: list[tuple[int, int, Verdict]], n: int, kinds: list[Kind]
) -> None:
    workspace, run_id = workspaces
    for i, k, verdict in said:
        say(workspace, verdict, (i, k))
    now = recalibrations(workspace, run_id)
    open_ = [s for kind in kinds for s in workspace.queue.open(run_id, kind=kind, limit=1000)]
    ps = [now[s.kind](np.array([s.class_index]), np.array([s.error_probability]))[0][0] for s in open_]
    found = best_now(workspace, run_id, n, kinds=kinds)
    assert found["now"].tolist() == pytest.approx(sorted(ps, reverse=True)[:n])
    assert set(found["suggestion_id"]) <= {s.suggestion_id for s in open_}
    assert found["suggestion_id"].is_unique
    ranking, answered = workspace.queue.ranking(run_id), workspace.queue.answered(run_id)
    if kinds == list(Kind):
        places = likeliest(ranking, now, answered, n)
        assert ranking.rank[places].tolist() == found["rank"].tolist()
        assert ranking.classes[ranking.queue[places]].tolist() == found["class_index"].tolist()
    by_id = {s.suggestion_id: s for s in open_}
    for row in found.itertuples():
        s = by_id[row.suggestion_id]
        assert (s.image, s.class_index, s.kind, s.rank) == (row.image_index, row.class_index, row.kind, row.rank)


@pytest.fixture(scope="module")
def workspaces(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workspace, str]]:
    """One whose answers grow from example to example: making a workspace for each would take minutes."""
    names = [f"{i:02}.jpg" for i in range(N)]
    folder = tmp_path_factory.mktemp("learning")
    (folder / "train.txt").write_text("".join(f"{name},\n" for name in names))
    dataset = AnnotatedDataset(names, names, ("cat", "dog", "bus"), LabelMatrix.empty((N, K)))
    places = {"image_folder": folder, "source": folder / "train.txt"}
    made = Workspace.create(folder / "workspace", dataset, format_name="list", **places)
    yield made, suggest(made)
    made.close()


def test_the_outlook_knows_what_was_answered_and_learned_the_rest(workspace: Workspace, run_id: str) -> None:
    say(workspace, Verdict.ABSENT, (0, 0), (1, 0), (30, 0))
    say(workspace, Verdict.UNSURE, (2, 0))
    say(workspace, Verdict.SKIP, (3, 0))
    found, learned = outlook(workspace, run_id), learn(workspace, run_id)
    cells = pd.DataFrame({"class_index": 0, "kind": ["missing"] * 4 + ["spurious"], "rank": [1, 4, 7, 10, 1]})
    places = found.ranking.places(cells)
    assert found.open[places].tolist() == [False, False, False, True, False]
    now = learned.now[Kind.MISSING](np.zeros(2, dtype=np.int64), np.array([0.86, 0.84]))[0]
    assert found.probability[places].tolist() == pytest.approx([0, 0, *now, 1])
    assert (~found.open).sum() == 4


def test_the_ranking_is_read_again_when_the_suggestions_change(workspace: Workspace, run_id: str) -> None:
    first = workspace.queue.ranking(run_id)
    assert workspace.queue.ranking(run_id) is first
    assert (len(first.rank), first.classes.tolist()) == (108, [0, 0, 1, 1, 2, 2])
    say(workspace, Verdict.ABSENT, (0, 0))
    assert workspace.queue.ranking(run_id) is first
    row = {"image_index": 5, "class_index": 1, "kind": "spurious", "rank": 1, "error_probability": 0.25}
    workspace.queue.save(run_id, pd.DataFrame([row | {"label_quality": 0, "low": 0, "high": 1, "reason": {}}]))
    again = workspace.queue.ranking(run_id)
    assert (again.probability.tolist(), again.classes.tolist(), again.kinds) == ([0.25], [1], (Kind.SPURIOUS,))
    absent = pd.DataFrame({"class_index": [1, 2], "kind": ["spurious", "missing"], "rank": [2, 1]})
    assert again.places(absent).tolist() == [-1, -1]
    assert len(outlook(workspace, suggest_nothing(workspace)).open) == 0


def suggest_nothing(workspace: Workspace) -> str:
    run_id = workspace.runs.start(mode="probe", loss="hill", labels="given", n_decisions=0, settings={})
    assert best_now(workspace, run_id, 5).empty
    return run_id
