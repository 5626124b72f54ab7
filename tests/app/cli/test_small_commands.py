"""noise, find, report, and what every command must have."""

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer

from labelmend_app.class_counts import class_counts
from labelmend_app.cli import app
from labelmend_app.cli._common import FORMAT_HELP
from labelmend_core.ledger import Status
from labelmend_core.types import Decision, Verdict
from labelmend_core.workspace import Workspace
from labelmend_datasets.formats import FORMATS

TWO_EPOCHS = ("--epochs", "2")


def _commands() -> dict[str, typer.models.CommandInfo]:
    click_group = typer.main.get_command(app)
    return dict(click_group.commands)


@pytest.mark.parametrize("name", sorted(_commands()))
def test_every_command_has_help_with_an_example(name: str) -> None:
    command = _commands()[name]
    leaves = getattr(command, "commands", {name: command})
    for leaf in leaves.values():
        assert leaf.help
        assert "Example: `labelmend " in leaf.help


@pytest.mark.parametrize("name", sorted(set(_commands()) - {"review", "bench"}))
def test_every_command_ends_in_json_when_asked(name: str) -> None:
    command = _commands()[name]
    for leaf in getattr(command, "commands", {name: command}).values():
        assert any("--json" in parameter.opts for parameter in leaf.params)


@pytest.mark.parametrize("kind", ["drop", "single", "spurious"])
def test_noise_is_planted_in_a_copy_and_the_same_for_a_seed(labelmend, scenes, kind: str) -> None:
    paths = [labelmend.folder / name for name in ("one.txt", "two.txt")]
    counts = []
    for path in paths:
        done = labelmend("noise", scenes.labels, path, "--kind", kind, "--classes", scenes.classes, "--json")
        assert done.code == 0, done.err
        counts.append(done.json["changed_cells"])
    assert paths[0].read_bytes() == paths[1].read_bytes()
    noised = FORMATS["list"].read(paths[0], classes=scenes.classes).given_labels
    assert len(scenes.given.changed_cells(noised)[0]) == counts[0] > 0
    assert labelmend("noise", scenes.labels, paths[0]).code == 2


