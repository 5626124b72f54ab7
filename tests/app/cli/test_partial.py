"""Partial labels through the whole loop: planted, imported, trained on, measured, exported."""

from datetime import UTC, datetime

import numpy as np
import pytest

from labelmend_core import Decision, Verdict
from labelmend_core.workspace import Workspace
from labelmend_datasets.formats import FORMATS
from labelmend_datasets.noise import partial_labels

TWO_EPOCHS = ("--epochs", "2", "--folds", "2")
TABLES = [name for name, form in FORMATS.items() if form.create is not None]


def _planted(labelmend, source, classes, known: str, to: str = "csv-wide"):
    path = labelmend.folder / f"{source.stem}_{known}_{to}.csv"
    done = labelmend(
        "noise", source, path, "--to", to, "--classes", classes, "--kind", "partial", "--amount", known, "--json"
    )
    assert done.code == 0, done.err
    return path, done.json


@pytest.mark.parametrize("to", TABLES)
@pytest.mark.parametrize("known", ["0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9"])
def test_labels_are_imported_as_they_were_planted(labelmend, splits, known: str, to: str) -> None:
    expected = partial_labels(splits.train_truth, float(known), np.random.default_rng(0)).labels
    path, planted = _planted(labelmend, splits.train, splits.classes, known, to)

    done = labelmend("import", path, "--images", splits.images, "--classes", splits.classes, "--json")

    assert done.code == 0, done.err
    workspace = Workspace.open(labelmend.workspace)
    assert workspace.dataset.given_labels == expected
    workspace.close()
    negatives = int(expected.negatives_per_class().sum())
    assert negatives > 0
    assert [one["verified_negatives"] for one in (planted, done.json)] == [negatives, negatives]
    assert planted["known"] == done.json["known"] == expected.n_observed / 900
    assert planted["changed_cells"] == len(splits.train_truth.changed_cells(expected)[0])
    assert done.json["unobserved"] == "left_out"


@pytest.mark.parametrize(
    ("loss", "hyperparameters"),
    [("bce", ["--set", "unobserved_weight=0"]), ("csl", []), ("csl", ["--set", "mode=ignore"]), ("em", [])],
)
def test_partial_labels_are_trained_on_and_measured_against_complete_and_partial_ones(
    labelmend, splits, loss: str, hyperparameters: list[str]
) -> None:
    path, _ = _planted(labelmend, splits.train, splits.classes, "0.5")
    partial, _ = _planted(labelmend, splits.validation, splits.classes, "0.5")
    # The formats differ: a table of partial labels, and a list of complete ones to measure on.
    done = labelmend(
        "import", path, "--images", splits.images, "--classes", splits.classes, "--validation", splits.validation
    )
    assert done.code == 0, done.err
    assert labelmend("train", "--loss", loss, *hyperparameters, *TWO_EPOCHS).code == 0

    complete = labelmend("evaluate", "--json").json
    left_out = labelmend("evaluate", "--labels", partial, "--images", splits.images, "--json").json

    assert complete["unobserved"] == "absent"
    assert complete["left_out"] == []
    assert left_out["unobserved"] == "left_out"
    assert left_out["known"] == pytest.approx(0.5, abs=0.08)
    assert left_out["map"] != complete["map"]


@pytest.mark.parametrize("unobserved", ["auto", "absent"])
def test_training_and_evaluation_read_partial_validation_labels_alike(labelmend, splits, unobserved: str) -> None:
    tables = [_planted(labelmend, one, splits.classes, "0.5")[0] for one in (splits.train, splits.validation)]
    labelmend("import", tables[0], "--images", splits.images, "--validation", tables[1])

    trained = labelmend("train", "--loss", "csl", *TWO_EPOCHS, "--unobserved", unobserved, "--json").json
    found = labelmend("evaluate", "--json").json

    assert found["unobserved"] == ("left_out" if unobserved == "auto" else "absent")
    assert [found[name] for name in ("map", "cf1", "of1")] == pytest.approx(
        [trained[name] for name in ("map", "cf1", "of1")],
        abs=5e-3,  # two p that differ in the last bit may change places
    )


