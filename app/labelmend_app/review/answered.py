"""What became of the suggestions: answered, accepted, and how many were expected to be, by class and kind."""

import pandas as pd

from labelmend_core.ledger.verdicts import CELL, calls_wrong, last_definite
from labelmend_core.workspace import Workspace


def answered_suggestions(workspace: Workspace) -> pd.DataFrame:
    """Return how the suggestions of all runs were answered, a row a class and kind that has any.

    A cell counts once: by what settles it or else the last present or absent that stands, whoever said so, and by the
    newest run that suggested it. Those that are open are the newest run's.

    Returns:
        Columns class_index, kind, suggested (answered or open), answered, accepted (called an error), expected (errors
        among the answered, by the error probabilities that they were ranked with) and open.
    """
    said = _last_answers(workspace)
    said["accepted"] = calls_wrong(said)
    group = ["class_index", "kind"]
    counted = said.groupby(group).agg(
        answered=("accepted", "size"), accepted=("accepted", "sum"), expected=("error_probability", "sum")
    )
    newest = workspace.queue.latest_run()
    if newest is not None:
        left = workspace.queue.counts(newest).set_index(group)["open"]
        counted = counted.join(left[left > 0], how="outer")
    else:
        counted["open"] = 0
    counted = counted.fillna(0.0).astype({"answered": int, "accepted": int, "expected": float, "open": int})
    counted.insert(0, "suggested", counted["answered"] + counted["open"])
    return counted.reset_index()


def _last_answers(workspace: Workspace) -> pd.DataFrame:
    runs = [record.run_id for record in workspace.runs.all()]
    found = pd.concat([pd.DataFrame({"kind": [], "verdict": []}), *map(workspace.queue.answered, runs)])
    if found.empty:
        return pd.DataFrame(columns=[*CELL, "kind", "verdict", "error_probability"])
    of_newest_run = found.drop_duplicates("decision_id", keep="first")
    return last_definite(of_newest_run).reset_index(drop=True)