@pytest.mark.parametrize("suffix", [".npy", ".csv", ".parquet"])
def test_find_takes_predictions_in_any_order_of_rows_and_columns(labelmend, scenes, suffix: str) -> None:
    rng = np.random.default_rng(0)
    truth = scenes.truth.dense() == 1
    array = np.where(truth, 0.8, 0.2) + rng.uniform(-0.1, 0.1, truth.shape)
    probs, out = labelmend.folder / f"probs{suffix}", labelmend.folder / "issues.csv"
    names = scenes.classes.read_text(encoding="utf-8").split()
    frame = pd.DataFrame(array, columns=names)
    frame.insert(0, "image", [f"{i:05d}.png" for i in range(len(array))])
    shuffled = frame.sample(frac=1, random_state=1)[["image", *rng.permutation(names)]]
    if suffix == ".npy":
        np.save(probs, array)
    elif suffix == ".csv":
        shuffled.to_csv(probs, index=False)
    else:
        shuffled.to_parquet(probs, index=False)
    done = labelmend(
        "find", "--labels", scenes.labels, "--classes", scenes.classes, "--probs", probs, "--out", out,
        "--min-probability", "0", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    issues = pd.read_csv(out)
    assert done.json["issues"] == len(issues) == truth.size
    dropped = int((truth & (scenes.given.dense() == 0)).sum())
    first = issues[issues["kind"] == "missing"].head(dropped)
    found = [
        truth[int(image[:5]), names.index(name)] for image, name in zip(first["image"], first["class"], strict=True)
    ]
    assert np.mean(found) == 1.0


def test_find_names_what_the_predictions_lack(labelmend, scenes) -> None:
    probs = labelmend.folder / "probs.csv"
    pd.DataFrame({"image": ["00000.png"], "zero": [0.5]}).to_csv(probs, index=False)
    done = labelmend("find", "--labels", scenes.labels, "--classes", scenes.classes, "--probs", probs)
    assert done.code == 2
    assert "9 are not there" in done.err


def test_a_report_is_one_file_with_every_name_escaped(labelmend, scenes) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    classes = labelmend.folder / "classes.txt"
    names = scenes.classes.read_text(encoding="utf-8").split()
    classes.write_text("\n".join([hostile, *names[1:]]) + "\n", encoding="utf-8")
    labelmend("import", scenes.labels, "--images", scenes.images, "--classes", classes)
    labelmend("train", *TWO_EPOCHS, "--folds", "2")
    labelmend("suggest")
    path = labelmend.folder / "report.html"
    assert labelmend("report", "--out", path).code == 0
    page = path.read_text(encoding="utf-8")
    assert hostile not in page
    assert "&lt;img src=x" in page
    assert "hill" in page
    assert "://" not in page

    refused = labelmend("report", "--out", path)
    assert refused.code == 2
    assert "--force" in refused.err
    assert labelmend("report", path, "--force", "--json").json == {"file": str(path), "bytes": path.stat().st_size}
    assert labelmend("report", path, "--out", path).code == 2


def test_export_writes_a_new_table_when_asked(imported, scenes) -> None:
    folder = imported.folder / "out"
    done = imported("export", folder, "--format", "csv", "--json")
    assert done.code == 0, done.err
    assert done.json["format"] == "csv"
    again = FORMATS["csv"].read(folder / "labels_csv.csv", classes=scenes.classes)
    assert again.given_labels == scenes.given
    wrong = imported("export", folder, "--format", "voc")
    assert wrong.code == 2
    assert "csv-wide" in wrong.err


def test_the_help_names_every_format() -> None:
    assert f"{', '.join(FORMATS)}, or auto: told by the content." == FORMAT_HELP


def test_export_makes_a_folder_to_train_on_elsewhere(imported, scenes) -> None:
    folder = imported.folder / "to_train_on"
    done = imported("export", "--training-folder", folder, "--json")
    assert done.json["training_folder"] == str(folder)
    table = pd.read_csv(folder / "train" / "metadata.csv").set_index("file_name")
    assert (table.to_numpy() == scenes.given.dense()).all()
    assert all((folder / "train" / name).is_file() for name in table.index)
    assert imported("export", "--training-folder", folder).code == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--training-folder", "full"], "holds something"),
        (["--training-folder", "new/out"], "Expected --training-folder beside or in new/out"),
        (["--training-folder", "new"], "Expected --training-folder beside or in new/out"),
        (["--training-folder", "free", "--review-tasks", "5"], "run 'labelmend suggest' first"),
    ],
)
def test_an_export_that_is_refused_writes_nothing(imported, monkeypatch, arguments, words) -> None:
    (imported.folder / "full").mkdir()
    (imported.folder / "full" / "thesis.txt").write_text("mine", encoding="utf-8")
    monkeypatch.chdir(imported.folder)
    before = _files(imported.folder)
    refused = imported("export", "new/out", *arguments)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert words in refused.err
    assert _files(imported.folder) == before


def test_status_counts_what_the_overview_does_and_names_the_run_under_review(imported) -> None:
    assert imported("status", "--json").json["latest_run"] is None
    suggested = imported("train", "--epochs", "1", "--folds", "2", "--json").json["run"]
    imported("suggest")
    now = datetime(2026, 3, 1, tzinfo=UTC)
    with closing(Workspace.open(imported.workspace)) as workspace:
        newest = workspace.runs.start(mode="probe", loss="bce", labels="given", n_decisions=0, settings={})
        workspace.runs.finish(newest, Status.STOPPED)
        verdicts = (Verdict.PRESENT, Verdict.UNSURE, Verdict.SKIP)
        workspace.ledger.append([Decision("tab-1", i, i, 0, said, "ann", now) for i, said in enumerate(verdicts, 1)])
        counted = class_counts(workspace)
    status = imported("status", "--json").json
    assert (status["decisions"], status["latest_run"]) == (counted.decisions, counted.run_id) == (2, suggested)
    assert status["newest_run"] == newest
    text = imported("status").out
    assert f"the newest {newest} (stopped)" in text
    assert "2 decisions" in text


def _files(folder: Path) -> list[Path]:
    """Without those that SQLite keeps beside a database that is open."""
    return sorted(path for path in folder.rglob("*") if not path.name.endswith(("-wal", "-shm")))
