"""`labelmend evaluate`: the figures are those of training, and it says what they are worth."""

import json
import re
import shutil

import numpy as np
import pytest

from labelmend_core.metrics import cf1_of1_top, evaluate
from labelmend_core.workspace import Workspace

TWO_EPOCHS = ("--epochs", "2")


@pytest.fixture
def measured(labelmend, splits):
    """A workspace with validation images."""
    done = labelmend(
        "import", splits.train, "--images", splits.images, "--classes", splits.classes,
        "--validation", splits.validation,
    )  # fmt: skip
    assert done.code == 0, done.err
    return labelmend


# Two images whose p differ in the last bit change places on another processor.
TIE = 5e-3


def _trained(labelmend, *arguments: str):
    done = labelmend("train", *TWO_EPOCHS, *arguments, "--json")
    assert done.code == 0, done.err
    return done.json, labelmend.workspace / "runs" / done.json["run"] / "model.safetensors"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--loss", "hill", "--folds", "2"],
        ["--loss", "aam", "--head", "graph", "--folds", "2", "--seed", "3"],
        ["--head", "ml_decoder", "--folds", "2"],
        ["--mode", "finetune", "--folds", "1"],
        ["--mode", "finetune", "--loss", "aam", "--head", "cosine"],
    ],
    ids=" ".join,
)
def test_the_figures_are_those_that_training_ended_with(measured, arguments: list[str]) -> None:
    trained, _ = _trained(measured, *arguments)

    found = measured("evaluate", "--json").json

    assert {name: found[name] for name in ("map", "cf1", "of1")} == pytest.approx(
        {name: trained[name] for name in ("map", "cf1", "of1")}, abs=TIE
    )
    assert found["images"] == 45
    assert found["on"] == "validation images"
    assert (found["trained_on"], found["chosen_on"]) == (0, 45)


def test_a_checkpoint_is_measured_without_a_workspace_on_classes_in_another_order(measured, splits, tmp_path) -> None:
    _, checkpoint = _trained(measured, "--mode", "finetune")
    here = measured("evaluate", "--per-class", "--json").json
    moved = tmp_path / "elsewhere" / "model.safetensors"
    moved.parent.mkdir()
    for suffix in (".safetensors", ".json"):
        shutil.copyfile(checkpoint.with_suffix(suffix), moved.with_suffix(suffix))
    names = splits.classes.read_text(encoding="utf-8").split()
    order = np.random.default_rng(0).permutation(len(names))
    (tmp_path / "shuffled.txt").write_text("\n".join(names[k] for k in order) + "\n", encoding="utf-8")
    rank = {int(k): place for place, k in enumerate(order)}
    lines = splits.validation.read_text(encoding="utf-8").splitlines()
    listed = [(name, [rank[int(k)] for k in rest.split()]) for name, _, rest in (line.partition(",") for line in lines)]
    labels = tmp_path / "shuffled_labels.txt"
    labels.write_text("\n".join(f"{name},{' '.join(map(str, ks))}" for name, ks in listed), encoding="utf-8")

    there = measured(
        "evaluate", "--checkpoint", moved, "--labels", labels, "--images", splits.images,
        "--classes", tmp_path / "shuffled.txt", "--per-class", "--json", at=tmp_path / "no workspace",
    )  # fmt: skip

    assert there.code == 0, there.err
    same = ("map", "cf1", "of1", "cf1_top3", "of1_top3", "average_precision", "images")
    assert {name: there.json[name] for name in same} == {name: pytest.approx(here[name], abs=TIE) for name in same}
    assert (there.json["trained_on"], there.json["chosen_on"]) == (None, None)
    assert not (tmp_path / "no workspace").exists()


