"""The trackers that a training can tell of its epochs, and what has to be installed for each; without torch."""

import importlib.util
from collections.abc import Iterable

from labelmend_core.errors import InputError

# By name: the packages that do it, the first of them is the one to install.
TRACKERS = {"tensorboard": ("tensorboard", "tensorboardX"), "mlflow": ("mlflow",)}


def is_installed(name: str) -> bool:
    """Return whether a tracker of `TRACKERS` has its package."""
    return any(importlib.util.find_spec(package) for package in TRACKERS[name])


def require_trackers(names: Iterable[str]) -> None:
    """Raise where a tracker is unknown or not installed.

    Raises:
        InputError: the sentence says what to install.
    """
    for name in names:
        if name not in TRACKERS:
            raise InputError(f"Expected a tracker among {', '.join(TRACKERS)}, got {name!r}")
        if not is_installed(name):
            raise InputError(f"Expected {name} to be installed to track a run in it; pip install {TRACKERS[name][0]}")
