"""Somebody else's training, recorded into a workspace: the review opens on it, and no screen stumbles over it."""

from contextlib import closing

import pytest
import torch
from streamlit.testing.v1 import AppTest

from labelmend_app.retraining import retrain_settings
from labelmend_app.training import resume
from labelmend_core import record
from labelmend_core.errors import InputError
from labelmend_core.ledger import Status
from labelmend_core.run_folder import DYNAMICS, RunFolder

SCREENS = ("overview", "train", "review", "explore", "runs", "loss_lab", "export")


def _draw(folder: str, screen: str) -> None:
    import importlib
    from pathlib import Path

    from labelmend_core.workspace import Workspace

    importlib.import_module(f"labelmend_app.screens.{screen}").render(Workspace.open(Path(folder)))


@pytest.fixture(scope="module")
def recorded(scenes_workspace):
    """A workspace with a run that was recorded of a plain loop, whose network sees a class where no label is."""
    with closing(scenes_workspace()) as workspace:
        given = torch.from_numpy(workspace.dataset.given_labels.dense())
        n = len(given)
        logits = 8.0 * given - 4
        unlabelled = (given == 0).nonzero()[::40]
        logits[unlabelled[:, 0], unlabelled[:, 1]] = 4
        with record(workspace, loss="bce") as recording:
            for epoch in range(2):
                for rows in torch.arange(n).split(20):
                    seen = logits[rows].requires_grad_()
                    recording.batch(rows, seen)
                    seen.sum().backward()
                recording.end_epoch(loss=1 / (1 + epoch))
        yield workspace, recording, set(map(tuple, unlabelled.tolist()))


def test_the_run_is_done_and_says_what_its_probabilities_are(recorded) -> None:
    workspace, recording, _ = recorded
    run = workspace.runs.get(recording.run_id)
    assert (run.status, run.mode, run.loss) == (Status.DONE, "recorded", "bce")
    assert run.metrics["pred_probs"] == DYNAMICS
    assert "labels trained on" in run.metrics["on"]
    assert RunFolder(workspace.run_folder(run.run_id)).table("metrics")["loss"].tolist() == [1.0, 0.5]


def test_its_suggestions_are_the_queue_of_the_review(recorded) -> None:
    workspace, recording, unlabelled = recorded
    assert workspace.queue.latest_run() == recording.run_id
    suggested = workspace.queue.of_run(recording.run_id)
    found = {(one.image, one.class_index) for one in suggested if one.error_probability >= 0.5}
    assert found
    assert found <= unlabelled


@pytest.mark.parametrize("screen", SCREENS)
def test_every_screen_draws_it(recorded, screen) -> None:
    workspace, _, _ = recorded
    page = AppTest.from_function(_draw, args=(str(workspace.folder), screen), default_timeout=600).run()
    assert not page.exception


def test_what_needs_a_network_says_that_there_is_none(recorded) -> None:
    workspace, recording, _ = recorded
    with pytest.raises(InputError, match="train with 'labelmend train'"):
        retrain_settings(workspace, workspace.runs.get(recording.run_id))


def test_a_loop_that_fails_leaves_a_failed_run_that_cannot_be_resumed(scenes_workspace) -> None:
    with closing(scenes_workspace()) as workspace:
        with pytest.raises(ZeroDivisionError), record(workspace):
            1 / 0  # noqa: B018
        failed = workspace.runs.all()[0]
        assert failed.status is Status.FAILED
        with pytest.raises(InputError, match="recorded of another training loop"):
            resume(workspace, failed.run_id)


def test_imported_predictions_that_were_not_written_to_the_end_cannot_be_resumed(scenes_workspace) -> None:
    with closing(scenes_workspace()) as workspace:
        run_id = workspace.runs.start(mode="imported", loss="own", labels="given", n_decisions=0, settings={})
        workspace.runs.finish(run_id, Status.FAILED, {})
        with pytest.raises(InputError, match=f"{run_id} was imported"):
            resume(workspace, run_id)