def test_top_three_and_threshold_are_those_of_the_metrics(measured, splits) -> None:
    from labelmend_app.evaluation import measure, split_of
    from labelmend_core.training.trained import network_from_checkpoint

    _, checkpoint = _trained(measured, "--folds", "2")
    found = measured("evaluate", "--threshold", "0.2", "--json").json
    trained = network_from_checkpoint(checkpoint)
    workspace = Workspace.open(measured.workspace)
    images = split_of(workspace, "validation", 32)
    import torch

    scores = trained(torch.stack([images.pixels[i] for i in range(45)])).numpy()
    again = measure(trained, images, threshold=0.2, batch_size=7)
    workspace.close()
    truth = splits.validation_truth.dense()

    assert found["cf1_top3"] == pytest.approx(cf1_of1_top(truth, scores).cf1)
    assert found["of1_top3_above_threshold"] == pytest.approx(cf1_of1_top(truth, scores, 3, 0.2).of1)
    assert found["of1"] == pytest.approx(evaluate(truth, scores, threshold=0.2).of1)
    assert again.evaluation.of1 == pytest.approx(found["of1"])


def test_it_says_which_images_had_a_part_in_the_training(measured, splits) -> None:
    trained, _ = _trained(measured, "--folds", "2", "--hold-out", "0.3")
    assert trained["chosen_on"] == "held-out training images"

    honest, train = measured("evaluate", "--json").json, measured("evaluate", "--split", "train", "--json").json
    said = measured("evaluate", "--split", "train").out
    by_file = measured(
        "evaluate", "--labels", splits.train, "--images", splits.images, "--classes", splits.classes, "--json"
    ).json

    assert (honest["trained_on"], honest["chosen_on"]) == (0, 0)
    assert (train["trained_on"], train["chosen_on"]) == (90, 0)
    assert "90 of these images were trained on" in said
    assert by_file["trained_on"] == 90
    assert by_file["map"] == pytest.approx(train["map"])


def test_people_see_a_table_with_every_class_when_they_ask(measured) -> None:
    _trained(measured, "--folds", "2")
    plain, table = measured("evaluate").out, measured("evaluate", "--per-class").out

    assert re.search(r"mAP 0\.\d{4} on validation images: 45 images, 10 classes", plain)
    assert "top 3 with p > 0.5" in plain
    assert "The best epoch was chosen on 45 of these images" in plain
    assert "nine" not in plain
    assert re.search(r"^\s*(–|0\.\d{4}|1\.0000) +\d+  nine$", table, re.MULTILINE)


def test_unobserved_cells_are_left_out_on_request(measured, splits) -> None:
    _trained(measured, "--folds", "2")
    wide = measured.folder / "wide.csv"
    measured("noise", splits.validation, wide, "--to", "csv-wide", "--kind", "partial", "--amount", "0.5",
             "--classes", splits.classes)  # fmt: skip
    files = ("--labels", wide, "--images", splits.images)

    read = {
        how: measured("evaluate", *files, "--unobserved", how, "--json").json for how in ("auto", "absent", "left_out")
    }

    assert read["auto"] == read["left_out"]
    assert read["absent"]["unobserved"] == "absent"
    assert read["absent"]["map"] != read["left_out"]["map"]
    assert "of the cells are known" in measured("evaluate", *files).out


def test_unreadable_images_are_left_out_and_named(measured, splits, tmp_path) -> None:
    _trained(measured, "--folds", "2")
    photos = tmp_path / "photos"
    shutil.copytree(splits.images, photos)
    (photos / "validation" / "00003.png").write_text("not an image", encoding="utf-8")
    files = ("--labels", splits.validation, "--images", photos, "--classes", splits.classes)

    found, said = measured("evaluate", *files, "--json").json, measured("evaluate", *files).out

    assert (found["images"], found["unreadable_images"]) == (44, 1)
    assert "validation/00003.png" in said
    for path in (photos / "validation").iterdir():
        path.write_text("not an image", encoding="utf-8")
    refused = measured("evaluate", *files)
    assert refused.code == 2
    assert "none of 45 can" in refused.err


