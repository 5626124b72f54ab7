"""A plain PyTorch loop that is watched: what it recorded, what it suggests, and what is refused."""

import numpy as np
import pytest
import torch

from labelmend_core import record
from labelmend_core.errors import InputError
from labelmend_core.losses import build_loss
from labelmend_core.training import Recorder

EPOCHS = 4
TWO = torch.tensor([[1, 0], [0, -1]], dtype=torch.int8)


def _train(recording, problem, network, epochs=EPOCHS):
    """Train as anybody does; return every epoch's logits and gradients in the order of the images."""
    optimiser, loss = torch.optim.AdamW(network.parameters(), lr=0.05), build_loss("bce")
    everything = []
    for epoch in range(epochs):
        seen = torch.zeros(2, *problem.given.shape)
        for rows in torch.randperm(len(problem.given), generator=torch.Generator().manual_seed(epoch)).split(50):
            logits = network(problem.features[rows])
            recording.batch(rows, logits)
            logits.retain_grad()
            value = loss(logits, recording.targets[rows])
            optimiser.zero_grad()
            value.backward()
            optimiser.step()
            seen[0, rows], seen[1, rows] = logits.detach(), logits.grad
        recording.end_epoch(loss=float(value.detach()))
        everything.append(seen)
    return torch.stack(everything)


def test_it_records_what_the_recorder_of_our_own_loop_does(problem, new_network) -> None:
    with record(problem.given) as recording:
        seen = _train(recording, problem, new_network())
    expected = Recorder(problem.given)
    for logits, gradients in seen:
        expected.observe(torch.arange(300), logits[:300], gradients[:300] * 50 / 300)
        expected.observe(torch.arange(300, 600), logits[300:], gradients[300:] * 50 / 300)
        expected.end_epoch()
    for name in ("mean", "variance", "last", "flip_epoch", "flips"):
        np.testing.assert_allclose(getattr(recording.dynamics(), name), getattr(expected.dynamics(), name), rtol=1e-5)
    found, wanted = recording.gradients(), expected.gradients()
    assert found.drop(columns="gradient").equals(wanted.drop(columns="gradient"))
    np.testing.assert_allclose(found["gradient"], wanted["gradient"], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("planted", [0.0, 0.1])
def test_what_it_suggests_first_are_errors(problem, new_network, planted) -> None:
    with record(problem.given, planted=planted) as recording:
        _train(recording, problem, new_network())
    issues = recording.issues(min_probability=0)
    assert problem.hits(issues, "missing", 50) > 0.8
    assert problem.hits(issues, "spurious", 10) > 0.7


def test_without_planting_the_targets_are_the_labels(problem) -> None:
    with record(problem.given) as recording:
        recording.batch(torch.arange(600), torch.zeros(600, 4))
        recording.end_epoch()
    assert torch.equal(recording.targets, problem.given)


def test_planted_targets_hide_a_share_of_the_labels(problem) -> None:
    with record(problem.given, planted=0.2, seed=3) as recording:
        recording.batch(torch.arange(600), torch.zeros(600, 4))
        recording.end_epoch()
    differs = set(map(tuple, (recording.targets != problem.given).nonzero().tolist()))
    hidden = [cell for cell in differs if recording.targets[cell] == 0]
    assert len(hidden) >= 50
    assert len(differs) < 0.4 * int((problem.given == 1).sum())


def test_images_that_an_epoch_leaves_out_or_shows_twice_count_as_often_as_they_were_seen() -> None:
    logits = torch.tensor([[0.0, 1.0], [2.0, -1.0], [3.0, 0.5]])
    with record(TWO) as recording:
        recording.batch(torch.tensor([0, 1, 1]), logits)  # the last of the two counts
        recording.end_epoch()
        recording.batch(torch.tensor([0]), logits[1:2])
        recording.end_epoch()
    p = logits.sigmoid().numpy()
    found = recording.dynamics()
    np.testing.assert_allclose(found.mean, [(p[0] + p[1]) / 2, p[2]], rtol=1e-6)
    np.testing.assert_allclose(found.variance, [((p[0] - p[1]) / 2) ** 2, [0, 0]], atol=1e-7)
    np.testing.assert_allclose(found.last, [p[1], p[2]], rtol=1e-6)


def test_names_of_images_and_classes_stand_in_the_issues() -> None:
    with record(TWO, class_names=["cat", "dog"], image_ids=["a.jpg", "b.jpg"]) as recording:
        recording.batch(torch.tensor([0, 1]), torch.zeros(2, 2))
        recording.end_epoch()
    issues = recording.issues(min_probability=0)
    assert set(issues["image"]) == {"a.jpg", "b.jpg"}
    assert set(issues["class"]) == {"cat", "dog"}


def test_without_a_backward_pass_there_are_no_gradients() -> None:
    with record(TWO) as recording:
        recording.batch(torch.tensor([0, 1]), torch.zeros(2, 2))
        recording.end_epoch()
    assert recording.gradients().empty


def test_a_scaled_loss_leaves_the_gradients_as_they_were() -> None:
    found = []
    for scale in (1.0, 1024.0):
        with record(TWO) as recording:
            logits = torch.zeros(2, 2, requires_grad=True)
            recording.batch(torch.tensor([0, 1]), logits, gradient_scale=scale)
            (build_loss("bce")(logits, TWO) * scale).backward()
            recording.end_epoch()
        found.append(recording.gradients()["gradient"].tolist())
    assert found[0] == pytest.approx(found[1])
    assert any(found[0])


@pytest.mark.parametrize(
    ("indices", "logits", "message"),
    [
        (torch.tensor([0, 2]), torch.zeros(2, 2), "whole numbers from 0 to 1"),
        (torch.tensor([0, -1]), torch.zeros(2, 2), "whole numbers from 0 to 1"),
        (torch.tensor([0.0, 1.0]), torch.zeros(2, 2), "whole numbers from 0 to 1"),
        (torch.tensor([0]), torch.zeros(2, 2), r"logits of shape \(B, 2\) and B indices"),
        (torch.tensor([0, 1]), torch.zeros(2, 3), "an output a class"),
    ],
)
def test_a_batch_that_does_not_fit_is_refused(indices, logits, message) -> None:
    with pytest.raises(InputError, match=message), record(TWO) as recording:
        recording.batch(indices, logits)


def test_a_forgotten_end_of_an_epoch_is_named() -> None:
    with pytest.raises(InputError, match="batches came after its last call: 1"), record(TWO) as recording:
        recording.batch(torch.tensor([0, 1]), torch.zeros(2, 2))


def test_an_epoch_without_a_batch_is_refused() -> None:
    with pytest.raises(InputError, match="a batch before the end of an epoch"), record(TWO) as recording:
        recording.end_epoch()


def test_a_block_that_records_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="at least one recorded epoch"), record(TWO):
        pass


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"class_names": ["cat"]}, "2 class_names"),
        ({"image_ids": ["a", "b", "c"]}, "2 image_ids"),
        ({"planted": 0.6}, r"planted in \[0, 0.5\]"),
        ({"tau": -1}, r"tau in \[0, 1.0\]"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message) -> None:
    with pytest.raises(InputError, match=message), record(TWO, **options):
        pass


def test_an_error_of_the_loop_comes_out_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError), record(TWO):
        1 / 0  # noqa: B018
