"""Wrong input: one sentence on standard error, exit 2, nothing half-written."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from labelmend_core.workspace import Workspace

TWO_EPOCHS = ("--epochs", "2")


def _refused(done, *words: str) -> None:
    assert done.code == 2, done.err
    assert len(done.err.strip().splitlines()) == 1, done.err
    for word in words:
        assert word in done.err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("00000.png,0\nnowhere.png,1\n", ("nowhere.png", "1 are missing", "--images")),
        ("00000.png,0 99\n", ("99", "line 1")),
        ("00000.png,0\n00000.png,1\n", ("00000.png", "line 2")),
        ("", ("labels.txt",)),
        ("../../etc/passwd,0\n", ("../../etc/passwd",)),
    ],
)
def test_a_wrong_list_makes_no_workspace(labelmend, scenes, content: str, words: tuple[str, ...]) -> None:
    labels = labelmend.folder / "labels.txt"
    labels.write_text(content, encoding="utf-8")
    done = labelmend("import", labels, "--images", scenes.images, "--classes", scenes.classes, "--format", "list")
    _refused(done, *words)
    assert not labelmend.workspace.exists()
    assert [path.name for path in labelmend.folder.iterdir()] == ["labels.txt"]


def test_import_refuses_what_is_not_there(labelmend, scenes) -> None:
    _refused(labelmend("import", "no.txt", "--images", scenes.images), "no.txt", "is the path right?")
    _refused(labelmend("import", scenes.labels, "--images", labelmend.folder / "no"), "--images")
    _refused(labelmend("import", scenes.labels, "--images", scenes.images, "--format", "xls"), "'xls'", "coco")


def test_a_second_import_does_not_touch_the_first(imported, scenes) -> None:
    before = (imported.workspace / "labelmend.toml").read_bytes()
    done = imported("import", scenes.labels, "--images", scenes.images, "--classes", scenes.classes)
    _refused(done, "holds a workspace", "--workspace")
    assert (imported.workspace / "labelmend.toml").read_bytes() == before


def test_the_review_lets_other_machines_in_only_with_a_token_or_a_log_in(imported) -> None:
    _refused(imported("review", "--no-open", "--host", "0.0.0.0"), "0.0.0.0", "--token", "[auth]")


@pytest.mark.parametrize("command", ["train", "suggest", "status", "export", "report", "review"])
def test_without_a_workspace_every_command_says_how_to_make_one(labelmend, command: str) -> None:
    _refused(labelmend(command), "labelmend import", "labelmend.toml")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--loss", "hinge"], ("hinge", "splc")),
        (["--set", "gamma"], ("NAME=VALUE",)),
        (["--set", "gama=2"], ("gama", "gamma")),
        (["--set", "gamma=two"], ("gamma", "'two'")),
        (["--mode", "both"], ("'both'", "probe")),
        (["--labels", "mine"], ("'mine'", "corrected")),
        (["--backbone", "resnet5O"], ("resnet5O",)),
        (["--weights", "gone.safetensors"], ("gone.safetensors",)),
        (["--folds", "1"], ("2 folds",)),
        (["--resume", "never"], ("'never'",)),
        (["--recipe", "splc"], ("'splc'", "splc-coco-40")),
        (["--optimiser", "lion"], ("'lion'", "adamw")),
        (["--sam", "-1"], ("SAM",)),
        (["--hold-out", "20"], ("hold_out", "share")),
        (["--cutout", "3"], ("cutout", "share")),
        (["--local-global"], ("finetune",)),
        (["--head", "liner"], ("'liner'", "linear", "ml_decoder")),
        (["--loss", "aam"], ("cosine",)),
        (["--head", "cosine", "--head-set", "sclae=3"], ("sclae", "scale")),
    ],
)
def test_wrong_options_of_train_are_one_sentence(imported, arguments: list[str], words: tuple[str, ...]) -> None:
    _refused(imported("train", *TWO_EPOCHS, *arguments), *words)


def test_suggest_and_export_say_what_comes_before(imported) -> None:
    _refused(imported("suggest"), "labelmend train")
    _refused(imported("suggest", "--run", "x"), "'x'")
    _refused(imported("export", "--policy", "loudest"), "loudest", "majority")


def test_a_workspace_of_a_newer_version_is_refused_and_left_alone(imported) -> None:
    path = imported.workspace / "labelmend.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("version = 1", "version = 99"), encoding="utf-8")
    before = path.read_bytes()
    _refused(imported("status"), "99", "newer labelmend")
    assert path.read_bytes() == before


def test_no_image_that_can_be_read_ends_the_run(labelmend, scenes) -> None:
    photos = labelmend.folder / "photos"
    shutil.copytree(scenes.images, photos)
    for path in photos.iterdir():
        path.write_text("not an image", encoding="utf-8")
    labelmend("import", scenes.labels, "--images", photos, "--classes", scenes.classes)
    _refused(labelmend("train", *TWO_EPOCHS), "none of 80 can")
    workspace = Workspace.open(labelmend.workspace)
    assert [record.status for record in workspace.runs.all()] == ["failed"]
    workspace.close()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda p: p[:, :-1], ("(80, 10)", "(80, 9)")),
        (lambda p: np.where(np.arange(10) == 4, np.nan, p), ("nan", "image 0, class 4")),
        (lambda p: p * 9 - 4, ("[0, 1]", "sigmoid")),
    ],
)
def test_find_refuses_wrong_probabilities(labelmend, scenes, change, words) -> None:
    probs, out = labelmend.folder / "probs.npy", labelmend.folder / "issues.csv"
    np.save(probs, change(np.random.default_rng(0).random((80, 10))))
    done = labelmend("find", "--labels", scenes.labels, "--classes", scenes.classes, "--probs", probs, "--out", out)
    _refused(done, *words)
    assert not out.exists()


def test_find_never_unpickles(labelmend, scenes) -> None:
    probs = labelmend.folder / "probs.npy"
    np.save(probs, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    _refused(labelmend("find", "--labels", scenes.labels, "--probs", probs), "probs.npy")


def test_usage_errors_exit_with_2(labelmend) -> None:
    assert labelmend("train", "--no-such-option").code == 2
    assert labelmend("import").code == 2


def test_json_stays_one_line_for_hostile_class_names(labelmend, scenes) -> None:
    classes = labelmend.folder / "classes.txt"
    names = ["<img src=x onerror=alert(1)>", "a\"b'c", "[red]x[/red]", "=1+1", *(f"c{i}" for i in range(6)), "نص"]
    classes.write_text("\n".join(names) + "\n", encoding="utf-8")
    done = labelmend("import", scenes.labels, "--images", scenes.images, "--classes", classes, "--json")
    assert json.loads(done.out.strip().splitlines()[-1])["classes_without_a_label"] == ["نص"]
    assert Path(labelmend.workspace / "workspace.db").exists()
