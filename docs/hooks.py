"""What mkdocs does while it builds: pages of commands, losses and heads follow the registries by themselves."""

import re
from collections.abc import Callable, Iterable

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page
from typer.cli import get_docs_for_click
from typer.main import get_command

from labelmend_app.cli import app
from labelmend_core.hyperparameter import Hyperparameter
from labelmend_core.losses import LOSSES
from labelmend_core.models.heads import HEADS

_HERE = re.compile(r"^<!-- (commands|losses|heads) -->$", re.MULTILINE)


def on_page_markdown(markdown: str, /, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Return the page with every such comment replaced."""
    return _HERE.sub(lambda found: _SECTIONS[found[1]](), markdown)


def _commands() -> str:
    command = get_command(app)
    with command.make_context("labelmend", [], resilient_parsing=True) as context:
        text = get_docs_for_click(obj=command, ctx=context, name="labelmend")
    return "## " + text.partition("\n## ")[2]  # what stands before is the list of all


def _losses() -> str:
    return "\n".join(_section(name, loss, loss.hyperparameters) for name, loss in sorted(LOSSES.items()))


def _heads() -> str:
    return "\n".join(_section(name, head, head.settings) for name, head in HEADS.items())


def _section(name: str, what: type, settings: Iterable[Hyperparameter]) -> str:
    """Return the docstring of a class under its name, and a table of what can be set."""
    rows = "".join(f"| `{one.name}` | {one.default} | {_range(one)} | {one.description} |\n" for one in settings)
    table = f"| setting | default | range | what it does |\n|---|---|---|---|\n{rows}" if rows else ""
    # A root heading of its own, because the name is what people write.
    options = f'options: {{heading: "{name}", toc_label: "{name}", heading_level: 3, show_bases: false}}'
    return f"::: {what.__module__}.{what.__qualname__}\n    {options}\n\n{table}\n"


def _range(one: Hyperparameter) -> str:
    if one.choices:
        return ", ".join(one.choices)
    if isinstance(one.default, bool | str):
        return "true, false" if isinstance(one.default, bool) else "text"
    return f"{one.low:g} to {one.high:g}"


_SECTIONS: dict[str, Callable[[], str]] = {"commands": _commands, "losses": _losses, "heads": _heads}
