"""What remains, on the command line: nothing before there are answers, then an interval that holds the truth."""

from datetime import UTC, datetime

import pytest

from labelmend_app.number_words import about
from labelmend_app.review.queue import is_audit, page_of
from labelmend_core import Decision, Verdict
from labelmend_core.types import PRESENT, Kind
from labelmend_core.workspace import Workspace

TWO_EPOCHS = ("--epochs", "2", "--folds", "2")


def answer_queues(workspace: Workspace, run_id: str, truth, limit: int) -> int:
    """Answer the first pictures of every queue with the truth, as the review sends it; return how many."""
    said = []
    for kind in Kind:
        for k in range(truth.shape[1]):
            for item in page_of(workspace, run_id, kind, k, after_rank=0, limit=limit):
                verdict = Verdict.PRESENT if truth.values([item.image], [k])[0] == PRESENT else Verdict.ABSENT
                suggestion = None if is_audit(item.suggestion_id) else item.suggestion_id
                said.append((item.image, k, verdict, suggestion))
    first, now = workspace.ledger.acknowledged("client-1") + 1, datetime.now(UTC)
    return workspace.ledger.append(
        [
            Decision("client-1", seq, image, k, verdict, "ann", now, suggestion)
            for seq, (image, k, verdict, suggestion) in enumerate(said, first)
        ]
    )


def test_status_says_what_remains_once_enough_is_answered(imported, scenes) -> None:
    run_id = imported("train", *TWO_EPOCHS, "--json").json["run"]
    assert imported("suggest", "--audit", "150", "--min-probability", "0.2", "--json").code == 0
    before = imported("status", "--json").json["remaining"]
    assert (before["missing"]["total"], before["missing"]["drawn"]) == (None, 150)
    needed = before["missing"]["answers_needed"]
    assert 60 < needed <= 60 * 5  # of each five pictures one is of the sample
    said = imported("status").out
    assert "missing labels are expected (90 %: " in said
    assert f"answer about {needed} more suggestions, of several classes, to know better" in said
    expected = before["missing"]["expected"]
    assert expected["low"] < expected["total"] < expected["high"]
    assert sum(one["total"] for one in expected["classes"]) == pytest.approx(expected["total"])
    # One label in a hundred may look spurious without being so, and no answer has told yet.
    spurious, hundredth = before["spurious"]["expected"], (scenes.given.dense() == PRESENT).sum() / 100
    assert spurious["low"] == 0 or spurious["total"] - spurious["low"] > hundredth

    workspace = Workspace.open(imported.workspace)
    while answer_queues(workspace, run_id, scenes.truth, 10):
        pass
    corrected = workspace.corrected_labels().dense()
    workspace.close()
    left = int(((scenes.truth.dense() == PRESENT) & (corrected != PRESENT)).sum())
    after = imported("status", "--json").json["remaining"]["missing"]
    assert after["audited"] == 150
    # Nine of ten samples hold the truth, and which one is drawn depends on the probabilities' last digits and so on
    # the processor: as far again on either side is five standard deviations.
    width = after["high"] - after["low"]
    assert after["low"] - width <= left <= after["high"] + width
    assert len(after["classes"]) == scenes.truth.shape[1]
    assert "missing labels remain (90 %: " in imported("status").out


def test_where_few_are_suggested_no_more_answers_are_asked_for_than_there_are_pictures(imported) -> None:
    imported("train", *TWO_EPOCHS)
    suggested = imported("suggest", "--audit", "70", "--min-probability", "0.6", "--json").json["suggestions"]
    needed = imported("status", "--json").json["remaining"]["missing"]["answers_needed"]
    assert 60 <= needed <= 60 + suggested < 60 * 5


def test_a_run_keeps_its_sample_and_zero_draws_none(imported) -> None:
    run_id = imported("train", *TWO_EPOCHS, "--json").json["run"]
    imported("suggest", "--audit", "0")
    assert imported("status", "--json").json["remaining"] == {}
    imported("suggest", "--audit", "40")
    workspace = Workspace.open(imported.workspace)
    drawn = workspace.audits.cells(run_id)
    imported("suggest", "--audit", "70", "--min-probability", "0.1")
    again = workspace.audits.cells(run_id)
    workspace.close()
    assert [cell.audit_id for cell in again] == [cell.audit_id for cell in drawn]


def test_a_sample_changes_no_suggestion(imported) -> None:
    imported("train", *TWO_EPOCHS)
    workspace = Workspace.open(imported.workspace)
    found = []
    for size in ("0", "60"):
        run_id = imported("suggest", "--audit", size, "--json").json["run"]
        found.append(workspace.queue.of_run(run_id))
    workspace.close()
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("value", "told"), [(0.2, "0"), (9.4, "9"), (12.4, "12"), (142.0, "140"), (1876, "1,900"), (99.7, "100")]
)
def test_a_number_is_told_with_as_many_digits_as_are_true(value: float, told: str) -> None:
    assert about(value) == told
