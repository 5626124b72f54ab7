"""The presets are of losses that there are, with values that they take."""

import pytest

from labelmend_core.losses import LOSSES, build_loss
from labelmend_core.losses.presets import FIGURES, PRESETS, presets_of


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: f"{preset.loss}: {preset.name}")
def test_every_preset_builds_its_loss(preset) -> None:
    loss = build_loss(preset.loss, **preset.hyperparameters)
    assert {name: getattr(loss, name) for name in preset.hyperparameters} == preset.hyperparameters
    assert preset.source


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)
def test_every_curve_of_a_figure_builds_its_loss(figure) -> None:
    for name, hyperparameters in figure.curves:
        build_loss(name, **hyperparameters)
    assert figure.axis in ("pred_prob", "logit")
    assert figure.source


def test_names_and_values_of_a_loss_do_not_repeat() -> None:
    for name, loss in LOSSES.items():
        found = [preset for preset in PRESETS if preset.loss == name]
        assert list(presets_of(name)) == [preset.name for preset in found]
        defaults = {row.name: row.default for row in loss.hyperparameters}
        values = [{**defaults, **preset.hyperparameters} for preset in found]
        assert all(values.count(value) == 1 for value in values)
    assert len({figure.name for figure in FIGURES}) == len(FIGURES)


def test_the_figure_of_asl_is_that_of_its_special_cases() -> None:
    """Focal loss and cross-entropy as presets of asl are the losses of those names."""
    import torch

    logits = torch.linspace(-5, 5, 11, dtype=torch.float64)[:, None]
    for target in (1, 0):
        targets = torch.full(logits.shape, target)
        for preset, name in (("focal loss: γ− 2, γ+ 2, clip 0", "focal"), ("cross-entropy: γ− 0, γ+ 0, clip 0", "bce")):
            mine = build_loss("asl", **presets_of("asl")[preset].hyperparameters)
            torch.testing.assert_close(mine(logits, targets), build_loss(name)(logits, targets))
