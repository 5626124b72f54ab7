"""Recipes: each is whole, says where its figure comes from, and trains an epoch on generated images."""

import pytest

from labelmend_app import recipes
from labelmend_app.run_options import run_settings
from labelmend_core.errors import InputError
from labelmend_core.losses import build_loss

each_recipe = pytest.mark.parametrize("name", recipes.names())


def _every_part() -> list[str]:
    """Return a few recipes in which every backbone and every head occurs."""
    settings = {name: recipes.read(name).settings for name in recipes.names()}
    parts = {name: {of["backbone"]["name"], of.get("head", "linear")} for name, of in settings.items()}
    chosen: list[str] = []
    missing = set().union(*parts.values())
    while missing:
        chosen.append(max(parts, key=lambda name: len(parts[name] & missing)))
        missing -= parts[chosen[-1]]
    return chosen


@each_recipe
def test_a_recipe_names_its_paper_its_data_and_its_figure(name: str) -> None:
    recipe = recipes.read(name)
    assert "arXiv:" in recipe.paper
    assert {"name", "images", "prepare"} <= set(recipe.dataset)
    assert recipe.published.note
    assert recipe.assumed
    assert recipe.published.map is None or 0 < recipe.published.map < 100
    # A figure that nobody has read cannot be confirmed.
    assert recipe.published.map is not None or not recipe.published.confirmed


@each_recipe
def test_a_recipe_s_settings_are_those_of_a_run(name: str) -> None:
    recipe = recipes.read(name)
    settings = run_settings(recipe.settings, {}, name)
    build_loss(settings.loss, **settings.hyperparameters)
    assert settings.hold_out > 0  # never chosen on the images that are reported


@each_recipe
def test_a_recipe_trains_an_epoch_of_a_small_network_on_generated_images(name: str, smoke_epoch) -> None:
    metrics = smoke_epoch(name, **{"backbone.name": "test_resnet"})
    assert metrics["epochs"] == 1
    assert metrics["chosen_on"] == "held-out training images"
    assert 0 <= metrics["map"] <= 1


@pytest.mark.parametrize("name", _every_part())
def test_the_network_of_a_recipe_trains_an_epoch_on_generated_images(name: str, smoke_epoch) -> None:
    metrics = smoke_epoch(name)
    assert metrics["epochs"] == 1
    assert metrics["chosen_on"] == "held-out training images"
    assert 0 <= metrics["map"] <= 1


def test_what_is_chosen_outranks_the_recipe() -> None:
    recipe = recipes.read("splc-coco-75")
    settings = run_settings(recipe.settings, {"schedule.lr": 0.5, "batch_size": 7, "hold_out": None})
    assert settings.schedule.lr == 0.5
    assert settings.batch_size == 7
    assert settings.hold_out == recipe.settings["hold_out"]
    assert settings.hyperparameters["tau"] == 0.65
    assert recipes.read("splc-coco-75").settings == recipe.settings


def test_another_loss_starts_from_its_own_defaults() -> None:
    settings = run_settings(recipes.read("splc-coco-75").settings, {"loss": "hill", "hyperparameters.lam": 2.0})
    assert settings.hyperparameters == {"lam": 2.0}


def test_an_unknown_recipe_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"splc-coco-40.*got 'splc'"):
        recipes.read("splc")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("title = ", "in TOML"),
        ('title = "a"', "is missing"),
        (
            "title = ''\npaper = ''\ndataset = {}\npublished = {}\nassumed = ''\nsettings = {}\nmore = 1",
            "more is unknown",
        ),
    ],
)
def test_a_file_that_is_no_recipe_is_refused(tmp_path, content: str, words: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(content)
    with pytest.raises(InputError, match=words):
        recipes.read(str(path))


def test_a_wrong_setting_of_a_recipe_is_named() -> None:
    settings = {"mode": "finetune", "loss": "bce", "backbone": {"name": "resnet18"}, "schedule": {"epoch": 3}}
    with pytest.raises(InputError, match=r"in recipe mine.*'epoch'"):
        run_settings(settings, {}, "recipe mine")
