"""Every loss trains with every head that gives what it takes; the others are refused before anything is read."""

import itertools

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from labelmend_core.errors import InputError
from labelmend_core.losses import LOSSES
from labelmend_core.models import BackboneSpec
from labelmend_core.models.heads import HEADS
from labelmend_core.training import Recorder, RunSettings, Schedule, Stopped, fit
from labelmend_core.training.assembly import head_of, loss_of, probabilities
from labelmend_core.training.batches import FeatureBatches
from labelmend_core.training.checkpoint import load_state, save_state
from labelmend_core.types import LabelMatrix

N, F, K = 96, 8, 5
PAIRS = [
    (loss, head)
    for loss, head in itertools.product(sorted(LOSSES), HEADS)
    if LOSSES[loss].input_kind in HEADS[head].gives
]


def _settings(loss: str, head: str, **changes) -> RunSettings:
    small = {"ml_decoder": {"width": 16, "heads": 2, "hidden": 32}, "graph": {"width": 8}}.get(head, {})
    return RunSettings(
        "probe",
        loss,
        BackboneSpec("resnet18", "random"),
        Schedule(epochs=changes.pop("epochs", 2), lr=1e-2, **changes),
        head=head,
        head_settings={
            name: value for name, value in small.items() if name in {row.name for row in HEADS[head].settings}
        },
        batch_size=32,
    )


def _problem(head: str) -> tuple[torch.Tensor, LabelMatrix]:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(N, F)).astype(np.float32)
    labels = (features @ rng.normal(size=(F, K)) > 0.5).astype(np.int8)
    labels[rng.random((N, K)) < 0.1] = -1
    tokens = np.repeat(features[:, None], 3, axis=1)
    return torch.from_numpy(tokens if HEADS[head].takes == "tokens" else features), LabelMatrix.from_dense(labels)


def _train(settings: RunSettings, *, stop_after: int | None = None, path=None, state=None):
    inputs, labels = _problem(settings.head)
    targets = torch.from_numpy(labels.dense())
    torch.manual_seed(0)
    head = head_of(settings, F, labels, tuple("abcde"))
    if head.takes == "vectors":
        head.fit_scale(inputs)
    loss, recorder = loss_of(settings, targets), Recorder(targets)

    def on_epoch(reached) -> None:
        if len(reached.history) == stop_after:
            save_state(path, 0, reached)
            raise Stopped

    found = fit(
        head,
        loss,
        FeatureBatches(inputs, targets, torch.arange(N), batch_size=32, seed=0),
        settings.schedule,
        accelerator=Accelerator(),
        recorder=recorder,
        on_epoch=on_epoch,
        state=state,
    )
    return head.eval(), loss, recorder, found, inputs


@pytest.mark.parametrize(("loss", "head"), PAIRS)
def test_a_pair_trains_and_gives_probabilities(loss: str, head: str) -> None:
    network, begun, recorder, state, inputs = _train(_settings(loss, head))
    assert all(np.isfinite(epoch.loss) for epoch in state.history)
    p = probabilities(network, begun, inputs)
    assert p.shape == (N, K)
    assert 0 <= p.min() < p.max() <= 1
    assert np.isfinite(recorder.dynamics().mean).all()
    assert np.isfinite(recorder.gradients()["gradient"]).all()


@pytest.mark.parametrize("loss", [loss for loss in LOSSES if LOSSES[loss].input_kind == "cosines"])
def test_raw_logits_are_refused_where_cosines_are_taken(loss: str) -> None:
    with pytest.raises(InputError, match=r"takes cosines.*cosine, ml_decoder or graph"):
        _settings(loss, "linear")


def test_aam_of_cosines_records_the_p_of_scaled_ones() -> None:
    """The flag of SPLC's rule and the bins of the gradients are in p, not in sigmoid(cosine)."""
    network, begun, recorder, _, inputs = _train(_settings("aam", "cosine"))
    assert recorder.dynamics().last.max() > 0.9
    assert torch.sigmoid(network(inputs)).max() < 0.74  # of the cosine 1
    assert probabilities(network, begun, inputs).max() > 0.9


@pytest.mark.parametrize("loss", sorted(name for name in LOSSES if LOSSES[name].needs_indices))
@pytest.mark.parametrize("sam", [0.0, 0.05])
def test_a_loss_that_remembers_survives_a_stop_to_the_bit(loss: str, sam: float, tmp_path) -> None:
    settings = _settings(loss, "linear", epochs=8, sam=sam)  # past the warm-up of em_apl
    network, whole, _, _, _ = _train(settings)
    with pytest.raises(Stopped):
        _train(settings, stop_after=6, path=tmp_path / "state.safetensors")
    _, saved = load_state(tmp_path / "state.safetensors")
    resumed_network, resumed, _, _, _ = _train(settings, state=saved)
    for name, tensor in {**whole.state_dict(), **network.state_dict()}.items():
        assert torch.equal(tensor, {**resumed.state_dict(), **resumed_network.state_dict()}[name]), name


def test_what_a_loss_learns_is_trained_with_the_network() -> None:
    settings = _settings("role", "linear", epochs=4)
    _, labels = _problem("linear")
    before = loss_of(settings, torch.from_numpy(labels.dense())).estimate.detach().clone()
    _, loss, _, _, _ = _train(settings)
    assert not torch.equal(loss.estimate, before)


def test_pu_mlc_trains_with_its_mixup_regulariser() -> None:
    plain, mixed = (_settings("pu_mlc", "linear") for _ in range(2))
    mixed.hyperparameters.update({"mixup": 1.0})
    weights = [_train(settings)[0].state_dict()["linear.weight"] for settings in (plain, mixed, mixed)]
    assert not torch.equal(weights[0], weights[1])
    assert torch.equal(weights[1], weights[2])
