"""The form of a run, and what is shown while one runs, after it ended and when it failed."""

import importlib.util
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from labelmend_app.jobs import job_queue, jobs
from labelmend_app.screens import _train_form
from labelmend_app.screens._curves import training_curves
from labelmend_app.screens._train_form import Choices
from labelmend_core.ledger import Status
from labelmend_core.losses import LOSSES
from labelmend_core.models.heads import HEADS
from labelmend_core.trackers import TRACKERS
from labelmend_core.types import Verdict


def command(page):
    """What the form would run, without the name and the workspace."""
    (line,) = [block.value for block in page.code if block.value.startswith("labelmend train")]
    return line.split()[4:]


def button(page, label):
    return next(b for b in page.button if b.label == label)


def test_a_new_workspace_offers_a_probe_on_the_given_labels(open_screen):
    page = open_screen("train")
    assert "Nothing was trained so far" in page.info[0].value
    assert command(page)[:6] == ["--mode", "probe", "--loss", "hill", "--labels", "given"]
    assert not button(page, "Start training").disabled


def test_after_a_decision_the_corrected_labels_are_offered(open_screen, decide):
    decide(0, 1, Verdict.PRESENT)
    assert open_screen("train").radio(key="labels").value == "corrected"


def test_the_address_fills_the_form(open_screen):
    page = open_screen(
        "train",
        mode="Fine-tune",
        loss="splc",
        backbone="resnet18",
        weights="random",
        image_size="64",
        lr="0.002",
        **{"train.splc.tau": "0.7", "finetune.epochs": "3"},
    )
    options = command(page)
    for pair in (
        ["--mode", "finetune"],
        ["--loss", "splc"],
        ["--set", "tau=0.7"],
        ["--backbone", "resnet18"],
        ["--weights", "random"],
        ["--image-size", "64"],
        ["--epochs", "3"],
        ["--lr", "0.002"],
    ):
        assert pair in [options[i : i + 2] for i in range(len(options))]


def test_the_form_is_filled_in_as_the_run_before(open_screen, make_run):
    make_run(epochs=3)
    page = open_screen("train")
    options = command(page)
    assert page.slider(key="train.splc.tau").value == 0.7
    assert options[options.index("--backbone") + 1] == "resnet18"
    assert options[options.index("--image-size") + 1] == "64"
    assert options[options.index("--epochs") + 1] == "3"


@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_each_loss_has_its_own_fields(open_screen, loss):
    page = open_screen("train", loss=loss)
    widgets = (*page.slider, *page.number_input, *page.toggle, *page.selectbox)
    fields = {w.key for w in widgets if w.key.startswith("train.")}
    assert fields == {f"train.{loss}.{row.name}" for row in LOSSES[loss].hyperparameters}
    assert "--set" not in command(page)  # defaults are left to the command


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"weights": "/nowhere/model.safetensors"}, "no file at the path"),
        ({"backbone": " "}, "Name a backbone"),
        ({"backbone_arguments": "pad_type"}, "name=value"),
        ({"loss": "aam"}, "takes cosines"),
    ],
)
def test_what_cannot_work_is_told_before_the_start(open_screen, query, told):
    page = open_screen("train", **query)
    assert told in page.warning[0].value
    assert button(page, "Start training").disabled


def test_every_choice_becomes_an_option():
    choices = Choices(
        "probe", "asl", "given", "resnet18", "graph", {"clip": 0.1}, "pad_type=same a=b", "w.safetensors", 96,
        pixel_mean=0.5, pixel_std=0.25, epochs=2, folds=3, planted=0.2, hold_out=0.3, lr=1e-05, batch_size=8, seed=0,
        track="mlflow",
    )  # fmt: skip
    assert " ".join(choices.arguments()[8:]) == (
        "--head graph --set clip=0.1 --backbone-arg pad_type=same --backbone-arg a=b --weights w.safetensors "
        "--image-size 96 --pixel-mean 0.5 --pixel-std 0.25 --epochs 2 --folds 3 --planted 0.2 --hold-out 0.3 "
        "--lr 1e-05 --batch-size 8 --seed 0 --track mlflow"
    )


@pytest.mark.parametrize("name", sorted(TRACKERS))
def test_a_tracker_is_chosen_and_what_it_lacks_is_told(open_screen, monkeypatch, name):
    find = importlib.util.find_spec
    there = object()
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: there if module in TRACKERS[name] else find(module))
    shown = _train_form._TRACKERS[name]
    page = open_screen("train", track=shown)
    assert command(page)[-2:] == ["--track", name]
    assert not button(page, "Start training").disabled
    there = None
    page.run()
    assert f"{shown} is not installed" in page.warning[0].value
    assert f"labelmend[{name}]" in page.warning[0].value
    assert button(page, "Start training").disabled


def test_the_form_offers_every_tracker():
    assert set(_train_form._TRACKERS) - {""} == set(TRACKERS)


def test_the_form_offers_every_head():
    assert set(_train_form.HEADS) == set(HEADS)


def test_a_running_training_is_shown_and_asked_to_stop(open_screen, workspace, make_run, charts):
    run_id = make_run(status=Status.RUNNING)
    folder = workspace.run_folder(run_id)
    record = {"phase": "training", "done": 30, "total": 120, "eta_seconds": 75.2}
    (folder / "progress.json").write_text(json.dumps(record))
    page = open_screen("train")
    progress = page.get("progress")[0].proto
    assert (progress.value, progress.text) == (
        25,
        "training: 30 of 120 steps (25%), about 1 min 15 s left",
    )
    assert charts(page)[0]["layout"]["title"]["text"] == "Training loss"
    assert not [b for b in page.button if b.label == "Start training"]
    button(page, "Stop").click().run()
    assert (folder / "stop").exists()
    assert any("Stopping" in text.value for text in page.text)


