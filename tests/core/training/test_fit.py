"""The loop on a problem that a head can learn, and its resuming."""

import numpy as np
import pandas as pd
import pytest
import torch
from accelerate import Accelerator

from labelmend_core.curves import loss_curve
from labelmend_core.errors import LabelmendError
from labelmend_core.losses import build_loss
from labelmend_core.metrics import Evaluation, evaluate
from labelmend_core.models import LinearHead
from labelmend_core.models.heads import build_head
from labelmend_core.training import FitState, Recorder, Schedule, Stopped, fit
from labelmend_core.training.batches import FeatureBatches
from labelmend_core.training.checkpoint import load_state, save_state
from labelmend_core.types import LabelMatrix

N, F, K = 300, 12, 4


def _problem(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(N, F, generator=generator)
    targets = (features @ torch.randn(F, K, generator=generator) > 1).to(torch.int8)
    return features, targets


def _head(features: torch.Tensor, targets: torch.Tensor) -> LinearHead:
    torch.manual_seed(0)
    head = LinearHead(F, (targets == 1).float().mean(dim=0))
    head.fit_scale(features)
    return head


def _measure(features: torch.Tensor, targets: torch.Tensor):
    def measure(network: torch.nn.Module) -> Evaluation:
        with torch.no_grad():
            return evaluate(targets.numpy(), network(features).sigmoid().numpy())

    return measure


def _fit(epochs: int = 6, *, stop_after: int | None = None, state: FitState | None = None, **settings):
    features, targets = _problem()
    head, recorder = _head(features, targets), Recorder(targets)
    batches = FeatureBatches(features, targets, torch.arange(N), batch_size=64, seed=1)

    def on_epoch(reached: FitState) -> None:
        if len(reached.history) == stop_after:
            save_state(settings["path"], 0, reached)
            raise Stopped

    found = fit(
        head,
        build_loss("splc"),
        batches,
        Schedule(epochs=epochs, lr=1e-2, ema_decay=settings.get("ema_decay"), sam=settings.get("sam", 0.0)),
        accelerator=settings.get("accelerator", Accelerator()),
        recorder=recorder,
        evaluate=_measure(features, targets) if settings.get("measured", True) else None,
        on_epoch=on_epoch,
        state=state,
        accumulate=settings.get("accumulate", 1),
        compiled=settings.get("compiled", False),
    )
    return head, recorder, found


def test_a_head_learns_and_every_epoch_is_in_the_history() -> None:
    _, recorder, state = _fit()
    assert [epoch.epoch for epoch in state.history] == list(range(6))
    assert state.history[-1].evaluation.mean_average_precision > 0.9
    assert (np.isfinite(recorder.dynamics().mean)).all()
    assert all(0 <= epoch.recorder_share < 1 for epoch in state.history)


def test_the_network_keeps_its_best_weights() -> None:
    features, targets = _problem()
    head, _, state = _fit()
    best = max(epoch.evaluation.mean_average_precision for epoch in state.history)
    assert _measure(features, targets)(head).mean_average_precision == pytest.approx(best)
    assert state.history[state.best_epoch].evaluation.mean_average_precision == best


def test_without_validation_the_last_weights_are_kept() -> None:
    _, _, state = _fit(measured=False)
    assert state.best_epoch == 5


@pytest.mark.parametrize("settings", [{}, {"ema_decay": 0.9}, {"sam": 0.05}], ids=str)
def test_a_stopped_fit_goes_on_to_the_same_bits(tmp_path, settings: dict[str, float]) -> None:
    path = tmp_path / "state.safetensors"
    head, recorder, state = _fit(**settings)
    with pytest.raises(Stopped):
        _fit(stop_after=2, path=path, **settings)
    part, saved = load_state(path)
    assert part == 0
    resumed, watched, again = _fit(state=saved, **settings)
    for name, tensor in head.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name
    np.testing.assert_array_equal(recorder.dynamics().mean, watched.dynamics().mean)
    np.testing.assert_array_equal(recorder.dynamics().flips, watched.dynamics().flips)
    assert recorder.gradients().equals(watched.gradients())
    assert [epoch.loss for epoch in state.history] == [epoch.loss for epoch in again.history]


@pytest.mark.parametrize("settings", [{}, {"ema_decay": 0.9}, {"sam": 0.05}], ids=str)
@pytest.mark.parametrize("parts", [3, 100])
def test_a_batch_in_parts_makes_the_same_step(parts: int, settings: dict[str, float]) -> None:
    head, recorder, _ = _fit(2, **settings)
    in_parts, watched, _ = _fit(2, accumulate=parts, **settings)
    torch.testing.assert_close(in_parts.state_dict(), head.state_dict(), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(recorder.dynamics().mean, watched.dynamics().mean, atol=1e-5)
    pd.testing.assert_frame_equal(recorder.gradients(), watched.gradients(), rtol=1e-4, atol=1e-6)


def test_a_compiled_network_learns_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    # All of torch.compile but the C++ compiler, which takes half a minute and once aborted the whole process.
    asked, compile_ = [], torch.compile
    monkeypatch.setattr(
        torch, "compile", lambda network: asked.append(network) or compile_(network, backend="aot_eager")
    )
    plain, _, expected = _fit(2)
    compiled, recorder, found = _fit(2, compiled=True)
    assert [epoch.loss for epoch in found.history] == pytest.approx([epoch.loss for epoch in expected.history], 1e-5)
    assert asked == [compiled]
    assert set(compiled.state_dict()) == set(plain.state_dict()), "what is kept is loaded without compiling"
    for name, tensor in plain.state_dict().items():
        torch.testing.assert_close(compiled.state_dict()[name], tensor, rtol=1e-4, atol=1e-5)
    assert np.isfinite(recorder.dynamics().mean).all()


def test_training_ends_when_patience_runs_out() -> None:
    features, targets = _problem()
    never_better = evaluate(targets.numpy(), np.full((N, K), 0.5))
    batches = FeatureBatches(features, targets, torch.arange(N), batch_size=64, seed=1)
    head = _head(features, targets)
    schedule = Schedule(epochs=40, lr=1e-2, patience=3)
    state = fit(
        head, build_loss("bce"), batches, schedule, accelerator=Accelerator(), evaluate=lambda network: never_better
    )
    assert len(state.history) == 4
    assert state.best_epoch == 0


@pytest.mark.parametrize("epochs", [1, 2])
def test_a_run_of_one_batch_trains(epochs: int) -> None:
    features, targets = _problem()
    batches = FeatureBatches(features, targets, torch.arange(10), batch_size=64, seed=1)
    head = _head(features, targets)
    before = head.linear.weight.clone()
    fit(head, build_loss("bce"), batches, Schedule(epochs=epochs, lr=1e-2), accelerator=Accelerator())
    assert not torch.equal(before, head.linear.weight)


def test_every_image_is_shown_once_an_epoch_in_an_order_of_its_own() -> None:
    features, targets = _problem()
    batches = FeatureBatches(features, targets, torch.arange(0, N, 2), batch_size=64, seed=1)
    orders = [torch.cat([indices for _, _, indices in batches.epoch(epoch)]) for epoch in (0, 1, 0)]
    assert sorted(orders[0].tolist()) == list(range(0, N, 2))
    assert orders[0].tolist() != orders[1].tolist()
    assert orders[0].tolist() == orders[2].tolist()
    assert len(batches) == len(list(batches.epoch(0)))


def test_a_loss_that_explodes_says_what_to_do() -> None:
    features, targets = _problem()
    head = _head(features * torch.nan, targets)
    batches = FeatureBatches(features * torch.nan, targets, torch.arange(N), batch_size=64, seed=1)
    with pytest.raises(LabelmendError, match=r"finite loss.*lower --lr"):
        fit(head, build_loss("bce"), batches, Schedule(epochs=1, lr=1e-2), accelerator=Accelerator())


def test_gradients_of_a_loss_of_cosines_are_recorded_as_those_of_the_logits() -> None:
    features, targets = _problem()
    head = build_head("cosine", F, LabelMatrix.from_dense(targets.numpy()), outputs="cosines")
    recorder = Recorder(targets)
    loss, batches = build_loss("aam"), FeatureBatches(features, targets, torch.arange(N), batch_size=64, seed=1)
    fit(head, loss, batches, Schedule(epochs=1, lr=1e-2), accelerator=Accelerator(), recorder=recorder)
    measured = recorder.gradients()
    for group, target in (("positive", 1), ("unobserved", 0)):
        rows = measured[measured["group"] == group]
        assert len(rows) > 0
        for row in rows.itertuples():
            edges = [max(row.p_low, 1e-9), min(row.p_high, 1 - 1e-9)]
            low, high = sorted(loss_curve("aam", target, pred_probs=edges)["gradient"])
            assert low - 1e-6 <= row.gradient <= high + 1e-6
