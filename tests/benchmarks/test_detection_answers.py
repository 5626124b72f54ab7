"""What is measured of estimates and of answers: the figures are those of a queue that can be counted by hand."""

import json
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest

from labelmend_app.benchmarks.detection import calibration, effort
from labelmend_app.benchmarks.detection.baselines import has_cleanlab
from labelmend_app.benchmarks.detection.problem import PLANTED
from labelmend_app.benchmarks.detection.queue import Queue, asked, before_answers, learned, retrained
from labelmend_app.benchmarks.detection.session import Session
from labelmend_app.benchmarks.detection.tables import counts_table, deciles_table, effort_table
from labelmend_app.cli import main
from labelmend_core.types import ABSENT, PRESENT, Kind


def _silent(phase: str, done: int, total: int) -> None:
    assert done < total


@pytest.fixture
def session(small_problem, make_session):
    """Return a session that nobody has answered in."""
    session = make_session(small_problem())
    yield session
    session.close()


def _perfect(session: Session) -> Queue:
    """Return a queue that puts the errors first and is sure of every cell."""
    given, truth = session.problem.given.dense(), session.problem.truth.dense()
    rows, columns = np.indices(given.shape).reshape(2, -1)
    wrong = (given != truth).ravel()
    kinds = np.where(given.ravel() == PRESENT, Kind.SPURIOUS.value, Kind.MISSING.value)
    cells = pd.DataFrame({"image_index": rows, "class_index": columns, "kind": kinds})
    cells["error_probability"] = cells["low"] = cells["high"] = wrong.astype(float)
    return Queue("", cells.iloc[np.argsort(~wrong, kind="stable")])


def test_answers_tell_the_truth_and_leave_the_queue(session) -> None:
    queue = before_answers(session)
    cells = queue.first(Kind.MISSING, 40)
    session.answer(*cells)
    session.answer(*queue.first(Kind.SPURIOUS, 20))
    corrected, truth = session.workspace.corrected_labels(), session.problem.truth
    np.testing.assert_array_equal(corrected.values(*cells) == PRESENT, truth.values(*cells) == PRESENT)
    assert (corrected.values(*cells) != 0).all()
    assert session.answered().sum() == 60
    for after in (learned(session, queue), retrained(session)):
        assert len(after.cells) < len(queue.cells)
        assert not session.answered()[after.cells["image_index"], after.cells["class_index"]].any()


def test_one_picture_in_five_is_one_of_the_audit_sample_and_none_is_shown_twice(session) -> None:
    queue = before_answers(session)
    sample = {
        (cell.image_index, cell.class_index) for cell in session.workspace.audits.cells(queue.run_id, kind=Kind.MISSING)
    }
    for _ in range(2):
        cells = list(zip(*(one.tolist() for one in asked(session, queue, Kind.MISSING, 30)), strict=True))
        assert len(set(cells)) == 30
        assert len(sample & set(cells)) >= 6
        assert not session.answered()[tuple(np.array(cells).T)].any()
        session.answer(*np.array(cells).T)
        queue = learned(session, queue)


def test_rejected_suggestions_make_the_others_less_likely(session) -> None:
    queue = before_answers(session)
    first = queue.of(Kind.MISSING)
    wrong = session.problem.truth.values(first["image_index"], first["class_index"]) != PRESENT
    rejected = first[wrong][:60]
    session.answer(rejected["image_index"].to_numpy(), rejected["class_index"].to_numpy())
    after = learned(session, queue)
    assert after.estimate(Kind.MISSING).n < 0.9 * queue.estimate(Kind.MISSING).n
    assert after.estimate(Kind.SPURIOUS) == queue.estimate(Kind.SPURIOUS)


def test_a_queue_that_is_right_and_sure_has_no_difference_in_any_decile(session) -> None:
    queue = _perfect(session)
    for kind in Kind:
        rows = list(calibration._deciles(session, queue, kind, 0))
        assert [row.part for row in rows] == list(range(11))
        assert rows[0].cells == sum(row.cells for row in rows[1:]) / 2  # the queue is twice as long as the errors
        assert all(row.estimated == row.actual for row in rows if row.cells)
        assert rows[1].actual == 1
        assert rows[10].actual == 0


def test_errors_that_were_answered_count_as_found(session) -> None:
    queue = _perfect(session)
    actual = int((session.problem.given.dense() > session.problem.truth.dense()).sum())
    before = before_answers(session)
    count = calibration._count(session, Queue(before.run_id, queue.cells), Kind.SPURIOUS, 0)
    assert count.actual == count.estimated == actual
    assert count.covers
    session.answer(*queue.first(Kind.SPURIOUS, 5))
    rest = queue.cells[~session.answered()[queue.cells["image_index"], queue.cells["class_index"]]]
    after = calibration._count(session, Queue(before.run_id, rest), Kind.SPURIOUS, 5)
    assert after.estimated == actual
    assert (after.cleanlab is not None) == has_cleanlab()


