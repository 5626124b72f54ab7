"""One workspace on a problem: it trains as anybody's workspace does, and a reviewer who knows the truth answers."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from labelmend_app.benchmarks.detection.problem import Problem
from labelmend_app.benchmarks.kept import TRAINING, code_of
from labelmend_core.detection import labels_of_run
from labelmend_core.ledger import Status
from labelmend_core.models.backbone import RANDOM
from labelmend_core.run_folder import PROGRESS_FILE, RunFolder
from labelmend_core.training import Progress, RunSettings, TrainingData, train
from labelmend_core.training.features import DONE_FILE, FEATURES_FILE
from labelmend_core.types import PRESENT, AnnotatedDataset, Decision, Dynamics, IntArray, LabelMatrix, Verdict
from labelmend_core.workspace import Workspace

REVIEWER = "simulated reviewer"
_NOT_KEPT = shutil.ignore_patterns("embeddings.npy", "state.safetensors", PROGRESS_FILE)


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a run left for whoever looks for errors.

    Attributes:
        labels: (N, K), what was to be trained on.
        pred_probs: float32 (N, K), out of sample.
        dynamics: of the last fit.
        embeddings: float16 (N, F).
    """

    labels: LabelMatrix
    pred_probs: NDArray[np.float32]
    dynamics: Dynamics
    embeddings: NDArray[np.float16]


