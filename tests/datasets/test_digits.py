"""The built-in scenes: labels say what is drawn, later classes are rarer, training and validation share no sample."""

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from labelmend_core.errors import InputError
from labelmend_datasets.digits import CLASS_NAMES, compose_scene, make_scenes


def make(folder, n_images=20, seed=0, **options):
    return make_scenes(folder, n_images, np.random.default_rng(seed), **options)


def compose(n, samples):
    rng = np.random.default_rng(0)
    return [compose_scene(rng, samples=samples) for _ in range(n)]


@pytest.fixture(scope="module")
def scenes():
    return compose(1_500, "train")


def test_writes_png_scenes_that_decode_to_what_was_composed(tmp_path):
    dataset = make(tmp_path / "scenes", side=48)

    assert dataset.image_ids == dataset.paths == [f"{index:05d}.png" for index in range(20)]
    assert sorted(path.name for path in (tmp_path / "scenes").iterdir()) == dataset.paths
    rng = np.random.default_rng(0)
    for index, name in enumerate(dataset.paths):
        scene = compose_scene(rng, 48)
        with Image.open(tmp_path / "scenes" / name) as image:
            assert (np.asarray(image) == scene.pixels).all()
        assert set(dataset.given_labels.positives(index)) == {placement.digit for placement in scene.placements}


def test_labels_are_complete_and_their_classes_words():
    assert CLASS_NAMES[:3] == ("zero", "one", "two")
    assert len(set(CLASS_NAMES)) == 10


def test_a_seed_gives_the_same_scenes_and_another_seed_others(tmp_path):
    first, again, other = (make(tmp_path / name, seed=seed) for name, seed in (("a", 1), ("b", 1), ("c", 2)))

    pixels = {name: (tmp_path / name / "00007.png").read_bytes() for name in "abc"}
    assert first.given_labels == again.given_labels != other.given_labels
    assert pixels["a"] == pixels["b"] != pixels["c"]


def test_each_placement_shows_the_digit_that_its_label_says(scenes):
    images, targets = load_digits(return_X_y=True)
    likeness = []
    for scene in scenes[:150]:
        for placement in scene.placements:
            assert targets[placement.sample] == placement.digit
            size = placement.size
            square = scene.pixels[placement.top : placement.top + size, placement.left : placement.left + size]
            small = Image.fromarray(square).resize((8, 8), Image.Resampling.BOX)
            shown = np.asarray(small, dtype=float).reshape(64, 3)
            drawn = images[placement.sample]
            likeness.append(max(abs(np.corrcoef(channel, drawn)[0, 1]) for channel in shown.T))
    assert np.median(likeness) > 0.95
    assert np.mean(np.array(likeness) > 0.7) > 0.98


def test_digits_do_not_hide_each_other(scenes):
    for scene in scenes[:200]:
        covered = np.zeros((48, 48), dtype=int)
        for placement in scene.placements:
            covered[placement.top :, placement.left :][: placement.size, : placement.size] += 1
        assert (covered > 1).sum() < 0.2 * (covered > 0).sum()
        assert all(0 <= one.left <= 48 - one.size and 0 <= one.top <= 48 - one.size for one in scene.placements)


def test_a_scene_has_one_to_six_digits_and_later_classes_are_rarer(scenes):
    drawn = [[placement.digit for placement in scene.placements] for scene in scenes]

    assert {len(digits) for digits in drawn} == {1, 2, 3, 4, 5, 6}
    counts = np.bincount(np.concatenate(drawn), minlength=10)
    assert (counts[:-2] > counts[2:]).all()
    assert counts[0] > 5 * counts[9] > 0


def test_training_and_validation_share_no_sample(scenes):
    train, validation = (
        {placement.sample for scene in drawn for placement in scene.placements}
        for drawn in (scenes, compose(800, "validation"))
    )

    assert not train & validation
    assert len(train) > 1_000
    assert len(validation) > 250


def test_grounds_are_dark_and_of_many_colours(scenes):
    grounds = np.array([np.median(scene.pixels, axis=(0, 1)) for scene in scenes[:200]])

    assert (grounds.mean(axis=1) < 128).all()
    assert grounds.std(axis=0).min() > 15


@pytest.mark.parametrize("side", [24, 64])
def test_scenes_of_other_sizes(tmp_path, side):
    make(tmp_path / "scenes", 3, side=side)

    with Image.open(tmp_path / "scenes" / "00002.png") as image:
        assert (image.size, image.mode) == ((side, side), "RGB")


@pytest.mark.parametrize(("n_images", "side"), [(0, 48), (5, 23)])
def test_too_few_or_too_small_scenes_are_refused(tmp_path, n_images, side):
    with pytest.raises(InputError, match=f"at least 1 scene of at least 24 px, got {n_images} of {side} px"):
        make(tmp_path / "scenes", n_images, side=side)


def test_scenes_never_replace_what_is_there(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")

    with pytest.raises(InputError, match="new or an empty folder"):
        make(tmp_path)