def test_counts_are_summed_up_by_kind_and_answers() -> None:
    def count(estimated: float, low: float, high: float, actual: int) -> calibration.Count:
        return calibration.Count("case", "missing", 300, estimated, low, high, actual, 2 * actual)

    found = [count(110, 90, 120, 100), count(150, 120, 160, 100), count(3, 0.2, 5, 0), count(90, 99.3, 99.6, 100)]
    (summary,) = calibration.summaries(found)
    assert summary.coverage == 0.75
    assert summary.deviation == pytest.approx(0.1)
    assert summary.within == pytest.approx(2 / 3)
    assert summary.cleanlab_deviation == 1
    assert (summary.low_ratio, summary.high_ratio) == (0.9, 1.5)
    assert counts_table([summary]).splitlines()[-1].startswith("| missing | 300 | 4 | 75 % | 10 % | 67 % |")


def test_by_chance_a_decile_is_off_as_a_share_of_so_many_is() -> None:
    def part(number: int, cells: int, actual: float | None) -> calibration.Decile:
        return calibration.Decile("case", "missing", 0, number, cells, actual, actual)

    half = [part(1, 100, 0.5)]
    assert calibration.by_chance(half) == pytest.approx(0.05 * np.sqrt(2 / np.pi), rel=0.1)  # E|z| of one share
    assert calibration.by_chance([part(number, 100, 0.5) for number in range(10)]) > 2 * calibration.by_chance(half)
    assert calibration.by_chance([part(1, 0, None), part(2, 100, 0.0)]) == 0
    assert calibration.by_chance([part(1, 0, None)]) is None


def test_deciles_and_counts_of_simulated_sessions(small_problem, make_session, tmp_path) -> None:
    problems = [small_problem(PLANTED[0])]
    rows = list(calibration.deciles(problems, make_session, _silent))
    assert {(row.kind, row.answers) for row in rows} == {(kind.value, n) for kind in Kind for n in (0, 200)}
    assert len(deciles_table(rows).splitlines()) == 6
    keep = tmp_path / "counts.jsonl"
    found = calibration.counts(problems, make_session, _silent, 1, keep)
    assert [(count.kind, count.answers) for count in found] == [(kind, n) for n in (0, 200, 300) for kind in Kind]
    for count in found:
        assert 0 <= count.low <= count.estimated <= count.high
        assert count.actual > 0
    assert calibration.counts(problems, None, _silent, 1, keep) == found  # no session is made again
    json.dumps([asdict(row) for row in [*rows, *found]], allow_nan=False)


@pytest.fixture(scope="module")
def efforts(small_problem, make_session) -> list[effort.Row]:
    """Return every order on one case."""
    rows = effort.run([small_problem()], make_session, _silent, checkpoints=(0, 100, 10_000), every=100)
    return list(rows)


def test_all_orders_end_with_everything_mended(efforts) -> None:
    for row in efforts:
        assert row.mended[0] == 0
        assert row.mended[-1] == 1
        assert 0 < row.mended[1] < 1
        assert row.maps[0] == efforts[0].maps[0]
    assert len({row.maps[-1] for row in efforts}) == 1  # the same labels in the end
    assert len(effort_table(efforts).splitlines()) == len(efforts) + 2


def test_what_is_back_of_a_loss_is_said_where_something_was_lost() -> None:
    row = effort.Row("made up", effort.FIXED, (0, 500), (0.0, 0.5), (0.50, 0.53), best=0.56, needed=900)
    assert row.regained == pytest.approx((0, 0.5))
    assert "(50 %)" in effort_table([row])
    harmless = replace(row, maps=(0.50, 0.501), best=0.502)
    assert harmless.regained is None
    assert "mAP 50.1 |" in effort_table([harmless])


def test_a_reviewer_who_follows_a_queue_needs_fewer_answers_than_by_chance(efforts) -> None:
    needed = {row.order: row.needed for row in efforts}
    assert needed[effort.FIXED] < needed[effort.RANDOM]
    assert needed[effort.RERANKED] < needed[effort.RANDOM]


def test_mended_labels_are_the_truth_of_the_cells_that_were_asked(small_problem) -> None:
    problem = small_problem()
    rows, columns = np.nonzero(problem.given.dense() != PRESENT)
    mended = effort._mended(problem, rows[:50], columns[:50])
    changed = mended.values(rows[:50], columns[:50])
    np.testing.assert_array_equal(changed == PRESENT, problem.truth.values(rows[:50], columns[:50]) == PRESENT)
    assert set(changed.tolist()) == {PRESENT, ABSENT}
    assert effort._mended(problem, rows[:0], columns[:0]) == problem.given


def test_an_unknown_part_is_named(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["bench", "detection", "--data", str(tmp_path), "--only", "speed"])
    assert ended.value.code == 2
    assert "got 'speed'" in capsys.readouterr().err


def test_digits_need_no_data_and_end_with_one_line(
    tmp_path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labelmend_app.benchmarks.detection.problem._SCENES", 120)
    arguments = ["--backbone", "test_resnet", "--weights", "random", "--image-size", "32", "--epochs", "1"]
    arguments += ["--case", "digits", "--only", "ranking", "--resamples", "10", "--json"]
    with pytest.raises(SystemExit) as ended:
        main(["bench", "detection", "--data", str(tmp_path), *arguments])
    assert not ended.value.code
    out = capsys.readouterr().out.strip().splitlines()
    assert any("the combination / ceiling" in line for line in out)
    assert {row["kind"] for row in json.loads(out[-1])["ranking"]} == {"missing", "spurious"}


def test_photographs_that_are_not_there_are_named(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["bench", "detection", "--data", str(tmp_path), "--weights", "random"])
    assert ended.value.code == 2
    assert "train_full.txt" in capsys.readouterr().err