class Session:
    """A workspace that is made for one problem.

    Args:
        problem: see there.
        folder: of the workspace, not there yet.
        keep: where runs on the given labels are kept, and taken from when they are there.
    """

    def __init__(self, problem: Problem, folder: Path, keep: Path | None = None) -> None:
        self.problem, self._keep = problem, keep
        n = problem.given.shape[0]
        ids = [f"{i:06d}.jpg" for i in range(len(problem.features))]
        source = folder.with_suffix(".txt")
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_text("", encoding="utf-8")  # a workspace keeps its source; this one has none
        self.workspace = Workspace.create(
            folder,
            AnnotatedDataset(ids[:n], ids[:n], problem.class_names, problem.given),
            format_name="list",
            image_folder=source.parent,
            source=source,
            validation=AnnotatedDataset(ids[n:], ids[n:], problem.class_names, problem.validation),
        )

    def train(self, *, corrected: bool = False, settings: RunSettings | None = None) -> str:
        """Train on the given labels, or on those that the answers so far correct, and return the run's id."""
        settings = settings or self.problem.settings
        features = self._features(settings)
        run_id = self.workspace.runs.start(
            mode=settings.mode,
            loss=settings.loss,
            labels="corrected" if corrected else "given",
            n_decisions=self.workspace.ledger.count() if corrected else 0,
            settings=settings.to_dict(),
        )
        kept = None if self._keep is None or corrected else self._keep / self._name_of(settings)
        if kept is not None and kept.is_dir():
            self._take(run_id, kept, features)
            return run_id
        train(self.workspace, run_id, settings, lambda progress: self._data(run_id, settings, progress))
        if kept is not None:
            self._give(run_id, kept)
        return run_id

    def evidence(self, run_id: str) -> Evidence:
        """Return what a run left."""
        run = RunFolder(self.workspace.run_folder(run_id))
        labels = labels_of_run(self.workspace, run_id)
        dynamics, embeddings = run.dynamics(), run.embeddings(labels.shape[0])
        assert dynamics is not None  # every probe leaves them
        assert embeddings is not None
        return Evidence(labels, np.asarray(run.pred_probs(), dtype=np.float32), dynamics, embeddings)

    def answer(self, images: IntArray, classes: IntArray) -> None:
        """Decide these cells as somebody who knows the truth would."""
        first = self.workspace.ledger.acknowledged(REVIEWER) + 1
        now = datetime.now(UTC)
        values = self.problem.truth.values(images, classes)
        self.workspace.ledger.append(
            [
                Decision(
                    client=REVIEWER,
                    seq=seq,
                    image=image,
                    class_index=class_index,
                    verdict=Verdict.PRESENT if value == PRESENT else Verdict.ABSENT,
                    reviewer=REVIEWER,
                    decided_at=now,
                )
                for seq, (image, class_index, value) in enumerate(
                    zip(images.tolist(), classes.tolist(), values.tolist(), strict=True), start=first
                )
            ]
        )

    def answered(self) -> NDArray[np.bool_]:
        """Return which cells have been decided, (N, K)."""
        cells = np.zeros(self.problem.given.shape, dtype=bool)
        for decision in self.workspace.ledger.decisions():
            cells[decision.image, decision.class_index] = True
        return cells

    def close(self) -> None:
        """Close the workspace and remove it."""
        self.workspace.close()
        shutil.rmtree(self.workspace.folder)

    def _data(self, run_id: str, settings: RunSettings, progress: Progress) -> TrainingData:
        return TrainingData(
            images=_Seen(settings.backbone.image_size),
            labels=labels_of_run(self.workspace, run_id),
            validation_labels=self.problem.validation,
            unreadable={},
            class_names=self.problem.class_names,
        )

    def _features(self, settings: RunSettings) -> Path:
        """Put the problem's features where training looks for them, and return the file."""
        spec = settings.backbone
        seeded = f"-{settings.seed}" if spec.weights == RANDOM else ""
        folder = self.workspace.folder / "features" / f"{spec.fingerprint()}{seeded}"
        if not folder.exists():
            folder.mkdir(parents=True)
            np.save(folder / FEATURES_FILE, self.problem.features.astype(np.float16))
            (folder / DONE_FILE).write_text(json.dumps({"images": len(self.problem.features)}), encoding="utf-8")
        return folder / FEATURES_FILE

    def _name_of(self, settings: RunSettings) -> str:
        """Return a name that changes with whatever a run on the given labels depends on."""
        what = json.dumps([self.problem.fingerprint, code_of(TRAINING), settings.to_dict()], sort_keys=True)
        digest = hashlib.sha256(what.encode())
        return f"{self.problem.name.replace(',', '').replace(' ', '-')}-{digest.hexdigest()[:16]}"

    def _take(self, run_id: str, kept: Path, features: Path) -> None:
        folder = self.workspace.run_folder(run_id)
        shutil.copytree(kept, folder)
        RunFolder(folder).link_embeddings(features)
        metrics = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        self.workspace.runs.finish(run_id, Status.DONE, metrics)

    def _give(self, run_id: str, kept: Path) -> None:
        making = kept.with_name(f"{kept.name}.new")
        shutil.rmtree(making, ignore_errors=True)
        shutil.copytree(self.workspace.run_folder(run_id), making, ignore=_NOT_KEPT)
        metrics = self.workspace.runs.get(run_id).metrics
        (making / "run.json").write_text(json.dumps(metrics), encoding="utf-8")
        making.rename(kept)


class _Seen(Dataset[torch.Tensor]):
    """Images whose features are there already: training only asks how large they are."""

    def __init__(self, side: int) -> None:
        self._side = side

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.zeros((3, self._side, self._side), dtype=torch.uint8)


MakeSession = Callable[[Problem], Session]


def maker(folder: Path, keep: Path | None = None) -> MakeSession:
    """Return what makes sessions in a folder, each in one of its own.

    Args:
        folder: where workspaces are made.
        keep: where runs are kept.
    """
    made = 0

    def make(problem: Problem) -> Session:
        nonlocal made
        made += 1
        return Session(problem, folder / f"session-{made}", keep)

    return make


def with_truth(problem: Problem) -> Problem:
    """Return the problem whose given labels are the true ones, trained on as they are: the ceiling."""
    return replace(problem, name="truth", given=problem.truth)


def with_companion(settings: RunSettings) -> RunSettings:
    """Return settings of the run that our suggestions come from: p is averaged with that of another loss."""
    return replace(settings, companions=("bce" if settings.loss == "hill" else "hill",))
