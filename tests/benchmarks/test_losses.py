"""The transcriptions are the losses that they are measured against, and the benchmark measures all of them."""

import pytest
import torch

from labelmend_app.benchmarks import losses as benchmark
from labelmend_app.benchmarks.transcriptions import TRANSCRIPTIONS
from labelmend_core.losses import LOSSES


def test_every_loss_has_its_transcription() -> None:
    assert set(TRANSCRIPTIONS) == set(LOSSES)


@pytest.mark.parametrize("name", sorted(TRANSCRIPTIONS))
def test_a_transcription_is_the_same_loss(name) -> None:
    rng = torch.Generator().manual_seed(6)
    targets = (torch.rand(32, 20, generator=rng) < 0.2).double()
    logits = (2 * torch.randn(32, 20, generator=rng, dtype=torch.float64) - 1 + targets).requires_grad_()
    logits, targets = benchmark.suited(name, logits, targets)
    ours = benchmark.begun(name, targets)(logits, targets)
    theirs = TRANSCRIPTIONS[name](logits, targets)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(*(torch.autograd.grad(value, logits)[0] for value in (ours, theirs)))


def test_the_benchmark_measures_every_loss_at_every_shape(monkeypatch) -> None:
    monkeypatch.setattr(benchmark, "SHAPES", ((4, 3), (8, 5)))
    rows = list(benchmark.run(repeats=1))
    assert [(row.images, row.classes, row.loss) for row in rows] == [
        (*shape, name) for shape in benchmark.SHAPES for name in sorted(LOSSES)
    ]
    assert all(row.bce > 0 and row.ours > 0 and row.transcribed > 0 and row.compiled is None for row in rows)
    # A forward and backward holds the gradient at least, and the transcription several intermediate results.
    assert all(row.memory >= 4 * row.images * row.classes for row in rows)
    assert all(row.memory_transcribed >= 8 * row.images * row.classes for row in rows)
