"""`labelmend recipes`: what the papers trained, ready to be trained again."""

from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from labelmend_app import recipes as shelf
from labelmend_app.cli._common import JsonOption, answer, out
from labelmend_core.dotted import dotted


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("recipes")(recipes)


def recipes(
    name: Annotated[str | None, typer.Argument(help="Show this one in full.")] = None, as_json: JsonOption = False
) -> None:
    """List the recipes of `labelmend train --recipe`, with what their papers report.

    Example: `labelmend recipes splc-coco-40`
    """
    if name is not None:
        recipe = shelf.read(name)
        answer(_in_full(recipe), asdict(recipe), as_json)
        return
    found = [shelf.read(each) for each in shelf.names()]
    if not as_json:
        table = Table("recipe", "what", "mAP of the paper", "read in the paper", box=None)
        for recipe in found:
            figure = "" if recipe.published.map is None else f"{recipe.published.map:.2f}"
            table.add_row(recipe.name, recipe.title, figure, "yes" if recipe.published.confirmed else "no")
        out.print(table)
    answer(
        "Next: labelmend recipes NAME, then labelmend train --recipe NAME",
        {"recipes": [asdict(recipe) for recipe in found]},
        as_json,
    )


def _in_full(recipe: shelf.Recipe) -> str:
    published = recipe.published
    figure = "no figure known" if published.map is None else f"mAP {published.map:.2f}"
    lines = [
        f"{recipe.title}\n",
        f"paper: {recipe.paper}",
        *(f"{what}: {text}" for what, text in recipe.dataset.items()),
        f"published: {figure} ({'confirmed' if published.confirmed else 'not confirmed'}). {published.note}",
        f"assumed: {recipe.assumed}\n",
        *(f"{name} = {value}" for name, value in dotted(recipe.settings).items()),
        f"\nNext: labelmend train --recipe {recipe.name}",
    ]
    return "\n".join(lines)
