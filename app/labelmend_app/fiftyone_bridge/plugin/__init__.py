"""The FiftyOne plugin: FiftyOne reads this folder where `labelmend fiftyone plugin` has put it, and calls `register`.

Nothing else of labelmend imports it, as it imports fiftyone.
"""

from typing import Any

from .operators import OPERATORS
from .panel import ProgressPanel


def register(plugin: Any) -> None:
    """Give FiftyOne the operators and the panel."""
    for one in (*OPERATORS, ProgressPanel):
        plugin.register(one)
