"""What was recorded of somebody else's training as a run of a workspace, on which its review opens."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from labelmend_core.errors import InputError
from labelmend_core.ledger import Status
from labelmend_core.metrics import how_to_read_unobserved
from labelmend_core.run_folder import DYNAMICS, RunFolder
from labelmend_core.training.dynamics import Recorder
from labelmend_core.training.history import Epoch, FitState
from labelmend_core.training.outcome import Outcome, write_history, write_outcome
from labelmend_core.types import IntArray, LabelMatrix
from labelmend_core.workspace import Workspace

Cells = tuple[IntArray, IntArray]


class KeptRun:
    """Keeps a run of the workspace up to date: while it is recorded, when it ends, and when it fails.

    Args:
        workspace: that the run belongs to.
        loss: what the run calls its loss.
        settings: what is known of the training.
    """

    def __init__(self, workspace: Workspace, loss: str, settings: Mapping[str, Any]) -> None:
        self._workspace, self._loss, self._settings = workspace, loss, {**settings, "loss": loss}
        self._run: RunFolder | None = None

    def start(self, planted: Cells, added: Cells) -> str:
        """Record that the training begins on the corrected labels, and return the id of the run."""
        run_id = self._workspace.runs.start(
            mode="recorded",
            loss=self._loss,
            labels="corrected",
            n_decisions=self._workspace.ledger.count(),
            settings=self._settings,
        )
        folder = self._workspace.run_folder(run_id)
        folder.mkdir(parents=True, exist_ok=True)
        self._run = RunFolder(folder)
        self._run.write_config(self._settings)
        self._run.write_planted(*planted)
        self._run.write_planted(*added, added=True)
        return run_id

    def write_epoch(self, history: list[Epoch], recorder: Recorder) -> None:
        """Write the tables of the epochs so far."""
        write_history(self._started(), history, recorder)

    def done(self, history: list[Epoch], recorder: Recorder, labels: LabelMatrix) -> None:
        """Write what the run found, record that it is done, and store its suggestions."""
        from labelmend_core.detection import suggest

        run = self._started()
        dynamics = recorder.dynamics()
        last = FitState(history=history, best_epoch=len(history) - 1)
        outcome = Outcome(last, recorder, dynamics, None, "none: the last epoch", dynamics.mean, DYNAMICS)
        if np.isnan(dynamics.mean).all():
            raise InputError("Expected p of at least one image, got NaN only; did the network's weights overflow?")
        metrics = write_outcome(run, outcome, labels, how_to_read_unobserved(self._workspace.dataset.given_labels))
        self._workspace.runs.finish(run.path.name, Status.DONE, metrics)
        suggest(self._workspace, run.path.name)

    def failed(self, error: BaseException) -> None:
        """Record that the run ended before its time."""
        if self._run is not None and self._workspace.runs.get(self._run.path.name).status is not Status.DONE:
            stopped = isinstance(error, KeyboardInterrupt)
            self._workspace.runs.finish(self._run.path.name, Status.STOPPED if stopped else Status.FAILED)

    def _started(self) -> RunFolder:
        assert self._run is not None  # `Recording` starts it
        return self._run
