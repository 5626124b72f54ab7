"""Which of several standing answers to a cell counts, and whether an answer calls the label wrong.

What settles a conflict counts before a present or absent, these before an unsure, an unsure before a skip; of equals
the last one counts.
"""

import pandas as pd

from labelmend_core.types import Kind, Verdict

CELL = ["image_index", "class_index"]
DEFINITE = [verdict.value for verdict in Verdict if verdict.is_definite]
_ERROR = {kind.value: kind.error_verdict.value for kind in Kind}
_SETTLES = 4
_STRENGTH = {Verdict.PRESENT.value: 3, Verdict.ABSENT.value: 3, Verdict.UNSURE.value: 2, Verdict.SKIP.value: 1}


def strength(verdict: Verdict, *, adjudicates: bool) -> int:
    """Return how much a standing decision counts beside others on its cell; of equals the last one counts.

    Example:
        >>> strength(Verdict.PRESENT, adjudicates=True) > strength(Verdict.ABSENT, adjudicates=False)
        True
    """
    return _SETTLES if adjudicates else _STRENGTH[verdict.value]


def last_of_strongest(answers: pd.DataFrame) -> pd.DataFrame:
    """Return of each cell the answer that counts.

    Args:
        answers: standing ones, with image_index, class_index, verdict, adjudicates and decision_id; of those of one
            decision the lower row counts.
    """
    strengths = answers["verdict"].astype(object).map(_STRENGTH).mask(answers["adjudicates"].astype(bool), _SETTLES)
    rows = answers.assign(strength=strengths).sort_values(["strength", "decision_id"], kind="stable")
    return rows.drop_duplicates(CELL, keep="last").drop(columns="strength")


def last_definite(answers: pd.DataFrame) -> pd.DataFrame:
    """Return of each cell the answer that counts among present and absent ones; `answers` as in `last_of_strongest`.

    Example:
        >>> said = pd.DataFrame([[0, 0, "present", True, 1], [0, 0, "absent", False, 2], [0, 1, "unsure", False, 3]])
        >>> last_definite(said.set_axis([*CELL, "verdict", "adjudicates", "decision_id"], axis=1))["verdict"].to_list()
        ['present']
    """
    return last_of_strongest(answers[answers["verdict"].isin(DEFINITE)])


def calls_wrong(answers: pd.DataFrame) -> pd.Series:
    """Return whether each answer, verdict and kind, says that the label is wrong: bool, False for an unsure one.

    Example:
        >>> calls_wrong(pd.DataFrame({"verdict": ["present", "present"], "kind": ["missing", "spurious"]})).to_list()
        [True, False]
    """
    return answers["verdict"] == answers["kind"].map(_ERROR)
