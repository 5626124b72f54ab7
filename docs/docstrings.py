"""How the reference reads our docstrings."""

import re
from typing import Any

import griffe


class Examples(griffe.Extension):
    """Reads our `Example:` as the `Examples:` of Google's form, so that a doctest is shown as code."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Change the docstring of whatever has one."""
        if obj.docstring is not None:
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)