def _refused(done, *words: str) -> None:
    assert done.code == 2, done.err
    assert len(done.err.strip().splitlines()) == 1, done.err
    for word in words:
        assert word in done.err


def test_wrong_options_are_one_sentence(measured, splits) -> None:
    _refused(measured("evaluate"), "labelmend train")
    _refused(measured("evaluate", "--split", "test"), "validation or train")
    _refused(measured("evaluate", "--run", "x", "--checkpoint", "y"), "got both")
    _refused(measured("evaluate", "--run", "never"), "'never'")
    _refused(measured("evaluate", "--labels", splits.train), "--images together")
    _refused(measured("evaluate", "--images", splits.images), "--labels and --images")
    _refused(measured("evaluate", "--classes", splits.classes), "--labels")
    _refused(measured("evaluate", "--checkpoint", "gone.safetensors"), "gone.safetensors", "found none")
    _refused(measured("evaluate", "--checkpoint", splits.train), "other formats can run code")
    _trained(measured, "--folds", "2")
    _refused(measured("evaluate", "--unobserved", "maybe"), "'maybe'")
    _refused(measured("evaluate", "--labels", "no.txt", "--images", splits.images), "no.txt")


def test_a_workspace_without_validation_images_says_what_else_there_is(imported) -> None:
    _trained(imported, "--folds", "2")
    _refused(imported("evaluate"), "found none", "--labels FILE", "--split train")


def test_labels_with_other_classes_than_the_checkpoint_are_refused(measured, splits, tmp_path) -> None:
    _trained(measured, "--folds", "2")
    names = splits.classes.read_text(encoding="utf-8").split()
    files = ("--labels", splits.validation, "--images", splits.images, "--classes", tmp_path / "classes.txt")
    (tmp_path / "classes.txt").write_text("\n".join([*names[:9], "unicorn"]) + "\n", encoding="utf-8")
    _refused(measured("evaluate", *files), "10 classes", "'unicorn'", "not in the checkpoint", "--classes")
    wide = tmp_path / "wide.csv"
    wide.write_text(f"image,{','.join(names[:9])}\nvalidation/00000.png,{'1,' * 8}1\n", encoding="utf-8")
    _refused(measured("evaluate", "--labels", wide, "--images", splits.images), "'nine'", "the checkpoint only")


def test_the_weights_of_a_probe_may_move_and_are_missed_when_they_are_gone(measured, tmp_path) -> None:
    _, network = _trained(measured, "--mode", "finetune")
    weights, moved = tmp_path / "weights.safetensors", tmp_path / "moved.safetensors"
    shutil.copyfile(network, weights)
    trained, _ = _trained(measured, "--folds", "2", "--weights", str(weights))
    weights.rename(moved)

    _refused(measured("evaluate"), "head only", "weights.safetensors", "--weights")
    found = measured("evaluate", "--weights", moved, "--json")

    assert found.code == 0, found.err
    assert found.json["map"] == pytest.approx(trained["map"], abs=TIE), "other weights are far off"
    _refused(measured("evaluate", "--checkpoint", network, "--weights", moved), "fine-tuned")


def test_json_is_one_line_whatever_the_classes_are_called(labelmend, splits, tmp_path) -> None:
    classes = tmp_path / "classes.txt"
    names = ["<img src=x onerror=alert(1)>", "a\"b'c", "[red]x[/red]", "=1+1", *(f"c{i}" for i in range(5)), "نص"]
    classes.write_text("\n".join(names) + "\n", encoding="utf-8")
    labelmend(
        "import", splits.train, "--images", splits.images, "--classes", classes, "--validation", splits.validation
    )
    _trained(labelmend, "--folds", "2")

    done = labelmend("evaluate", "--per-class", "--json")

    assert list(json.loads(done.out.strip().splitlines()[-1])["average_precision"]) == names
    assert "[red]x[/red]" in labelmend("evaluate", "--per-class").out
