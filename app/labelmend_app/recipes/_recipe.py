"""Reading recipes."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelmend_core.errors import InputError

_FOLDER = Path(__file__).parent
_SECTIONS = {"title", "paper", "dataset", "published", "assumed", "settings"}


@dataclass(frozen=True)
class Published:
    """What a paper reports.

    Attributes:
        map: mean average precision in percent, None where none is known.
        confirmed: whether somebody of this project has read the figure in the paper.
        note: how it was come by.
    """

    map: float | None
    confirmed: bool
    note: str


@dataclass(frozen=True)
class Recipe:
    """One row of a paper, ready for whoever has the images.

    Attributes:
        title, paper: what it is, and where it stands.
        dataset: images, labels and how to prepare them, as text by name.
        published: the figure.
        assumed: settings that the paper does not state, and why they are as they are.
        settings: of the run, nested as `RunSettings.to_dict` nests them; what is missing keeps its default.
    """

    name: str
    title: str
    paper: str
    dataset: Mapping[str, str]
    published: Published
    assumed: str
    settings: Mapping[str, Any]


def names() -> list[str]:
    """Return the names of the recipes that come with labelmend, in order."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def read(name: str) -> Recipe:
    """Return a recipe by its name, or from a TOML file of the user's.

    Raises:
        InputError: there is no such recipe, or it is not one.
    """
    path = Path(name) if name.endswith(".toml") else _FOLDER / f"{name}.toml"
    if name not in names() and not (name.endswith(".toml") and path.is_file()):
        raise InputError(f"Expected a recipe among {', '.join(names())}, or a .toml file, got {name!r}")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"Expected a recipe in TOML, but {path} is none: {error}") from error
    missing, unknown = _SECTIONS - set(content), set(content) - _SECTIONS
    if missing or unknown:
        raise InputError(
            f"Expected {', '.join(sorted(_SECTIONS))} in the recipe {path}, but "
            + "; ".join(
                f"{', '.join(sorted(some))} {what}"
                for some, what in ((missing, "is missing"), (unknown, "is unknown"))
                if some
            )
        )
    published = content["published"]
    return Recipe(
        name=path.stem,
        title=content["title"],
        paper=content["paper"],
        dataset=content["dataset"],
        published=Published(published.get("map"), published["confirmed"], published["note"]),
        assumed=content["assumed"],
        settings=content["settings"],
    )