@pytest.mark.parametrize(
    ("arguments", "apart"),
    [(["bce"], False), (["bce", "--set", "unobserved_weight=0"], True), (["csl"], True), (["em"], True)],
)
def test_a_loss_that_tells_verified_negatives_from_unknown_cells_learns_something_else_from_them(
    labelmend, splits, arguments: list[str], apart: bool
) -> None:
    path, _ = _planted(labelmend, splits.train, splits.classes, "0.5")
    text = path.read_text(encoding="utf-8")
    models = []
    for name, content in (("verified", text), ("unknown", text.replace("-1", ""))):
        table, at = labelmend.folder / f"{name}.csv", labelmend.folder / name
        table.write_text(content, encoding="utf-8")
        assert labelmend("import", table, "--images", splits.images, at=at).code == 0
        trained = labelmend("train", "--loss", *arguments, *TWO_EPOCHS, "--json", at=at).json
        models.append((at / "runs" / trained["run"] / "model.safetensors").read_bytes())
    assert (models[0] != models[1]) is apart


@pytest.mark.parametrize("header", [None, "image,label"])
def test_noise_refuses_a_format_that_would_lose_the_verified_negatives(labelmend, splits, header) -> None:
    source, out = splits.train, labelmend.folder / "partial"
    if header is not None:
        source = labelmend.folder / "labels.csv"
        source.write_text(f"{header}\ntrain/00000.png,zero\ntrain/00001.png,one\n", encoding="utf-8")
    done = labelmend("noise", source, out, "--kind", "partial", "--amount", "0.9", "--classes", splits.classes)
    assert done.code == 2
    assert len(done.err.strip().splitlines()) == 1
    assert "verified negatives" in done.err
    assert "--to csv-wide" in done.err
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--kind", "partial", "--to", "list"], "csv or csv-wide"),
        (["--kind", "partial", "--to", "csv", "--unobserved", "maybe"], "auto, absent, left_out"),
        (["--kind", "drop", "--unobserved", "absent"], "nothing about unobserved cells"),
        (["--kind", "partial", "--to", "csv", "--amount", "30"], "is it a percentage?"),
    ],
)
def test_wrong_options_of_noise_are_one_sentence(labelmend, splits, arguments: list[str], word: str) -> None:
    out = labelmend.folder / "out.csv"
    done = labelmend("noise", splits.train, out, "--classes", splits.classes, *arguments)
    assert done.code == 2
    assert len(done.err.strip().splitlines()) == 1
    assert word in done.err
    assert not out.exists()


def test_partial_labels_keep_their_format_where_it_holds_them(labelmend, splits) -> None:
    path, _ = _planted(labelmend, splits.train, splits.classes, "0.8", "csv")
    again = labelmend.folder / "again.csv"

    done = labelmend(
        "noise", path, again, "--kind", "partial", "--amount", "0.5", "--classes", splits.classes, "--json"
    )

    assert done.code == 0, done.err
    assert done.json["format"] == "csv"
    before, after = (FORMATS["csv"].read(one, classes=splits.classes).given_labels.dense() for one in (path, again))
    assert ((after == before) | (after == 0)).all()
    assert 0 < (after != 0).sum() < (before != 0).sum()


@pytest.mark.parametrize(("table", "lost"), [("csv-wide", 0), (None, 1)])
def test_export_says_how_many_verified_negatives_the_annotations_cannot_hold(labelmend, splits, table, lost) -> None:
    source = splits.train if table is None else _planted(labelmend, splits.train, splits.classes, "0.5", table)[0]
    labelmend("import", source, "--images", splits.images, "--classes", splits.classes)
    workspace = Workspace.open(labelmend.workspace)
    image, k = np.argwhere(workspace.dataset.given_labels.dense() == 0)[0].tolist()
    workspace.ledger.append([Decision("test", 1, image, k, Verdict.ABSENT, "ann", datetime.now(UTC))])
    workspace.close()

    done = labelmend("export", labelmend.folder / "corrected", "--json")
    said = labelmend("export", labelmend.folder / "again").out

    assert done.json["changed_labels"] == 1
    assert done.json["verified_negatives_not_in_annotations"] == lost
    assert ("labelmend_changes.csv only" in said) is bool(lost)
