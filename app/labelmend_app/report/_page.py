"""Puts what a report says into its page; every name in it is text, and nothing in it is loaded from elsewhere."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from labelmend_app.report._content import content
from labelmend_core.errors import InputError
from labelmend_core.files import replacing
from labelmend_core.ledger import Policy
from labelmend_core.workspace import Workspace

_FOLDER = Path(__file__).parent


def write_report(
    workspace: Workspace, path: Path, policy: Policy = Policy.LATEST, *, force: bool = False, command: str = ""
) -> None:
    """Write the report: one HTML file that needs no other file, no script and no network.

    Args:
        workspace: read, not changed.
        path: of the HTML file.
        policy: whose word counts where several reviewers answered.
        force: whether to replace a file that is there.
        command: that asked for it, as a reader could repeat it.

    Raises:
        InputError: there is something at `path`, and `force` was not given.
        WorkspaceError: the disk is full or the folder cannot be written to.
    """
    if path.exists() and not force:
        raise InputError(f"Expected nothing at {path}, but it is there; choose another name or add --force.")
    page = report_page(workspace, policy, command=command)
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def report_page(workspace: Workspace, policy: Policy = Policy.LATEST, *, command: str = "") -> str:
    """Return the report as HTML; see `write_report`."""
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(content(workspace, policy, command))
