"""From what somebody chose to the settings of a run: defaults of the mode or a recipe, and options over them."""

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from labelmend_core.errors import InputError

if TYPE_CHECKING:
    from labelmend_core.training import RunSettings

# A head wants a strong decay, a network a weak one.
DEFAULTS: dict[str, dict[str, Any]] = {
    "probe": {
        "mode": "probe",
        "loss": "hill",
        "backbone": {"name": "resnet50"},
        "schedule": {"epochs": 10, "lr": 1e-3, "weight_decay": 3.0},
        "batch_size": 256,
        "folds": 5,
        "companions": ["bce"],
    },
    "finetune": {
        "mode": "finetune",
        "loss": "hill",
        "backbone": {"name": "resnet50"},
        "schedule": {"epochs": 20, "lr": 1e-3, "weight_decay": 1e-2, "ema_decay": 0.9997},
        "batch_size": 64,
        "folds": 1,
    },
}


def run_settings(base: Mapping[str, Any], chosen: Mapping[str, Any], where: str = "the settings") -> "RunSettings":
    """Return the settings `base` with what was chosen over them.

    Args:
        base: one of `DEFAULTS`, or the settings of a recipe.
        chosen: values by dotted name, such as "schedule.lr"; None leaves what `base` says. Another loss or head
            than that of `base` starts from its own defaults.
        where: what `base` is, for messages.

    Raises:
        InputError: a value is unknown or out of range.
    """
    from labelmend_core.training import RunSettings

    values = copy.deepcopy(dict(base))
    for name, settings in (("loss", "hyperparameters"), ("head", "head_settings")):
        if chosen.get(name) not in (None, values.get(name)):
            values[settings] = {}
    for name, value in chosen.items():
        *sections, key = name.split(".")
        part = values
        for section in sections:
            part = part.setdefault(section, {})
        if value is not None:
            part[key] = value
    try:
        return RunSettings.from_dict({"augment": {}, **values})
    except (TypeError, KeyError) as error:
        raise InputError(f"Expected settings of a run in {where}, got a wrong or missing one: {error}") from error
