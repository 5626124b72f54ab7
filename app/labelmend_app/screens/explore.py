"""Explore: filter the suggestions, look at maps of all cells, and take any of them to the review."""

from collections.abc import Callable

import streamlit as st

from labelmend_app.explore.cells import Known
from labelmend_app.screens import _runs
from labelmend_app.screens._explore_bulk import undo_notice
from labelmend_app.screens._explore_filter import filter_view
from labelmend_app.screens._explore_maps import feature_view, learning_view
from labelmend_app.screens._explore_result import first_page
from labelmend_core.ledger import Status
from labelmend_core.workspace import Workspace

VIEW = "view"
VIEWS: dict[str, tuple[str, str, Callable[[Known], None]]] = {
    "filter": ("Filter", ":material/filter_list:", filter_view),
    "learning": ("How it was learned", ":material/model_training:", learning_view),
    "features": ("What it looks like", ":material/scatter_plot:", feature_view),
}


def render(workspace: Workspace) -> None:
    """Draw the screen."""
    runs = workspace.cells.runs_with_suggestions()
    if not runs:
        st.title("Explore")
        _nothing_suggested(workspace)
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.title("Explore", width="content")
        view = _choose_view()
        with st.container(width=520):
            names = _runs.names(workspace.runs.all())
            run_id = _runs.choose("Run", {run: names[run] for run in runs}, "run", first=runs[0])
    undo_notice(workspace)
    VIEWS[view][2](_known(workspace, run_id, *_version(workspace)))


def _nothing_suggested(workspace: Workspace) -> None:
    if any(run.status is Status.DONE for run in workspace.runs.all()):
        st.info("Nothing to explore yet: a run is trained, so run **labelmend suggest** and come back.")
    else:
        st.info("Nothing to explore yet: train a model on the **Train** screen, or run **labelmend train** first.")


def _choose_view() -> str:
    named = st.query_params.get(VIEW, "")
    first = next(iter(VIEWS))
    st.session_state["explore_view"] = named if named in VIEWS else first
    chosen = st.segmented_control(
        "View",
        list(VIEWS),
        key="explore_view",
        required=True,
        format_func=lambda view: f"{VIEWS[view][1]} {VIEWS[view][0]}",
        on_change=_go,
        label_visibility="collapsed",
    )
    return chosen or first


def _go() -> None:
    first_page()
    st.query_params[VIEW] = st.session_state["explore_view"]


def _version(workspace: Workspace) -> tuple[str, tuple[int, ...]]:
    """Return a key that changes whenever the database does."""
    return str(workspace.folder.resolve()), workspace.change_stamp()


@st.cache_resource(show_spinner="Reading suggestions …", max_entries=2)
def _known(_workspace: Workspace, run_id: str, folder: str, stamps: tuple[int, ...]) -> Known:
    return Known.of(_workspace, run_id)
