"""Import, train, suggest, export, retrain: the loop on the command line."""

import shutil
from datetime import UTC, datetime

import numpy as np
import pytest

from labelmend_core import Decision, Verdict
from labelmend_core.run_folder import RunFolder
from labelmend_core.workspace import Workspace
from labelmend_datasets.formats import FORMATS

FILES = (
    "config.toml",
    "metrics.parquet",
    "gradients.parquet",
    "per_class.parquet",
    "pred_probs.npy",
    "model.safetensors",
)

TWO_EPOCHS = ("--epochs", "2")


def _decide(folder, verdicts: dict[tuple[int, int], Verdict]) -> None:
    workspace = Workspace.open(folder)
    now = datetime.now(UTC)
    workspace.ledger.append(
        [
            Decision("test", seq, image, class_index, verdict, "ann", now)
            for seq, ((image, class_index), verdict) in enumerate(verdicts.items(), start=1)
        ]
    )
    workspace.close()


@pytest.mark.parametrize("mode", ["probe", "finetune"])
def test_the_loop_ends_in_corrected_labels_and_a_better_informed_run(imported, scenes, mode: str) -> None:
    folds = "3" if mode == "probe" else "2"
    trained = imported("train", "--mode", mode, "--loss", "splc", *TWO_EPOCHS, "--folds", folds, "--json")
    assert trained.code == 0, trained.err
    run_id = trained.json["run"]
    run = RunFolder(imported.workspace / "runs" / run_id)
    assert all((run.path / name).exists() for name in FILES)
    assert run.pred_probs().shape == scenes.given.shape
    assert not np.isnan(run.pred_probs()).any()
    assert trained.json["pred_probs"] == "out-of-sample"

    suggested = imported("suggest", "--min-probability", "0", "--json")
    assert suggested.json["suggestions"] == scenes.given.shape[0] * scenes.given.shape[1]

    added = next(cell for cell in np.argwhere(scenes.given.dense() == 0).tolist())
    removed = np.argwhere(scenes.given.dense() == 1).tolist()[-1]
    _decide(imported.workspace, {tuple(added): Verdict.PRESENT, tuple(removed): Verdict.ABSENT})
    exported = imported("export", imported.folder / "corrected", "--json")
    assert exported.json["changed_labels"] == 2
    again = FORMATS["list"].read(imported.folder / "corrected" / "labels.txt", classes=scenes.classes).given_labels
    expected = scenes.given.replace([added[0], removed[0]], [added[1], removed[1]], [1, 0])
    assert again == expected

    retrained = imported("train", "--mode", mode, *TWO_EPOCHS, "--folds", folds, "--json")
    assert retrained.json["labels"] == "corrected"
    status = imported("status", "--json").json
    assert status["runs"] == 2
    assert status["decisions"] == 2
    assert status["reviewers"] == ["ann"]


def test_one_fold_suggests_from_the_dynamics_and_says_so(imported) -> None:
    trained = imported("train", "--mode", "finetune", *TWO_EPOCHS, "--folds", "1", "--json")
    assert trained.json["pred_probs"] == "dynamics"


def test_the_source_is_never_written_to(imported, scenes) -> None:
    before = {path: path.read_bytes() for path in scenes.folder.rglob("*") if path.is_file()}
    imported("train", *TWO_EPOCHS, "--folds", "2")
    imported("suggest")
    imported("export")
    assert {path: path.read_bytes() for path in scenes.folder.rglob("*") if path.is_file()} == before


def test_a_stopped_run_goes_on(imported, monkeypatch: pytest.MonkeyPatch) -> None:
    from labelmend_core.training import finetune as module

    def stop_after_first_epoch(path, part, state, write=module.save_state):
        write(path, part, state)
        (path.parent / "stop").touch()

    whole = imported("train", "--mode", "finetune", *TWO_EPOCHS, "--seed", "3", "--json").json
    with monkeypatch.context() as patched:
        # Asks for a stop as the screen does, at a moment that is the same each time.
        patched.setattr(module, "save_state", stop_after_first_epoch)
        stopped = imported("train", "--mode", "finetune", *TWO_EPOCHS, "--seed", "3", "--json").json
    assert stopped["status"] == "stopped"
    resumed = imported("train", "--resume", stopped["run"], "--json").json
    assert resumed["status"] == "done"
    paths = [imported.workspace / "runs" / record["run"] for record in (whole, resumed)]
    for name in ("pred_probs.npy", "dynamics/mean.npy", "dynamics/flips.npy"):
        np.testing.assert_array_equal(np.load(paths[0] / name), np.load(paths[1] / name))


def test_unreadable_images_are_listed_and_left_out(labelmend, scenes) -> None:
    photos = labelmend.folder / "photos"
    shutil.copytree(scenes.images, photos)
    (photos / "00003.png").write_bytes((photos / "00003.png").read_bytes()[:500])
    (photos / "00007.png").write_text("not an image", encoding="utf-8")
    labelmend("import", scenes.labels, "--images", photos, "--classes", scenes.classes)
    trained = labelmend("train", *TWO_EPOCHS, "--folds", "2", "--json")
    assert trained.json["unreadable_images"] == 2
    workspace = Workspace.open(labelmend.workspace)
    assert sorted(workspace.catalog.problems()) == [3, 7]
    pred_probs = RunFolder(workspace.run_folder(trained.json["run"])).pred_probs()
    assert np.isnan(pred_probs[[3, 7]]).all()
    assert np.isnan(pred_probs).sum() == 2 * pred_probs.shape[1]
    workspace.close()
    labelmend("suggest", "--min-probability", "0")
    workspace = Workspace.open(labelmend.workspace)
    assert not {3, 7} & {s.image for s in workspace.queue.of_run(trained.json["run"])}
    workspace.close()


def test_a_class_without_a_label_is_named_and_left_out(labelmend, scenes) -> None:
    classes = labelmend.folder / "classes.txt"
    classes.write_text(scenes.classes.read_text(encoding="utf-8") + "unicorn\n", encoding="utf-8")
    done = labelmend("import", scenes.labels, "--images", scenes.images, "--classes", classes, "--json")
    assert done.json["classes_without_a_label"] == ["unicorn"]
    trained = labelmend("train", *TWO_EPOCHS, "--folds", "2", "--json")
    assert 10 in trained.json["left_out"]


def test_a_probe_with_another_seed_looks_through_another_random_backbone(imported) -> None:
    for seed in ("1", "2"):
        assert imported("train", *TWO_EPOCHS, "--folds", "2", "--seed", seed).code == 0
    folders = [path for path in (imported.workspace / "features").iterdir() if path.is_dir()]
    features = [np.load(path / "features.npy") for path in folders]
    assert len(features) == 2
    assert not np.array_equal(*features)
