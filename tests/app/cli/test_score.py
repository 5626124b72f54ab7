"""`labelmend score`: shards from anywhere make one folder, which `labelmend find` reads."""

from pathlib import Path

import numpy as np
import pytest

from labelmend_app import scoring
from labelmend_core.top_scores import TopScores
from labelmend_core.training.trained import network_from_checkpoint
from labelmend_datasets.images import ImageTensors


@pytest.fixture
def checkpoint(labelmend, scenes) -> Path:
    labelmend("import", scenes.labels, "--images", scenes.images, "--classes", scenes.classes)
    done = labelmend("train", "--mode", "finetune", "--epochs", "1", "--folds", "1", "--json")
    assert done.code == 0, done.err
    return labelmend.workspace / "runs" / done.json["run"] / "model.safetensors"


def test_shards_merge_into_what_find_reads(
    labelmend, scenes, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "BLOCK", 16)
    out, n = tmp_path / "scores", scenes.given.shape[0]
    annotations = ("--labels", scenes.labels, "--classes", scenes.classes)
    assert labelmend("score", "--shard", "2/2", "--out", out, "--top", "4").code == 0
    refused = labelmend("score", "--merge", "--out", out)
    assert refused.code == 2
    assert "in no block" in refused.err
    # The other shard as if on another machine, without the workspace; killed once: a block of it is gone.
    shard = ("score", "--shard", "1/2", "--out", out, "--top", "4", "--checkpoint", checkpoint, *annotations)
    first = labelmend(*shard, "--images", scenes.images, "--json").json["scored"]
    assert first == n // 2
    sorted(out.glob("images-*"))[0].unlink()
    assert labelmend(*shard, "--images", scenes.images, "--json").json["scored"] == 16

    merged = labelmend("score", "--merge", "--out", out, "--json").json

    assert merged["images"] == n
    classes, p = TopScores.open(out).row(3)
    assert set(scenes.given.positives(3).tolist()) <= set(classes.tolist())
    network = network_from_checkpoint(checkpoint)
    image = ImageTensors([sorted(scenes.images.glob("*"))[3]], network.settings.backbone.image_size)[0]
    np.testing.assert_allclose(p.astype(float), network(image[None])[0].numpy()[classes], atol=2e-3)
    issues = labelmend("find", *annotations, "--probs", out, "--out", tmp_path / "issues.csv", "--json")
    assert issues.code == 0, issues.err


def test_scores_of_another_network_are_not_mixed(labelmend, checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "scores"
    assert labelmend("score", "--shard", "1/2", "--out", out).code == 0
    labelmend("train", "--mode", "finetune", "--epochs", "1", "--folds", "1", "--seed", "1")
    refused = labelmend("score", "--shard", "2/2", "--out", out)
    assert refused.code == 2
    assert "same network" in refused.err


@pytest.mark.parametrize(
    "shard", ["0/2", "3/2", "1", "1/", "a/b", "-1/2", "1/" + "9" * 5000], ids=lambda shard: shard[:4]
)
def test_what_is_no_shard_is_refused(labelmend, tmp_path: Path, shard: str) -> None:
    refused = labelmend("score", "--shard", shard, "--out", tmp_path / "scores")
    assert refused.code == 2
    assert "Expected a shard such as 1/8" in refused.err


def test_classes_of_nothing_are_refused(labelmend, scenes, checkpoint: Path, tmp_path: Path) -> None:
    refused = labelmend("score", "--shard", "1/2", "--out", tmp_path / "scores", "--classes", scenes.classes)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "Expected --classes with --labels" in refused.err
    assert not (tmp_path / "scores").exists()
