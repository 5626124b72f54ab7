"""Recipes: what to train for a published figure, one small TOML each; `labelmend train --recipe NAME`."""

from labelmend_app.recipes._recipe import Published, Recipe, names, read

__all__ = ["Published", "Recipe", "names", "read"]
