"""A run of somebody's own predictions: p and suggestions, but no network and nothing of how it learned."""

from contextlib import closing

import numpy as np
import pytest

from labelmend_core.ledger import Status
from labelmend_core.run_folder import OUT_OF_SAMPLE, RunFolder
from labelmend_core.types import PRESENT, Kind
from labelmend_core.workspace import Workspace


@pytest.fixture
def import_run(scenes):
    """Return a call that records predictions that know the truth, as the import from FiftyOne does."""

    def record(workspace: Workspace) -> str:
        run_id = workspace.runs.start(mode="imported", loss="own", labels="given", n_decisions=0, settings={})
        run = RunFolder(workspace.run_folder(run_id))
        run.path.mkdir(parents=True)
        run.write_pred_probs(np.where(scenes.truth.dense() == PRESENT, 0.9, 0.1))
        workspace.runs.finish(run_id, Status.DONE, {"pred_probs": OUT_OF_SAMPLE})
        return run_id

    return record


def test_suggest_takes_it_and_says_nothing_of_a_training(imported, scenes, import_run) -> None:
    with closing(Workspace.open(imported.workspace)) as workspace:
        run_id = import_run(workspace)
        done = imported("suggest", "--json")
        assert done.code == 0, done.err
        assert done.json["run"] == run_id
        (first, *_) = [one for one in workspace.queue.of_run(run_id) if one.kind is Kind.MISSING]
    assert scenes.truth.values([first.image], [first.class_index]).tolist() == [PRESENT]
    assert first.reason["p"] == pytest.approx(0.9, abs=1e-3)
    assert set(first.reason) == {"p", "p_source", "given_label", "scores"}


def test_what_needs_a_network_takes_the_newest_run_that_left_one(imported, import_run) -> None:
    with closing(Workspace.open(imported.workspace)) as workspace:
        import_run(workspace)
        refused = imported("evaluate", "--split", "train")
        assert (refused.code, refused.err.count("\n")) == (2, 1)
        assert "Expected a finished run that left a network" in refused.err
        trained = imported("train", "--epochs", "1", "--folds", "2", "--json").json["run"]
        import_run(workspace)
    done = imported("evaluate", "--split", "train", "--json")
    assert done.code == 0, done.err
    assert trained in done.json["checkpoint"]
