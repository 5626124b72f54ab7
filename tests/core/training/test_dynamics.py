"""The recorder against a loop that a person can check."""

import numpy as np
import pytest
import torch

from labelmend_core.errors import InputError
from labelmend_core.training import Recorder
from labelmend_core.training.dynamics import GROUPS, N_BINS

TAU = 0.6


def _epochs(n: int = 9, k: int = 4, epochs: int = 5) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    given = torch.randint(-1, 2, (n, k), generator=generator).to(torch.int8)
    logits = torch.randn(epochs, n, k, generator=generator) * 3
    gradients = torch.randn(epochs, n, k, generator=generator)
    return given, logits, gradients


def _watch(recorder: Recorder, logits: torch.Tensor, gradients: torch.Tensor, epoch: int, batch: int = 4) -> None:
    """Show one epoch in shuffled batches, with gradients divided by the batch size as a mean loss does."""
    order = torch.randperm(logits.shape[1], generator=torch.Generator().manual_seed(epoch))
    for rows in torch.split(order, batch):
        recorder.observe(rows, logits[epoch, rows], gradients[epoch, rows] / len(rows))
    recorder.end_epoch()


def _hidden(given: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Every third unobserved cell, as if it had been hidden from training."""
    images, classes = np.nonzero(given.numpy() == 0)
    return images[::3], classes[::3]


def _recorded(epochs: int = 5) -> tuple[Recorder, torch.Tensor, np.ndarray, torch.Tensor]:
    given, logits, gradients = _epochs(epochs=epochs)
    recorder = Recorder(given, tau=TAU, planted=_hidden(given))
    for epoch in range(epochs):
        _watch(recorder, logits, gradients, epoch)
    return recorder, given, logits.sigmoid().numpy(), gradients


def test_mean_variance_and_last_p_are_those_of_all_epochs() -> None:
    recorder, _, p, _ = _recorded()
    found = recorder.dynamics()
    np.testing.assert_allclose(found.mean, p.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(found.variance, p.var(axis=0), rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(found.last, p[-1], rtol=1e-6)


def test_flips_are_what_splc_would_do_to_unobserved_cells_only() -> None:
    recorder, given, p, _ = _recorded()
    found = recorder.dynamics()
    for i in range(p.shape[1]):
        for k in range(p.shape[2]):
            above = [bool(p[e, i, k] > TAU) and int(given[i, k]) == 0 for e in range(len(p))]
            first = above.index(True) if any(above) else -1
            crossings = sum(now != before for before, now in zip([False, *above], above, strict=False))
            assert found.flip_epoch[i, k] == first
            assert found.flips[i, k] == crossings


def test_gradients_are_means_by_epoch_group_and_bin() -> None:
    recorder, given, p, gradients = _recorded()
    frame = recorder.gradients()
    flip_epoch = recorder.dynamics().flip_epoch
    hidden = set(zip(*_hidden(given), strict=True))
    assert any(flip_epoch[cell] >= 0 for cell in hidden)
    expected: dict[tuple[int, str, int], list[float]] = {}
    for e in range(len(p)):
        for i in range(p.shape[1]):
            for k in range(p.shape[2]):
                label = int(given[i, k])
                group = {1: "positive", 0: "unobserved", -1: "absent"}[label]
                if label == 0 and 0 <= flip_epoch[i, k] <= e:
                    group = "flagged"
                if (i, k) in hidden:
                    group = "planted"
                cell = (e, group, int(p[e, i, k] * N_BINS))
                expected.setdefault(cell, []).append(float(gradients[e, i, k]))
    assert len(frame) == len(expected)
    assert set(frame["group"]) == set(GROUPS)
    for row in frame.itertuples():
        values = expected[row.epoch, row.group, round(row.p_low * N_BINS)]
        assert row.count == len(values)
        assert row.gradient == pytest.approx(np.mean(values), rel=1e-4, abs=1e-6)


def test_p_of_exactly_one_stays_in_its_group() -> None:
    recorder = Recorder(torch.tensor([[1, 0]], dtype=torch.int8), tau=TAU)
    recorder.observe(torch.tensor([0]), torch.tensor([[100.0, -100.0]]), torch.zeros(1, 2))
    recorder.end_epoch()
    frame = recorder.gradients().set_index("group")
    assert frame.loc["positive", "p_high"] == 1.0
    assert frame.loc["unobserved", "p_low"] == 0.0


def test_an_image_that_is_never_shown_has_no_statistics_and_does_not_count() -> None:
    given, logits, gradients = _epochs()
    recorder = Recorder(given, tau=TAU)
    seen = torch.tensor([0, 2, 3, 5, 6, 7, 8])
    for epoch in range(2):
        recorder.observe(seen, logits[epoch, seen], gradients[epoch, seen])
        recorder.end_epoch()
    found = recorder.dynamics()
    assert np.isnan(found.mean[[1, 4]]).all()
    assert np.isnan(found.last[[1, 4]]).all()
    np.testing.assert_allclose(found.mean[seen], logits[:2, seen].sigmoid().numpy().mean(axis=0), rtol=1e-5)
    assert recorder.gradients()["count"].sum() == 2 * len(seen) * given.shape[1]


@pytest.mark.parametrize("planted", [True, False])
def test_a_recorder_goes_on_after_its_state_was_saved(planted) -> None:
    given, logits, gradients = _epochs()
    whole, first, second = (Recorder(given, tau=TAU, planted=_hidden(given) if planted else None) for _ in range(3))
    for epoch in range(5):
        _watch(whole, logits, gradients, epoch)
    for epoch in range(2):
        _watch(first, logits, gradients, epoch)
    second.load_state_dict(first.state_dict())
    for epoch in range(2, 5):
        _watch(second, logits, gradients, epoch)
    for name in ("mean", "variance", "last", "flip_epoch", "flips"):
        np.testing.assert_array_equal(getattr(whole.dynamics(), name), getattr(second.dynamics(), name))
    assert whole.gradients().equals(second.gradients())


def test_a_state_from_before_the_planted_cells_were_told_apart_is_gone_on_from() -> None:
    given, logits, gradients = _epochs()
    old, new = Recorder(given, tau=TAU), Recorder(given, tau=TAU, planted=_hidden(given))
    _watch(old, logits, gradients, 0)
    state = old.state_dict()
    state["curves"] = state["curves"][:, :, : GROUPS.index("planted") * N_BINS]
    new.load_state_dict(state)
    _watch(new, logits, gradients, 1)
    frame = new.gradients()
    before, after = (set(frame.loc[frame["epoch"] == epoch, "group"]) for epoch in (0, 1))
    assert frame[frame["epoch"] == 0].equals(old.gradients())
    assert "planted" not in before
    assert "planted" in after


def test_an_epoch_of_other_images_is_refused() -> None:
    given, logits, gradients = _epochs()
    recorder = Recorder(given, tau=TAU)
    for rows in (torch.tensor([0, 1, 2]), torch.tensor([0, 1, 3])):
        recorder.observe(rows, logits[0, rows], gradients[0, rows])
        if rows[-1] == 2:
            recorder.end_epoch()
    with pytest.raises(InputError, match="images of the first one"):
        recorder.end_epoch()


def test_the_last_epoch_is_p_of_every_cell_that_was_shown() -> None:
    recorder, _, p, _ = _recorded()
    np.testing.assert_allclose(recorder.epoch(), p[-1], rtol=1e-6)
    given, logits, gradients = _epochs()
    partly = Recorder(given)
    partly.observe(torch.tensor([1]), logits[0, [1]], gradients[0, [1]])
    partly.end_epoch()
    assert np.isnan(partly.epoch()).all(axis=1).tolist() == [row != 1 for row in range(len(given))]
