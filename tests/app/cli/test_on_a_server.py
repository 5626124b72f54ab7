"""The loop with its decisions on a PostgreSQL server, and what a person reads when the server is not there."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from labelmend_core import Decision, Verdict
from labelmend_core.workspace import DATABASE, Workspace

VARIABLE = "LABELMEND_DATABASE_URL"


def test_the_loop_runs_on_a_server_and_moves_there(
    labelmend: Any, scenes: Any, postgres: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert labelmend("import", scenes.labels, "--images", scenes.images, "--classes", scenes.classes).code == 0
    monkeypatch.setenv(VARIABLE, postgres.url)
    refused = labelmend("status")
    assert refused.code == 2
    assert "copy them there with 'labelmend migrate --workspace" in refused.err

    moved = labelmend("migrate", "--json")
    assert moved.code == 0, moved.err
    assert moved.json["rows"]["images"] == 80
    assert (labelmend.workspace / DATABASE).exists()

    trained = labelmend("train", "--epochs", "1", "--folds", "2", "--json")
    assert trained.code == 0, trained.err
    suggested = labelmend("suggest", "--min-probability", "0", "--json")
    assert suggested.json["suggestions"] == scenes.given.shape[0] * scenes.given.shape[1]
    workspace = Workspace.open(labelmend.workspace)
    image, class_index = np.argwhere(scenes.given.dense() == 0).tolist()[0]
    added = Decision("tab", 1, image, class_index, Verdict.PRESENT, "ann", datetime.now(UTC))
    workspace.ledger.append([added])
    workspace.close()

    assert labelmend("status", "--json").json["decisions"] == 1
    assert labelmend("decisions", "--json").code == 0
    assert labelmend("export", labelmend.folder / "corrected", "--json").json["changed_labels"] == 1
    assert labelmend("report", "--out", labelmend.folder / "report.html").code == 0


def test_a_server_that_is_not_there_is_one_line_without_the_password(
    labelmend: Any, scenes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "postgresql://ann:s3cr3t@127.0.0.1:1/labels")
    answer = labelmend("import", scenes.labels, "--images", scenes.images, "--classes", scenes.classes)
    assert answer.code == 2
    assert answer.err.strip().splitlines()[-1].startswith("labelmend: Expected schema labelmend_workspace_")
    assert "s3cr3t" not in answer.out + answer.err
    assert not labelmend.workspace.exists()
