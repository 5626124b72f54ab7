"""Answers in a frame: which one of a cell counts, and whether it calls the label wrong."""

import pandas as pd

from labelmend_core.types import Kind, Verdict

CELL = ["image_index", "class_index"]
DEFINITE = [verdict.value for verdict in Verdict if verdict.is_definite]
_ERROR = {kind.value: kind.error_verdict.value for kind in Kind}


def last_definite(answers: pd.DataFrame) -> pd.DataFrame:
    """Return of each cell the answer that counts: what settles it, or else the last present or absent.

    Args:
        answers: standing ones, with image_index, class_index, verdict, adjudicates and decision_id; of those of one
            decision the lower row counts.

    Example:
        >>> said = pd.DataFrame([[0, 0, "present", True, 1], [0, 0, "absent", False, 2], [0, 1, "unsure", False, 3]])
        >>> last_definite(said.set_axis([*CELL, "verdict", "adjudicates", "decision_id"], axis=1))["verdict"].to_list()
        ['present']
    """
    definite = answers[answers["verdict"].isin(DEFINITE)]
    in_order = definite.sort_values(["adjudicates", "decision_id"], kind="stable")
    return in_order.drop_duplicates(CELL, keep="last")


def calls_wrong(answers: pd.DataFrame) -> pd.Series:
    """Return whether each answer, verdict and kind, says that the label is wrong: bool, False for an unsure one.

    Example:
        >>> calls_wrong(pd.DataFrame({"verdict": ["present", "present"], "kind": ["missing", "spurious"]})).to_list()
        [True, False]
    """
    return answers["verdict"] == answers["kind"].map(_ERROR)
