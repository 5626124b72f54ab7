"""Training again on what was decided: which settings it keeps, which loss it takes, and what it suggests."""

from datetime import UTC, datetime

import pytest

from labelmend_core import Decision, Verdict
from labelmend_core.types import PRESENT
from labelmend_core.workspace import Workspace

TWO_EPOCHS = ("--epochs", "2")


def answer_some(folder, truth, n: int = 12) -> set[tuple[int, int]]:
    """Answer the likeliest suggestions with the truth and return their cells."""
    from labelmend_core.detection import best_now

    workspace = Workspace.open(folder)
    best, now = best_now(workspace, workspace.queue.latest_run(), n), datetime.now(UTC)
    cells = list(zip(best["image_index"].tolist(), best["class_index"].tolist(), strict=True))
    said = [
        Verdict.PRESENT if truth.values([i], [k])[0] == PRESENT else Verdict.ABSENT  #
        for i, k in cells
    ]
    decisions = [
        Decision("client-1", seq, *cell, verdict, "ann", now)
        for seq, (cell, verdict) in enumerate(zip(cells, said, strict=True), 1)
    ]
    workspace.ledger.append(decisions)
    workspace.close()
    return set(cells)


def runs_of(folder):
    workspace = Workspace.open(folder)
    found = workspace.runs.all()
    workspace.close()
    return found


@pytest.mark.parametrize(("loss", "after"), [("bce", "hill"), ("splc", "splc")])
def test_a_probe_is_repeated_on_the_corrected_labels(imported, scenes, loss: str, after: str) -> None:
    options = ("--loss", loss, "--folds", "3", "--seed", "4", *(("--set", "tau=0.7") if loss == "splc" else ()))
    first = imported("train", *TWO_EPOCHS, *options, "--json").json["run"]
    imported("suggest", "--min-probability", "0.1")
    answered = answer_some(imported.workspace, scenes.truth)
    done = imported("retrain", "--json")
    assert done.code == 0, done.err
    assert (done.json["after"], done.json["status"]) == (first, "done")
    again, before = runs_of(imported.workspace)
    assert (again.run_id, again.labels, again.n_decisions) == (done.json["run"], "corrected", len(answered))
    assert again.loss == after
    effect = done.json["effect"]
    assert (effect["before"], effect["new_decisions"]) == (first, len(answered))
    assert effect["map_after"] is None, "nothing was imported to validate on"
    assert effect["new_suggestions"] <= effect["suggestions"] == done.json["suggestions"] > 0
    for left in (effect["left_before"], effect["left_after"]):
        n, low, high = left["missing"]
        assert low <= n <= high
    assert again.settings["hyperparameters"] == ({"tau": 0.7} if loss == "splc" else {})
    same = ("mode", "backbone", "schedule", "head", "folds", "companions", "planted", "seed")
    assert [again.settings[name] for name in same] == [before.settings[name] for name in same]

    workspace = Workspace.open(imported.workspace)
    suggested = workspace.queue.ranking(again.run_id).probability
    cells = {(s.image, s.class_index) for s in workspace.queue.of_run(again.run_id)}
    assert len(suggested) == done.json["suggestions"] > 0
    assert 0.1 <= suggested.min() < 0.5, "as doubtful as those of the run before"
    assert not cells & answered
    assert workspace.queue.latest_run() == again.run_id
    workspace.close()


def test_a_trained_network_gets_a_new_head_on_its_features(imported, scenes) -> None:
    first = imported("train", "--mode", "finetune", "--epochs", "1", "--loss", "bce", "--json").json["run"]
    imported("suggest", "--min-probability", "0.1")
    answer_some(imported.workspace, scenes.truth)
    assert imported("retrain").code == 0
    again = runs_of(imported.workspace)[0]
    assert (again.mode, again.loss, again.settings["folds"]) == ("probe", "hill", 5)
    assert again.settings["backbone"]["weights"].endswith(f"{first}/model.safetensors")
    assert again.settings["backbone"]["image_size"] == 32
    assert imported("retrain").code == 0, "and so on"
    assert runs_of(imported.workspace)[0].settings == again.settings


def test_without_a_run_it_says_what_to_do(imported) -> None:
    done = imported("retrain")
    assert done.code == 2
    assert "labelmend train" in done.err


def test_status_says_how_likely_the_open_suggestions_are_and_what_the_next_bring(imported, scenes) -> None:
    imported("train", *TWO_EPOCHS, "--folds", "2")
    assert imported("suggest", "--min-probability", "0.1").code == 0
    before = imported("status", "--json").json
    assert list(before["likely"]) == ["90", "75", "50"]
    assert before["likely"]["90"] <= before["likely"]["75"] <= before["likely"]["50"] <= before["open_suggestions"]
    assert list(before["errors_among_next"]) == ["100", "500", "2000"]
    first, *_, last = before["errors_among_next"].values()
    assert 0 < first <= last <= before["open_suggestions"]
    told = imported("status").out
    assert "of all " in told.lower()
    assert "are at least 90 % likely" in told

    workspace = Workspace.open(imported.workspace)
    open_ = workspace.queue.of_run(workspace.queue.latest_run())
    said = [
        Decision("c", n, s.image, s.class_index, Verdict.ABSENT, "ann", datetime.now(UTC))
        for n, s in enumerate(open_[:30], 1)
        if s.kind == "missing"
    ]
    workspace.ledger.append(said)
    workspace.close()
    after = imported("status", "--json").json
    assert after["open_suggestions"] == before["open_suggestions"] - len(said)
    share = [row["errors_among_next"]["2000"] / row["open_suggestions"] for row in (before, after)]
    assert share[1] < share[0], "thirty that were wrong speak against the rest"


@pytest.mark.parametrize("rank", ["0", "1"])
def test_under_a_launcher_it_says_so_instead_of_training_once_a_process(imported, monkeypatch, rank: str) -> None:
    imported("train", *TWO_EPOCHS)
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", rank)
    done = imported("retrain")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "got WORLD_SIZE=2; call 'labelmend retrain' without accelerate launch" in done.err
    assert len(runs_of(imported.workspace)) == 1