def test_while_one_runs_the_next_are_lined_up_moved_and_taken_out(open_screen, workspace, make_run):
    make_run(status=Status.RUNNING)
    page = open_screen("train", loss="splc")
    button(page, "Add to the queue").click().run()
    job_queue.add(workspace, ["--seed", "<b>7</b>"])
    page.run()
    assert any("2 jobs wait" in text.value for text in page.text)
    (told,) = [text.value for text in page.text if text.value.startswith("2.")]
    assert told == "2. train --seed '<b>7</b>'"
    [b for b in page.button if b.label == "Up"][1].click().run()
    assert job_queue.waiting(workspace)[0].arguments == ("--seed", "<b>7</b>")
    next(b for b in page.button if b.label == "Remove").click().run()
    (left,) = job_queue.waiting(workspace)
    assert left.arguments[:4] == ("--mode", "probe", "--loss", "splc")


def test_a_page_that_names_no_run_goes_on_to_the_newest(open_screen, make_run):
    def shown(page):
        return next(box.value for box in page.selectbox if box.label == "Run")

    first = make_run()
    page = open_screen("train")
    assert shown(page) == first
    newest = make_run()
    page.run()
    assert shown(page) == newest
    next(box for box in page.selectbox if box.label == "Run").set_value(first).run()
    make_run()
    page.run()
    assert shown(page) == first, "a run that somebody chose stays, by the address"


def test_the_gradient_of_the_newest_epoch_has_a_line_for_each_group(open_screen, make_run, charts):
    make_run(epochs=2)
    titles = [chart["layout"]["title"]["text"] for chart in charts(open_screen("train"))]
    assert titles == ["Training loss", "Quality on validation images", "Gradient by probability, epoch 2", "Speed"]
    (gradient,) = [chart for chart in charts(open_screen("train")) if "Gradient" in chart["layout"]["title"]["text"]]
    assert [(line["name"], line["y"]) for line in gradient["data"]] == [
        ("given", [1.1, 1.2]),
        ("unobserved", [1.1, 1.2]),
    ]


def test_a_stopped_run_can_be_resumed_and_a_finished_one_searched(open_screen, make_run, suggest):
    make_run(status=Status.STOPPED)
    assert button(open_screen("train"), "Resume")
    done = make_run()
    assert button(open_screen("train"), "Find suspicious labels")
    suggest(done)
    assert button(open_screen("train"), "Find suspicious labels again")


def test_a_training_that_failed_shows_its_last_words_as_text(open_screen, workspace):
    folder = workspace.folder / "jobs"
    folder.mkdir()
    (folder / "20260101-000000-0.log").write_text("loading\nlabelmend: Expected **a.png** to be <b>an image</b>\n")
    record = {
        "command": "train",
        "arguments": [],
        "pid": 2**22,  # above the highest pid of Linux
        "process_started": 0.0,
        "started_at": "2026-01-01T00:00:00+00:00",
        "ended_at": "2026-01-01T00:00:05+00:00",
        "exit_code": 2,
    }
    (folder / "20260101-000000-0.json").write_text(json.dumps(record))
    assert jobs.failed(jobs.latest(workspace.folder), None)
    page = open_screen("train")
    assert "failed" in page.error[0].value
    assert page.code[0].value == "labelmend: Expected **a.png** to be <b>an image</b>"
    assert "**a.png**" not in page.error[0].value


def test_curves_have_a_panel_for_loss_quality_and_speed():
    metrics = pd.DataFrame(
        {"epoch": [0, 1], "loss": [2.0, 1.0], "map": [0.1, 0.2], "cf1": 0.1, "of1": 0.1, "images_per_second": 9.0}
    )
    loss, quality, speed = training_curves(metrics)
    assert (list(loss.data[0].x), list(loss.data[0].y)) == ([1, 2], [2.0, 1.0])
    assert [line.name for line in quality.data] == ["mAP", "CF1", "OF1"]
    assert speed.layout.yaxis.title.text == "images/s"
    without = metrics.assign(map=np.nan, cf1=np.nan, of1=np.nan)
    assert [figure.layout.title.text for figure in training_curves(without)] == ["Training loss", "Speed"]


def test_torch_stays_out_of_every_screen_but_the_loss_curves(workspace, make_run):
    make_run()
    script = """
import sys
from pathlib import Path
from streamlit.testing.v1 import AppTest
def page(folder, screen):
    import importlib
    from pathlib import Path
    from labelmend_core.workspace import Workspace
    importlib.import_module(f"labelmend_app.screens.{screen}").render(Workspace.open(Path(folder)))
for screen in ("overview", "train", "runs"):
    shown = AppTest.from_function(page, args=(sys.argv[1], screen), default_timeout=600).run()
    assert not shown.exception and shown.title, (screen, shown.exception)
    assert "torch" not in sys.modules, screen
print("free of torch")
"""
    # From a file, because AppTest reads the source of `page`.
    file = workspace.folder.parent / "screens.py"
    file.write_text(script)
    done = subprocess.run(
        [sys.executable, str(file), str(workspace.folder)], capture_output=True, text=True, timeout=900, check=False
    )
    assert done.stdout == "free of torch\n", done.stderr
