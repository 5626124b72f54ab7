"""Nested settings by dotted name."""

from collections.abc import Mapping
from typing import Any


def dotted(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings in one table, in their order; a table without any is left out.

    Example:
        >>> dotted({"loss": "splc", "schedule": {"epochs": 5}})
        {'loss': 'splc', 'schedule.epochs': 5}
    """
    found: dict[str, Any] = {}
    for name, value in settings.items():
        found |= dotted(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value}
    return found
