"""Augmentation: drawn from seed, epoch and batch alone, within bounds, each image its own."""

import pytest
import torch

from labelmend_core.errors import InputError
from labelmend_core.training import Augment
from labelmend_core.training.augment import Augmentation, Cutout, Draws, MirrorAndMove, RandomOperations

STEPS = {
    "mirror and move": MirrorAndMove(flip=True, shift=0.1),
    "cutout": Cutout(0.5),
    "random operations": RandomOperations(9),
}
each_step = pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)


def _pixels(images: int = 12, side: int = 24) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (images, 3, side, side), generator=generator, dtype=torch.uint8)


@each_step
def test_draws_depend_on_seed_epoch_and_batch_alone(step) -> None:
    pixels = _pixels()
    first = Augmentation([step], seed=1)(pixels, 2, 3)
    torch.rand(7)  # somebody else draws from the global generator
    assert torch.equal(first, Augmentation([step], seed=1)(pixels, 2, 3))
    for seed, epoch, batch in ((2, 2, 3), (1, 3, 3), (1, 2, 4)):
        assert not torch.equal(first, Augmentation([step], seed=seed)(pixels, epoch, batch))


@each_step
def test_the_global_generator_is_left_alone(step) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    Augmentation([step], seed=1)(_pixels(), 0, 0)
    assert torch.equal(torch.rand(3), expected)


@each_step
def test_pixels_stay_pixels_and_the_input_stays_as_it_is(step) -> None:
    pixels = _pixels()
    before = pixels.clone()
    changed = Augmentation([step], seed=0)(pixels, 0, 0)
    assert changed.shape == pixels.shape
    assert changed.dtype == torch.float32
    assert 0 <= changed.min() <= changed.max() <= 255
    assert torch.equal(pixels, before)


@each_step
def test_images_of_a_batch_are_changed_each_in_its_own_way(step) -> None:
    one = _pixels(1).expand(16, -1, -1, -1)
    changed = Augmentation([step], seed=0)(one, 0, 0)
    assert len({tuple(image.flatten().tolist()) for image in changed}) > 4


@each_step
def test_a_part_of_a_batch_is_changed_as_it_is_in_the_whole(step) -> None:
    pixels, own = _pixels(), torch.tensor([7, 2, 2, 11])
    part = Augmentation([step], seed=0)(pixels[own], 1, 2, own=own, of=len(pixels))
    assert torch.equal(part, Augmentation([step], seed=0)(pixels, 1, 2)[own])


def test_cutout_greys_a_square_of_the_given_side_and_nothing_else() -> None:
    pixels = torch.full((200, 3, 32, 32), 7.0)
    changed = Cutout(0.25)(pixels, Draws(torch.Generator().manual_seed(0), 200))
    grey = (changed == 128).all(dim=1)
    assert ((changed == 7) | (changed == 128)).all()
    heights, widths = grey.any(dim=2).sum(dim=1), grey.any(dim=1).sum(dim=1)
    assert heights.max() <= 9
    assert heights.float().median() == 8
    assert torch.equal(grey.sum(dim=(1, 2)), heights * widths)


def test_no_step_only_makes_floats() -> None:
    assert torch.equal(Augmentation([], seed=0)(_pixels(), 0, 0), _pixels().float())


@pytest.mark.parametrize("wrong", [{"cutout": 1.0}, {"shift": -0.1}, {"rand_augment": 31}, {"rand_augment": -1}])
def test_settings_out_of_range_are_refused(wrong) -> None:
    with pytest.raises(InputError, match=r"Expected"):
        Augment(**wrong)
