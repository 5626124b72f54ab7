"""What counts of several standing decisions on a cell: the last of the strongest.

What settles a conflict counts before a present or absent, these before an unsure, an unsure before a skip.
"""

import pandas as pd

from labelmend_core.types import Verdict

_SETTLES = 4
_OF = {Verdict.PRESENT.value: 3, Verdict.ABSENT.value: 3, Verdict.UNSURE.value: 2, Verdict.SKIP.value: 1}


def strength(verdict: Verdict, *, adjudicates: bool) -> int:
    """Return how much a standing decision counts beside others on its cell; of equals the last one counts.

    Example:
        >>> strength(Verdict.PRESENT, adjudicates=True) > strength(Verdict.ABSENT, adjudicates=False)
        True
    """
    return _SETTLES if adjudicates else _OF[verdict.value]


def last_of_strongest(decided: pd.DataFrame) -> pd.DataFrame:
    """Return the row that counts of each cell.

    Args:
        decided: standing decisions with columns decision_id, image_index, class_index, verdict and adjudicates.
    """
    strengths = decided["verdict"].map(_OF).mask(decided["adjudicates"].astype(bool), _SETTLES)
    rows = decided.assign(strength=strengths).sort_values(["strength", "decision_id"], kind="stable")
    return rows.drop_duplicates(["image_index", "class_index"], keep="last").drop(columns="strength")
