"""The comparison of the papers: it learns, it chooses rates on one half and measures on the other, and goes on."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from labelmend_app.benchmarks import heads, kept, papers
from labelmend_app.benchmarks.arena import Arena, compete, settings_for, with_fewer
from labelmend_app.cli import main
from labelmend_core.errors import InputError
from labelmend_core.models import BackboneSpec
from labelmend_core.training import RunSettings, Schedule
from labelmend_core.types import LabelMatrix

N, V, F, K = 240, 80, 10, 4


def _silent(phase: str, done: int, total: int) -> None:
    assert done <= total


@pytest.fixture
def arena() -> Arena:
    """Return features from which a linear head can learn the classes, with few and with many labels."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(N + V, F)).astype(np.float32)
    truth = (features @ rng.normal(size=(F, K)) > 1).astype(np.int8)
    few = truth[:N] * (rng.random((N, K)) < 0.3)
    return Arena(
        "problem",
        torch.from_numpy(features),
        {"40 %": LabelMatrix.from_dense(few), "75 %": LabelMatrix.from_dense(truth[:N])},
        truth[N:],
        tuple("abcd"),
        RunSettings("probe", "bce", BackboneSpec("resnet18", "random"), Schedule(6, 1e-2, 0.01), batch_size=40),
        (1e-6, 1e-2),
    )


def test_every_loss_gets_its_best_rate_and_a_figure_for_each_seed(arena) -> None:
    rows = list(papers.run(arena, losses=["bce", "splc"], seeds=2, show=_silent))
    assert [(row.noise, row.loss) for row in rows] == [
        ("40 %", "bce"), ("40 %", "splc"), ("75 %", "bce"), ("75 %", "splc")
    ]  # fmt: skip
    for row in rows:
        assert row.lr == 1e-2  # nothing is learned with the other one
        assert len(row.maps) == 2
        assert min(row.maps) > 0.5
    assert rows[2].mean > rows[0].mean  # more labels


def test_only_the_noise_that_is_asked_for(arena) -> None:
    assert list(papers.with_noise(arena, ["75 %"]).labels) == ["75 %"]
    assert list(papers.with_noise(arena, []).labels) == list(arena.labels)
    with pytest.raises(InputError, match="got 'half'"):
        papers.with_noise(arena, ["half"])


def test_one_half_chooses_and_the_other_measures(arena) -> None:
    turned = arena.validation.copy()
    turned[1::2] = 1 - turned[1::2]
    as_it_is = compete(arena, "75 %", settings_for(arena, "bce"))
    found = compete(replace(arena, validation=turned), "75 %", settings_for(arena, "bce"))
    assert found.chosen == as_it_is.chosen
    assert found.measured < as_it_is.measured - 0.2


def test_a_stopped_benchmark_goes_on_where_it_was(arena, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = list(papers.run(arena, losses=["bce"], seeds=2, show=_silent))
    path = tmp_path / "kept.jsonl"
    calls = []

    def stop_at_the_third(phase: str, done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(papers.run(arena, losses=["bce"], seeds=2, show=stop_at_the_third, keep=path))
    assert len(path.read_text().splitlines()) == 3

    def counted(*arguments):
        calls.append(arguments)
        return compete(*arguments)

    monkeypatch.setattr(papers, "compete", counted)
    again = list(papers.run(arena, losses=["bce"], seeds=2, show=_silent, keep=path))
    assert len(calls) == 3
    assert [row.lr for row in again] == [row.lr for row in whole]
    np.testing.assert_allclose([row.maps for row in again], [row.maps for row in whole])


def test_what_other_code_or_other_images_gave_is_measured_anew(arena, tmp_path, monkeypatch) -> None:
    calls = []

    def counted(*arguments):
        calls.append(arguments)
        return compete(*arguments)

    monkeypatch.setattr(papers, "compete", counted)
    one = replace(arena, labels={"75 %": arena.labels["75 %"]}, rates=(1e-2,))
    for made, trainings in [(one, 1), (one, 1), (with_fewer(one, 120), 2)]:
        list(papers.run(made, losses=["bce"], seeds=1, show=_silent, keep=tmp_path / "kept.jsonl"))
        assert len(calls) == trainings
    monkeypatch.setattr(kept, "code_of", lambda packages: "of a later version")
    list(papers.run(one, losses=["bce"], seeds=1, show=_silent, keep=tmp_path / "kept.jsonl"))
    assert len(calls) == 3


def test_fewer_images_are_the_first_ones(arena) -> None:
    fewer = with_fewer(arena, 100)
    assert len(fewer.inputs) == 100 + V
    torch.testing.assert_close(fewer.inputs[:100], arena.inputs[:100])
    torch.testing.assert_close(fewer.inputs[100:], arena.inputs[N:])
    np.testing.assert_array_equal(fewer.labels["40 %"].dense(), arena.labels["40 %"].dense()[:100])
    assert with_fewer(arena, 10_000).labels["40 %"] == arena.labels["40 %"]


def test_each_head_is_trained_with_the_losses_that_it_can_take(arena) -> None:
    few = with_fewer(arena, 64)
    few = replace(few, settings=replace(few.settings, schedule=Schedule(1, 1e-2)))
    tokens = replace(few, inputs=few.inputs[:, None, :].expand(-1, 2, -1).contiguous())
    arenas = {"vectors": few, "tokens": tokens}
    rows = list(heads.run(lambda head: arenas[heads.takes(head)], seeds=2, show=_silent))
    assert [(row.head, row.loss) for row in rows] == [(head, loss) for head, loss, _ in heads.COMPETITORS]
    for row in rows:
        assert row.lr in heads.RATES
        assert len(row.maps) == 2
        assert 0 < min(row.maps) <= max(row.maps) <= 1
        assert row.train_speed > 0
        assert row.predict_speed > 0


@pytest.mark.parametrize("command", ["papers", "heads"])
def test_data_that_is_not_there_is_named(command: str, tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["bench", command, "--data", str(tmp_path)])
    assert ended.value.code == 2
    assert "train_0.75left.txt" in capsys.readouterr().err


def test_the_table_of_digits_is_made_by_one_command(capsys: pytest.CaptureFixture[str], tmp_path) -> None:
    arguments = ["--on", "digits", "--loss", "bce", "--seeds", "1", "--epochs", "1", "--scenes", "150", "--json"]
    with pytest.raises(SystemExit) as ended:
        main(["bench", "papers", "--data", str(tmp_path), *arguments])
    assert not ended.value.code
    out = capsys.readouterr().out.strip().splitlines()
    assert any(line.startswith("| bce | ") for line in out)
    assert {row["noise"] for row in json.loads(out[-1])["rows"]} == {"75 %", "40 %", "single", "mixed"}
