"""Heat maps of one workspace: from what is kept, else from the worker process."""

import json
from pathlib import Path
from typing import Any

from labelmend_app.heat_maps.kept import KeptAnswers
from labelmend_app.heat_maps.process import WorkerProcess
from labelmend_app.heat_maps.question import Question
from labelmend_core.ledger import Status
from labelmend_core.run_folder import RunFolder
from labelmend_core.workspace import Workspace
from labelmend_datasets.images import image_file, workspace_image

_NOT_A_FILE = ("pretrained", "random")


class HeatMaps:
    """Where the networks of a workspace's runs see its classes; close it to end the process that looks."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._kept = KeptAnswers(workspace.folder)
        self._worker = WorkerProcess()

    def why_not(self, run_id: str) -> str | None:
        """Return the sentence that says why a run has no heat maps, None where it should have them; takes no torch.

        Raises:
            InputError: there is no such run.
        """
        record = self._workspace.runs.get(run_id)
        run = RunFolder(self._workspace.run_folder(run_id))
        if not run.model.is_file() or not run.model_info.is_file():
            if record.status is Status.DONE:
                return "This run left no network that could be asked; train again."
            return "The run has not come to its end, so there is no network yet that could be asked."
        weights = str(record.settings.get("backbone", {}).get("weights", ""))
        if record.mode == "probe" and weights not in _NOT_A_FILE and not Path(weights).is_file():
            return f"The weights of the run's backbone are gone: there is no {weights}."
        return None

    def kept(self, run_id: str, image: int, class_index: int) -> dict[str, Any] | None:
        """Return a heat map that was made before."""
        answer = self._kept.get(run_id, image, class_index)
        if answer is None:
            return None
        found: dict[str, Any] = json.loads(answer)
        return found

    def make(self, run_id: str, image: int, class_index: int) -> dict[str, Any]:
        """Return a heat map as `Looker.look` gives it, and keep it; takes seconds at the first time.

        Raises:
            InputError: there is no such run, image or class, or none can be made; the sentence says why.
            WorkspaceError: the process that looks ended.
        """
        found = self._worker.ask(
            Question(
                run=str(self._workspace.run_folder(run_id)),
                picture=str(image_file(workspace_image(self._workspace, image))),
                image=image,
                class_name=self._workspace.dataset.class_names[class_index],
            )
        )
        self._kept.put(run_id, image, class_index, json.dumps(found))
        return found

    def close(self) -> None:
        """End the process that looks."""
        self._worker.close()
