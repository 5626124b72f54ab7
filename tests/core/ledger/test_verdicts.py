"""Which answer to a cell counts, and whether it calls the label wrong."""

import pandas as pd

from labelmend_core.ledger.verdicts import calls_wrong, last_definite
from labelmend_core.types import Kind, Verdict


def said(*answers: tuple[int, int, str, bool]) -> pd.DataFrame:
    """Image, class, verdict and whether it settles the cell, in the order of their decisions."""
    frame = pd.DataFrame(answers, columns=["image_index", "class_index", "verdict", "adjudicates"])
    return frame.assign(decision_id=range(1, len(frame) + 1))


def test_the_last_present_or_absent_of_a_cell_counts() -> None:
    answers = said((0, 0, "present", False), (0, 1, "present", False), (0, 0, "absent", False), (0, 0, "unsure", False))
    found = last_definite(answers.iloc[::-1])
    assert found.set_index("class_index")["verdict"].to_dict() == {0: "absent", 1: "present"}


def test_what_settles_a_cell_counts_before_what_came_later() -> None:
    answers = said((0, 0, "present", True), (0, 0, "absent", False))
    assert last_definite(answers)["verdict"].to_list() == ["present"]


def test_without_an_answer_nothing_counts() -> None:
    assert last_definite(said()).empty
    assert last_definite(said((0, 0, "unsure", False))).empty


def test_an_answer_calls_a_label_wrong_or_right_or_neither() -> None:
    for kind in Kind:
        verdicts = [kind.error_verdict, kind.fine_verdict, Verdict.UNSURE]
        answers = pd.DataFrame({"kind": kind.value, "verdict": [verdict.value for verdict in verdicts]})
        assert calls_wrong(answers).to_list() == [True, False, False]
