"""`labelmend fiftyone`: the workspace in FiftyOne, and what was decided there back into the ledger."""

import os
import signal
import sys
import webbrowser
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from labelmend_app.cli._common import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption, answer, opened, progress_bar
from labelmend_app.cli._timed import Timed
from labelmend_app.review.reviewers import REVIEWER_VARIABLE, reviewer_name
from labelmend_core.workspace import Workspace

if TYPE_CHECKING:
    from labelmend_app.fiftyone_bridge.push import Pushed

_SHOWN = 20  # conflicts, one a line


def add_to(app: typer.Typer) -> None:
    """Register the group of commands."""
    group = typer.Typer(help="See the workspace in FiftyOne and decide there, too.", no_args_is_help=True)
    group.callback()(_only_a_group)
    group.command("push")(push)
    group.command("app")(open_app)
    group.command("pull")(pull)
    group.command("plugin")(plugin)
    app.add_typer(group, name="fiftyone")


def _only_a_group() -> None:
    """See the workspace in FiftyOne and decide there, too."""


def push(
    run: Annotated[str | None, typer.Option(help="Whose suggestions; the newest run with any by default.")] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Bring labels, suggestions, probabilities and features into FiftyOne; again and again, as you like.

    What was decided there and not pulled yet stays as it is.

    Example: `labelmend fiftyone push`
    """
    with opened(workspace) as project:
        pushed = _push(project, run)
    text = (
        f"{pushed.images:,} images and {pushed.suggestions:,} suggestions are in FiftyOne as {pushed.dataset}, "
        f"with {pushed.views:,} saved views."
    )
    if pushed.waiting:
        text += f"\n{pushed.waiting:,} decisions made there wait for 'labelmend fiftyone pull'."
    answer(f"{text}\nNext: labelmend fiftyone app", asdict(pushed), as_json)


def _push(project: Workspace, run: str | None = None) -> "Pushed":
    from labelmend_app.fiftyone_bridge.beside import noting
    from labelmend_app.fiftyone_bridge.push import push as push_to

    with progress_bar() as bar:
        return push_to(project, run_id=run, show=noting(project, Timed(bar)))


def open_app(
    push_first: Annotated[bool, typer.Option("--push", help="Bring it up to date first.")] = False,
    port: Annotated[int, typer.Option(min=1024, max=65535, help="Port on this machine.")] = 5151,
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Open the browser.")] = True,
    reviewer: Annotated[str | None, typer.Option(help="Who decides there; a pull asks who without it.")] = None,
    with_plugin: Annotated[bool, typer.Option("--plugin/--no-plugin", help="Put its buttons there.")] = True,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Open the FiftyOne App on the workspace; only this machine can reach it. Ctrl-C ends it.

    Choose a saved view, select pictures or open one, and press Accept, Reject or Unsure: buttons of the plugin that
    `labelmend fiftyone plugin` installs, and that this command brings up to date.

    Example: `labelmend fiftyone app --reviewer Anna`
    """
    from labelmend_app.fiftyone_bridge import plugin_folder
    from labelmend_app.fiftyone_bridge.app import serve

    if reviewer is not None:
        os.environ[REVIEWER_VARIABLE] = reviewer_name(reviewer)
    if with_plugin and not plugin_folder.is_current():
        typer.echo(f"The plugin is in {plugin_folder.install()}; 'labelmend fiftyone plugin --remove' takes it away.")

    def ready(address: str) -> None:
        typer.echo(f"The FiftyOne App is at {address}; Ctrl-C ends it.")
        if open_browser:
            webbrowser.open(address)

    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that the database ends as well
    with opened(workspace) as project:
        if push_first:
            _push(project)
        serve(project, port=port, ready=ready, panel=plugin_folder.is_current())
    answer("Next: labelmend fiftyone pull", {"port": port}, as_json)


def pull(
    reviewer: Annotated[str | None, typer.Option(help="Who decided in FiftyOne; you by default.")] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Bring what was decided in FiftyOne into the ledger, each decision once.

    What the ledger says otherwise is listed and stays.

    Example: `labelmend fiftyone pull --reviewer Anna`
    """
    from labelmend_app.fiftyone_bridge.pull import pull as pull_from

    with opened(workspace) as project:
        pulled = pull_from(project, reviewer=reviewer)
    lines = [f"{pulled.sent:,} decisions were made in FiftyOne; {pulled.kept:,} are in the ledger."]
    if pulled.conflicts:
        lines.append(f"{len(pulled.conflicts):,} differ from the ledger and were not taken:")
        lines += [
            f"  {one.image}, {one.class_name} ({one.kind}): {one.in_fiftyone} there, {one.in_ledger} here by "
            f"{one.decided_by}"
            for one in pulled.conflicts[:_SHOWN]
        ]
    lines += [f"Not understood: {what}" for what in pulled.unclear[:_SHOWN]]
    answer("\n".join([*lines, "Next: labelmend fiftyone push, labelmend retrain"]), asdict(pulled), as_json)


def plugin(
    remove: Annotated[bool, typer.Option("--remove", help="Take it away instead.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Put the plugin into FiftyOne's folder of plugins: buttons that decide, and a panel with the progress.

    FIFTYONE_PLUGINS_DIR or the settings of FiftyOne say where that is; else it is ~/fiftyone/__plugins__.

    Example: `labelmend fiftyone plugin`
    """
    from labelmend_app.fiftyone_bridge import plugin_folder

    if remove:
        gone = plugin_folder.remove()
        said = "The plugin was not installed." if gone is None else f"The plugin is gone from {gone}."
        answer(said, {"folder": None if gone is None else str(gone), "installed": False}, as_json)
        return
    folder = plugin_folder.install()
    answer(
        f"The plugin is in {folder}.\nNext: labelmend fiftyone app", {"folder": str(folder), "installed": True}, as_json
    )
